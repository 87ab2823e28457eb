import { durationText } from './time.tsx'

export interface Timings {
  readonly reused: boolean
  readonly dns: number | null
  readonly connect: number | null
  readonly tls: number | null
  readonly first_byte: number | null
  readonly total: number | null
}

/** Where the time of an attempt went: names, connect, TLS, waiting, download, as parts of one bar. */
export function Waterfall({ timings }: { readonly timings: Timings }) {
  const parts = partsOf(timings)
  const total = timings.total ?? parts.reduce((sum, part) => sum + part.ms, 0)
  return (
    <div>
      <div className="flex h-3 overflow-hidden rounded bg-sunken" aria-hidden="true">
        {parts.map(part => (
          <div
            key={part.name}
            className={part.fill}
            style={{ width: `${total === 0 ? 0 : (part.ms / total) * 100}%`, minWidth: part.ms > 0 ? 2 : 0 }}
          />
        ))}
      </div>
      <dl className="mt-2 flex flex-wrap gap-x-5 gap-y-1 text-xs">
        {parts.map(part => (
          <div key={part.name} className="flex items-center gap-1.5">
            <span aria-hidden="true" className={`h-2 w-2 rounded-sm ${part.fill}`} />
            <dt className="text-ink-3">{part.name}</dt>
            <dd className="font-medium">{durationText(part.ms)}</dd>
          </div>
        ))}
        <div className="ml-auto flex gap-1.5">
          <dt className="text-ink-3">total</dt>
          <dd className="font-medium">{durationText(timings.total)}</dd>
        </div>
      </dl>
      {timings.reused && (
        <p className="mt-1 text-xs text-ink-3">The connection was kept from an earlier attempt.</p>
      )}
    </div>
  )
}

interface Part {
  readonly name: string
  readonly ms: number
  readonly fill: string
}

function partsOf({ dns, connect, tls, first_byte: firstByte, total }: Timings): readonly Part[] {
  const before = (dns ?? 0) + (connect ?? 0) + (tls ?? 0)
  const waited = firstByte === null ? null : Math.max(0, firstByte - before)
  const rest = total === null ? null : Math.max(0, total - (firstByte ?? before))
  const all: readonly (readonly [string, number | null, string])[] = [
    ['name', dns, 'bg-ink-3'],
    ['connect', connect, 'bg-busy'],
    ['TLS', tls, 'bg-warn'],
    ['waiting', waited, 'bg-accent'],
    [firstByte === null ? 'until it ended' : 'download', rest, firstByte === null ? 'bg-bad' : 'bg-good'],
  ]
  return all.flatMap(([name, ms, fill]) => (ms === null ? [] : [{ name, ms, fill }]))
}
