import { useRead } from '../../api/queries.ts'
import type { ProcessReport, SystemReport, TroubleReport } from '../../api/schema.ts'
import { useConfig } from '../../api/session.ts'
import { StateBadge, Tag } from '../../design/badge.tsx'
import { Card, Figure, Page, Section } from '../../design/page.tsx'
import { ErrorState, Notice, SkeletonLines } from '../../design/states.tsx'
import { PlainTable } from '../../design/table.tsx'
import { bytesText, durationText, numberText, Time } from '../../design/time.tsx'
import { BacklogCharts } from '../../parts/backlog-charts.tsx'
import { Reason, SubscriptionName } from '../../parts/subscription-name.tsx'
import { Settings } from './settings.tsx'
import { Storage } from './storage.tsx'

/** After this long without a heartbeat a process counts as dead. */
const deadSeconds = 10

/** Whether all processes are there, how far behind they are, and what they stand on. */
export function System() {
  const system = useRead('getSystem', {}, { everyMs: 2000 })
  const config = useConfig()
  const { data } = system
  return (
    <Page title="System" facts={data && sentenceOf(data)}>
      {system.isError && data === undefined ? (
        <ErrorState error={system.error} retry={() => void system.refetch()} />
      ) : data === undefined ? (
        <SkeletonLines lines={8} />
      ) : (
        <>
          <Troubles report={data} />
          <Backlog report={data} />
          <Behind />
          <Section title={`Processes (${data.processes.length})`}>
            <Card>
              <Processes processes={data.processes} />
            </Card>
          </Section>
          <Section title="Stands on">
            <Card>
              <PlainTable head={['What', 'Version', 'State']}>
                <tr>
                  <td>PostgreSQL</td>
                  <td>{data.database.version}</td>
                  <td>
                    {data.database.oldest_transaction_seconds === null
                      ? 'no open transaction'
                      : `oldest transaction ${durationText(data.database.oldest_transaction_seconds * 1000)}`}
                  </td>
                </tr>
                <tr>
                  <td>Redis</td>
                  <td>–</td>
                  <td className="space-x-2">
                    <span>
                      {data.processes.some(({ engine }) => engine === 'redis') ? 'in use' : 'not in use'}
                    </span>
                    {[...new Set(data.processes.map(({ redis }) => redis))].map(state =>
                      state === null ? null : <StateBadge key={state} state={state} />,
                    )}
                  </td>
                </tr>
                <tr>
                  <td>This service</td>
                  <td>
                    {[...new Set([...data.processes.map(({ version }) => version), config.data?.version])]
                      .filter(Boolean)
                      .join(', ')}
                  </td>
                  <td>{config.data?.auth === 'keys' ? 'asks for API keys' : 'asks for no keys'}</td>
                </tr>
              </PlainTable>
            </Card>
          </Section>
          <Storage />
          <Settings />
        </>
      )}
    </Page>
  )
}

/** How far behind it was in the last hour, of all tenants. */
function Behind() {
  const { data } = useRead('getStats', { query: { window: '1h' } }, { everyMs: 60_000 })
  return data?.backlog && <BacklogCharts backlog={data.backlog} />
}

