import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { FlaskConical, Plus } from 'lucide-react'
import { useState } from 'react'
import { useChange, useList } from '../../api/queries.ts'
import type { ReceivedRequest, TestReceiver, TestReceiverPatch } from '../../api/schema.ts'
import { Badge, HttpStatus } from '../../design/badge.tsx'
import { Button, ButtonLink } from '../../design/button.tsx'
import { CodeBlock } from '../../design/code-block.tsx'
import type { Column } from '../../design/column.ts'
import { CopyButton } from '../../design/copy.tsx'
import { ConfirmDialog } from '../../design/dialog.tsx'
import { Segmented } from '../../design/field.tsx'
import { HeaderList } from '../../design/key-value.tsx'
import { Card, Page, Section } from '../../design/page.tsx'
import { Panel } from '../../design/panel.tsx'
import { EmptyState, ErrorState, Notice, SkeletonLines } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { bytesText, numberText, Time } from '../../design/time.tsx'
import { useCan, useTenant } from '../../shell/me.ts'

const route = getRouteApi('/test-receivers')

const columns: readonly Column<TestReceiver>[] = [
  {
    id: 'url',
    head: 'Test receiver',
    cell: ({ id, name, url }) => (
      <Link
        to="/test-receivers"
        search={{ id: String(id) }}
        resetScroll={false}
        className="flex min-w-0 items-baseline gap-2 rounded"
      >
        <span className="truncate font-medium">{name ?? `#${id}`}</span>
        <span className="hidden truncate font-mono text-xs text-ink-3 sm:inline">{url}</span>
      </Link>
    ),
  },
  { id: 'answer', head: 'Answers', width: '8rem', cell: ({ answer }) => <AnswerBadge answer={answer} /> },
  {
    id: 'received',
    head: 'Received',
    width: '6rem',
    align: 'right',
    cell: ({ received }) => numberText(received),
  },
  {
    id: 'ends',
    head: 'Ends',
    width: '7rem',
    align: 'right',
    from: 'sm',
    cell: ({ expires_at: at }) => (
      <span className="text-ink-2">
        <Time at={at} />
      </span>
    ),
  },
]

function AnswerBadge({ answer: { status, drop, delay_ms: delay } }: Pick<TestReceiver, 'answer'>) {
  if (drop) return <Badge tone="bad">closes</Badge>
  return (
    <span className="flex items-center gap-1.5">
      <HttpStatus status={status} />
      {delay > 0 && <span className="text-xs text-ink-3">after {delay} ms</span>}
    </span>
  )
}

/** Addresses of this service that take requests and show them, for trying things out. */
export function TestReceivers() {
  const { id } = route.useSearch()
  const navigate = useNavigate({ from: '/test-receivers' })
  const tenant = useTenant()
  const mayWrite = useCan('write')
  const list = useList('listTestReceivers', { query: { tenant, limit: 50 } }, { everyMs: 3000 })
  const create = useChange('createTestReceiver', { affects: ['listTestReceivers'] })
  const open = list.rows.find(row => String(row.id) === id)
  const show = (receiver: TestReceiver) =>
    void navigate({ search: { id: String(receiver.id) }, resetScroll: false })
  const make = mayWrite && (
    <Button
      look="primary"
      busy={create.isPending}
      icon={<Plus className="h-4 w-4" />}
      onClick={() => create.mutate({ body: { ...(tenant && { tenant }) } }, { onSuccess: show })}
    >
      New test receiver
    </Button>
  )
  return (
    <>
      <Page full title="Test receivers" actions={list.rows.length > 0 && make}>
        <DataTable
          label="Test receivers"
          columns={columns}
          list={list}
          keyOf={row => String(row.id)}
          openKey={id}
          onOpen={show}
          empty={
            <EmptyState title="No test receivers" icon={<FlaskConical />} action={make}>
              An address of this service that takes requests, shows them as they arrive, checks their
              signatures, and fails when you tell it to.
            </EmptyState>
          }
        />
      </Page>
      {open && (
        <ReceiverPanel receiver={open} onClose={() => void navigate({ search: {}, resetScroll: false })} />
      )}
    </>
  )
}

const answers = {
  ok: { label: 'Accepts', patch: { status: 200, delay_ms: 0, drop: false } },
  fail: { label: 'Fails', patch: { status: 500, delay_ms: 0, drop: false } },
  slow: { label: 'Slow', patch: { status: 200, delay_ms: 5000, drop: false } },
  drop: { label: 'Closes', patch: { status: 200, delay_ms: 0, drop: true } },
} as const satisfies Readonly<
  Record<string, { label: string; patch: NonNullable<TestReceiverPatch['answer']> }>
