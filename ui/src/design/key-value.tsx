import type { ReactNode } from 'react'

/** Facts, each with its name. */
export function KeyValue({
  facts,
}: {
  readonly facts: readonly (readonly [name: ReactNode, value: ReactNode] | null | false)[]
}) {
  return (
    <dl className="grid grid-cols-[minmax(5.5rem,auto)_minmax(0,1fr)] gap-x-4 sm:grid-cols-[minmax(7rem,auto)_minmax(0,1fr)] gap-y-1.5 text-sm">
      {facts.map((fact, index) =>
        fact ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: facts stay in their order
          <div key={index} className="contents">
            <dt className="text-ink-3">{fact[0]}</dt>
            <dd className="min-w-0 [overflow-wrap:anywhere]">{fact[1]}</dd>
          </div>
        ) : null,
      )}
    </dl>
  )
}

/** Headers as they were sent, in a table of two columns. */
export function HeaderList({ headers }: { readonly headers: Readonly<Record<string, unknown>> }) {
  const entries = Object.entries(headers)
  if (entries.length === 0) return <p className="text-sm text-ink-3">No headers.</p>
  return (
    <dl className="overflow-hidden rounded-card border font-mono text-xs leading-5">
      {entries.map(([name, value]) => (
        <div key={name} className="flex flex-wrap gap-x-3 border-b px-3 py-1 last:border-b-0">
          <dt className="w-44 shrink-0 break-all text-ink-3">{name}</dt>
          <dd className="min-w-0 grow basis-40 break-all">
            {Array.isArray(value) ? value.join(', ') : String(value)}
          </dd>
        </div>
      ))}
    </dl>
  )
}