/** What is wrong now, with its cause, and what was a while ago. */
function Troubles({ report: { troubles } }: { readonly report: SystemReport }) {
  const [now, over] = [
    troubles.filter(({ until }) => until === null),
    troubles.filter(({ until }) => until !== null),
  ]
  if (troubles.length === 0) return null
  return (
    <Section>
      <div className="space-y-2">
        {Object.values(Object.groupBy(now, ({ kind, message }) => `${kind} ${message}`)).map((alike = []) => {
          const [first] = alike
          return (
            first && (
              <Notice key={`${first.kind} ${first.message}`} kind={first.level === 'error' ? 'bad' : 'warn'}>
                <b className="font-semibold">{headOf(alike)}</b>
                <ul className="mt-1 max-h-60 space-y-1 overflow-y-auto text-ink-2">
                  {alike.map(trouble => (
                    <TroubleLine key={`${trouble.subject} ${trouble.process}`} trouble={trouble} />
                  ))}
                </ul>
              </Notice>
            )
          )
        })}
        {over.length > 0 && (
          <details className="text-sm">
            <summary className="rounded text-ink-2">
              {over.length} that {over.length === 1 ? 'is' : 'are'} over
            </summary>
            <ul className="mt-2 space-y-1 text-xs text-ink-2">
              {over.map(({ kind, subject, process, message, since, until }) => (
                <li key={`${kind} ${subject} ${process} ${since}`}>
                  <Time at={since} /> to <Time at={until} />: {message}
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
    </Section>
  )
}

/** What they have in common, as a sentence. */
function headOf(alike: readonly TroubleReport[]): string {
  const [first] = alike
  const head =
    first?.kind === 'receiver' && alike.length > 1
      ? `${alike.length} subscriptions: ${first.message}`
      : (first?.message ?? '')
  return `${head.charAt(0).toUpperCase()}${head.slice(1)}.`
}

function TroubleLine({ trouble }: { readonly trouble: TroubleReport }) {
  const { kind, subject, process, cause, since, count } = trouble
  return (
    <li className="text-xs">
      {kind === 'receiver' && subject !== null && (
        <span className="text-sm">
          <SubscriptionName id={Number(subject)} />{' '}
        </span>
      )}
      since <Time at={since} />
      {count > 0 && ` · ${numberText(count)} ${kind === 'receiver' ? 'waiting' : 'hit'}`}
      {process !== null && ` · process #${process}`}
      {cause && (
        <>
          {' · '}
          <span className="break-words">
            <Reason short text={cause} />
          </span>
        </>
      )}
    </li>
  )
}

function sentenceOf({ processes, backlog }: SystemReport): string {
  const silent = processes.filter(({ silent_seconds: seconds }) => seconds > deadSeconds).length
  const people = `${processes.length} ${processes.length === 1 ? 'process' : 'processes'}${silent > 0 ? `, ${silent} silent` : ', all alive'}`
  const late = backlog.oldest_due_seconds
  return `${people}. ${late < 5 ? 'Nothing waits that is due.' : `The oldest due delivery has waited for ${durationText(late * 1000)}.`}`
}

function Backlog({ report: { backlog, processes } }: { readonly report: SystemReport }) {
  const sum = (pick: (process: ProcessReport) => number) =>
    processes.reduce((total, process) => total + pick(process), 0)
  const late = backlog.oldest_due_seconds
  return (
    <Card className="mb-6">
      <div className="grid grid-cols-2 gap-6 sm:grid-cols-3 lg:grid-cols-6">
        <Figure
          label="Oldest due"
          value={backlog.oldest_due_at === null ? 'none' : late < 1 ? 'now' : durationText(late * 1000)}
          tone={late > 60 ? 'bad' : late > 10 ? 'warn' : undefined}
          hint={backlog.oldest_due_at ? <Time at={backlog.oldest_due_at} /> : 'nothing waits'}
        />
        <Figure
          label="Owed"
          value={`${backlog.owed_exact ? '' : '≈ '}${numberText(backlog.owed)}`}
          hint="not settled"
        />
        <Figure
          label="Lanes due"
          value={numberText(backlog.lanes_due)}
          hint={`${numberText(backlog.lanes_leased)} leased`}
        />
        <Figure label="In flight" value={numberText(sum(one => one.in_flight))} hint="requests now" />
        <Figure
          label="In memory"
          value={numberText(sum(one => one.held))}
          hint={bytesText(sum(one => one.held_bytes))}
        />
        <Figure
          label="Waiting to be written"
          value={numberText(sum(one => one.waiting) + sum(one => one.settling))}
          hint="events and attempts"
        />
      </div>
      {late > 60 && (
        <div className="mt-4">
          <Notice kind="warn">
            Deliveries are late. More processes, or a receiver that hangs less, would help; lanes of paused
            subscriptions do not count here.
          </Notice>
        </div>
      )}
    </Card>
  )
}

function Processes({ processes }: { readonly processes: readonly ProcessReport[] }) {
  return (
    <PlainTable
      head={[
        'Process',
        'Role',
        'Heartbeat',
        'Lanes',
        'In flight',
        'Held',
        'Connections',
        'Files',
        'Started',
        'Version',
      ]}
    >
      {processes.map(process => (
        <tr key={process.id}>
          <td className="whitespace-nowrap">
            <span className="font-medium">#{process.id}</span>{' '}
            <span className="text-xs text-ink-3">
              {process.host.split(' ')[0]?.slice(0, 24)} · {process.pid}
            </span>
          </td>
          <td>
            <Tag>{process.role}</Tag>
          </td>
          <td>
            {process.silent_seconds > deadSeconds ? (
              <StateBadge
                state="unavailable"
                word={`silent for ${durationText(process.silent_seconds * 1000)}`}
              />
            ) : (
              <StateBadge state="ok" word="alive" />
            )}
          </td>
          <td>{numberText(process.lanes)}</td>
          <td>{numberText(process.in_flight)}</td>
          <td className="whitespace-nowrap">
            {numberText(process.held)}{' '}
            <span className="text-xs text-ink-3">{bytesText(process.held_bytes)}</span>
          </td>
          <td>{numberText(process.connections)}</td>
          <td className="whitespace-nowrap">
            {process.descriptors_used === null
              ? '–'
              : `${numberText(process.descriptors_used)} / ${numberText(process.descriptors_allowed ?? 0)}`}
          </td>
          <td>
            <Time at={process.started_at} />
          </td>
          <td>{process.version}</td>
        </tr>
      ))}
    </PlainTable>
  )
}