>
type Answering = keyof typeof answers

function answeringOf({ drop, status, delay_ms: delay }: TestReceiver['answer']): Answering {
  if (drop) return 'drop'
  if (status >= 300) return 'fail'
  return delay > 0 ? 'slow' : 'ok'
}

function ReceiverPanel({
  receiver,
  onClose,
}: {
  readonly receiver: TestReceiver
  readonly onClose: () => void
}) {
  const { id, url, name, answer } = receiver
  const mayWrite = useCan('write')
  const requests = useList('listReceivedRequests', { path: { id }, query: { limit: 30 } }, { everyMs: 1000 })
  const patch = useChange('patchTestReceiver', { affects: ['listTestReceivers'] })
  const remove = useChange('deleteTestReceiver', { affects: ['listTestReceivers'], quiet: true })
  const [ending, setEnding] = useState(false)
  return (
    <Panel
      onClose={onClose}
      title={name ?? `Test receiver #${id}`}
      actions={
        mayWrite && (
          <>
            <ButtonLink size="sm" look="primary" to="/subscriptions/new" search={{ target_url: url }}>
              Subscribe it
            </ButtonLink>
            <Button size="sm" onClick={() => setEnding(true)}>
              End
            </Button>
          </>
        )
      }
    >
      <Section>
        <Card className="flex items-center gap-2">
          <code className="min-w-0 grow font-mono text-xs break-all">{url}</code>
          <CopyButton text={url} label="Copy the address" />
        </Card>
        <p className="mt-1 text-xs text-ink-3">
          Who knows the address may send. It ends <Time at={receiver.expires_at} />, with all that it got.
        </p>
      </Section>
      {mayWrite && (
        <Section title="How it answers">
          <Segmented
            label="How it answers"
            value={answeringOf(answer)}
            options={(Object.keys(answers) as Answering[]).map(one => ({
              value: one,
              label: answers[one].label,
            }))}
            onChange={next => patch.mutate({ path: { id }, body: { answer: answers[next].patch } })}
          />
        </Section>
      )}
      <Section title="Requests" hint={`${numberText(receiver.received)} in all`}>
        {requests.error !== undefined ? (
          <ErrorState error={requests.error} retry={requests.again} />
        ) : requests.loading ? (
          <SkeletonLines />
        ) : requests.rows.length === 0 ? (
          <Notice>Nothing has arrived yet. What does appears here by itself.</Notice>
        ) : (
          <div className="space-y-2">
            {requests.rows.map(request => (
              <Received key={request.id} request={request} />
            ))}
          </div>
        )}
      </Section>
      {ending && (
        <ConfirmDialog
          open
          onClose={() => setEnding(false)}
          title="End this test receiver"
          verb="End it"
          description="Its address stops taking requests, and what it got is removed. Subscriptions that lead there stay, and fail."
          act={async () => {
            await remove.mutateAsync({ path: { id } })
            onClose()
          }}
        />
      )}
    </Panel>
  )
}

const signatures = {
  valid: { tone: 'good', word: '✓ signature valid' },
  invalid: { tone: 'bad', word: '✕ signature invalid' },
  unchecked: { tone: 'plain', word: 'signature not checked' },
} as const

function Received({ request }: { readonly request: ReceivedRequest }) {
  const {
    at,
    method,
    body,
    body_bytes: bytes,
    headers,
    signature,
    signature_detail: detail,
    status,
    webhook_id: id,
  } = request
  const { tone, word } = signatures[signature]
  return (
    <details className="rounded-card border bg-surface">
      <summary className="flex items-center gap-2 rounded-card px-3 py-2 text-sm">
        <span className="font-mono text-xs font-medium">{method}</span>
        <Badge tone={tone}>{word}</Badge>
        <span className="grow text-xs text-ink-3">{bytesText(bytes)}</span>
        {status === null ? <Badge tone="bad">closed</Badge> : <HttpStatus status={status} />}
        <span className="text-xs text-ink-3">
          <Time at={at} />
        </span>
      </summary>
      <div className="space-y-2 border-t p-3">
        {detail && <p className="text-xs text-ink-2">{detail}</p>}
        {id !== null && signature === 'valid' && (
          <Link
            to="/events/$id"
            params={{ id }}
            className="block w-fit rounded text-xs font-medium text-accent hover:underline"
          >
            Its event
          </Link>
        )}
        <HeaderList headers={headers} />
        <CodeBlock code={body} title={`Body${request.body_truncated ? ', cut' : ''}`} />
      </div>
    </details>
  )
}
