import { useQuery } from '@tanstack/react-query'
import { Download } from 'lucide-react'
import { useState } from 'react'
import { addressOf, fetchApi } from '../../api/client.ts'
import type { EventDetails } from '../../api/schema.ts'
import { Button } from '../../design/button.tsx'
import { CodeBlock } from '../../design/code-block.tsx'
import { Input, Segmented } from '../../design/field.tsx'
import { JsonTree } from '../../design/json-tree.tsx'
import { Section } from '../../design/page.tsx'
import { ErrorState, Notice, SkeletonLines } from '../../design/states.tsx'
import { bytesText, Time } from '../../design/time.tsx'
import { toastError } from '../../design/toast.tsx'
import { quoted } from '../../parts/curl.ts'
import { saveFile } from '../../parts/save-file.ts'

/** Larger ones are only offered as a download. */
const shownBytesMax = 1_048_576

/** What an event holds: as a tree, as it is, or as the request that sends the same again. */
export function Payload({ event }: { readonly event: EventDetails }) {
  const [view, setView] = useState<'tree' | 'raw' | 'curl'>('tree')
  const [search, setSearch] = useState('')
  const { webhook_id: id, size_bytes: size, content_type: type, payload_expunged_at: expunged } = event
  const address = addressOf('getPayload', { path: { webhook_id: id } })
  const payload = useQuery({
    queryKey: ['getPayload', id],
    queryFn: async ({ signal }) => (await fetchApi(address, { signal })).text(),
    enabled: expunged === null && size <= shownBytesMax,
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (expunged !== null) {
    return (
      <Section title="Payload">
        <Notice>
          The payload was removed <Time at={expunged} />.
        </Notice>
      </Section>
    )
  }
  // Not by a link: a tenant's own page has no cookie, and its token goes with `fetch` only.
  const save = () =>
    fetchApi(address, {})
      .then(async answer => saveFile(`${id}.${endingOf(type)}`, await answer.blob()))
      .catch(toastError)
  const download = (
    <Button size="sm" look="quiet" icon={<Download className="h-3.5 w-3.5" />} onClick={() => void save()}>
      Download
    </Button>
  )
  return (
    <Section
      title="Payload"
      actions={
        <>
          {download}
          <Segmented
            label="How the payload is shown"
            value={view}
            onChange={setView}
            options={[
              { value: 'tree', label: 'Tree' },
              { value: 'raw', label: 'Raw' },
              { value: 'curl', label: 'cURL' },
            ]}
          />
        </>
      }
    >
      {size > shownBytesMax ? (
        <Notice>It has {bytesText(size)}, too much to show here.</Notice>
      ) : payload.isError ? (
        <ErrorState error={payload.error} retry={() => void payload.refetch()} />
      ) : payload.data === undefined ? (
        <SkeletonLines />
      ) : view === 'curl' ? (
        <CodeBlock code={curlOf(event, payload.data)} title="Send the same again" wrap={false} />
      ) : view === 'raw' || parsed(payload.data) === undefined ? (
        <CodeBlock code={payload.data} title={type} />
      ) : (
        <div className="space-y-2">
          {payload.data.length > 400 && (
            <Input
              type="search"
              aria-label="Search in the payload"
              placeholder="Search in the payload"
              value={search}
              onChange={change => setSearch(change.target.value)}
            />
          )}
          <JsonTree value={parsed(payload.data)?.value} search={search} />
        </div>
      )}
    </Section>
  )
}

/** Such as json; what is of an unknown type gets no ending by which a machine would open it. */
function endingOf(type: string): string {
  if (/[/+]json\b/.test(type)) return 'json'
  return type.startsWith('text/plain') ? 'txt' : 'bin'
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

function curlOf(
  { event_type: type, tenant, content_type: contentType, channels }: EventDetails,
  body: string,
): string {
  const headers = [
    `content-type: ${contentType}`,
    type !== null && `x-event-type: ${type}`,
    tenant !== 'default' && `x-tenant: ${tenant}`,
    channels.length > 0 && `x-channels: ${channels.join(',')}`,
  ].filter(header => header !== false)
  return [
    `curl -X POST ${new URL('events', addressOf('getMe'))}`,
    ...headers.map(header => `  -H ${quoted(header)}`),
    `  --data-binary ${quoted(body)}`,
  ].join(' \\\n')
}
