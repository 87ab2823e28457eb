import type { List } from '../api/queries.ts'
import type { SourceRefusal } from '../api/schema.ts'
import { Button } from '../design/button.tsx'
import { CodeBlock } from '../design/code-block.tsx'
import { HeaderList } from '../design/key-value.tsx'
import { Section } from '../design/page.tsx'
import { ErrorState, SkeletonLines } from '../design/states.tsx'
import { bytesText, Time } from '../design/time.tsx'

/** What a source, or `inbound` of a subscription, has refused: each with its reason and what to do. */
export function RefusalList({ list }: { readonly list: List<SourceRefusal> }) {
  return (
    <Section title="What was refused" hint="The last 100 requests at most, kept for you to see why">
      {list.error !== undefined ? (
        <ErrorState error={list.error} retry={list.again} />
      ) : list.loading ? (
        <SkeletonLines />
      ) : list.rows.length === 0 ? (
        <p className="text-sm text-ink-2">Nothing was refused.</p>
      ) : (
        <div className="space-y-2">
          {list.rows.map(refusal => (
            <Refusal key={refusal.id} refusal={refusal} />
          ))}
          {list.hasMore && (
            <Button size="sm" busy={list.loadingMore} onClick={list.more}>
              Show more
            </Button>
          )}
        </div>
      )}
    </Section>
  )
}

function Refusal({ refusal }: { readonly refusal: SourceRefusal }) {
  const { at, method, reason, detail, query, headers, body, body_bytes: bytes } = refusal
  return (
    <details className="rounded-card border bg-surface">
      <summary className="rounded-card px-3 py-2 text-sm">
        <span className="font-medium text-bad">{reason.replaceAll('_', ' ')}</span>
        <span className="ml-2 text-xs text-ink-3">
          {method} · {bytesText(bytes)} · <Time at={at} />
        </span>
      </summary>
      <div className="space-y-3 border-t p-3">
        <p className="text-sm">{detail}</p>
        {query && <CodeBlock code={`?${query}`} title="Query" />}
        <HeaderList headers={headers} />
        {bytes > 0 && <CodeBlock code={body} title={`Body${refusal.body_truncated ? ', cut' : ''}`} />}
      </div>
    </details>
  )
}
