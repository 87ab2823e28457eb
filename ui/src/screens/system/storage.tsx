import { useRead } from '../../api/queries.ts'
import type { StorageReport } from '../../api/schema.ts'
import { Card, Section } from '../../design/page.tsx'
import { ErrorState, SkeletonLines } from '../../design/states.tsx'
import { PlainTable } from '../../design/table.tsx'
import { bytesText, exactTime, numberText } from '../../design/time.tsx'
import { usePreferences } from '../../shell/preferences.ts'

/** What is stored, how much of it there is, and until when it is kept. */
export function Storage() {
  const storage = useRead('getStorage', {}, { everyMs: 60_000 })
  const { data } = storage
  return (
    <Section
      title="What is stored"
      hint={
        data &&
        `${bytesText(data.database_bytes)} in all. What is too old goes with whole partitions, every hour.`
      }
    >
      <Card>
        {data === undefined ? (
          storage.isError ? (
            <ErrorState error={storage.error} retry={() => void storage.refetch()} />
          ) : (
            <SkeletonLines />
          )
        ) : (
          <Tables report={data} />
        )}
      </Card>
    </Section>
  )
}

/** Days where it is whole days of more than three. */
function hoursText(hours: number): string {
  return hours > 72 && hours % 24 === 0 ? `${hours / 24} days` : `${numberText(hours)} hours`
}

const words: Readonly<Record<string, string>> = {
  events: 'Events and payloads',
  delivery_logs: 'Attempts',
  attempt_details: 'Requests and answers of attempts',
  taken_names: 'Idempotency keys and event ids',
  audit_log: 'Audit log',
}

/** Of the many small tables the largest are enough. */
const othersShown = 6

function Tables({ report: { tables, retention } }: { readonly report: StorageReport }) {
  const kept: Readonly<Record<string, string>> = {
    events: hoursText(retention.payload_hours),
    delivery_logs: hoursText(retention.log_hours),
    attempt_details: hoursText(retention.details_hours),
    taken_names: hoursText(retention.names_hours),
    audit_log: `${numberText(retention.audit_days)} days`,
  }
  const partitioned = tables.filter(({ name }) => words[name] !== undefined)
  const others = tables.filter(({ name }) => words[name] === undefined)
  return (
    <PlainTable head={['What', 'Kept for', 'Rows', 'Size', 'Partitions']}>
      {partitioned.map(table => (
        <tr key={table.name} className="align-top">
          <td>
            <span className="font-medium">{words[table.name]}</span>{' '}
            <code className="font-mono text-xs text-ink-3">{table.name}</code>
          </td>
          <td className="whitespace-nowrap">{kept[table.name]}</td>
          <td>{rowsText(table.rows)}</td>
          <td className="whitespace-nowrap">{bytesText(table.bytes)}</td>
          <td>
            <Partitions partitions={table.partitions} />
          </td>
        </tr>
      ))}
      {others.slice(0, othersShown).map(table => (
        <tr key={table.name}>
          <td>
            <code className="font-mono text-xs">{table.name}</code>
          </td>
          <td className="text-ink-3">until it is deleted</td>
          <td>{rowsText(table.rows)}</td>
          <td className="whitespace-nowrap">{bytesText(table.bytes)}</td>
          <td className="text-ink-3">none</td>
        </tr>
      ))}
    </PlainTable>
  )
}

function rowsText(rows: number | null): string {
  return rows === null ? '–' : `≈ ${numberText(rows)}`
}

function Partitions({ partitions }: { readonly partitions: StorageReport['tables'][number]['partitions'] }) {
  const { clock } = usePreferences()
  const time = (at: string) => exactTime(Date.parse(at), clock).slice(0, 16)
  const [first] = partitions
  if (first === undefined) return <span className="text-ink-3">none</span>
  return (
    <details>
      <summary className="rounded whitespace-nowrap">
        {partitions.length} <span className="text-xs text-ink-3">since {time(first.from)}</span>
      </summary>
      <ul className="mt-1 max-h-60 space-y-0.5 overflow-y-auto font-mono text-xs text-ink-2">
        {partitions.map(({ name, from, to, bytes }) => (
          <li key={name} title={name} className="whitespace-nowrap">
            {time(from)} to {time(to)} · {bytesText(bytes)}
          </li>
        ))}
      </ul>
    </details>
  )
}
