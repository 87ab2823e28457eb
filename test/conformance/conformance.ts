import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../../src/config/config.ts'
import type { AttemptDetails } from '../../src/monitor/schema.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { startService } from '../../src/service/service.ts'
import { eventually } from '../support/eventually.ts'
import { client, startProcess, testService } from '../support/service.ts'
import { answerRows } from './answer-rows.ts'
import { brokenRows } from './broken-rows.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { nowhereRows, tlsRows } from './connection-rows.ts'
import { closedPort, type MisbehavingReceiver, startMisbehaving } from './misbehaving-receiver.ts'
import type { Finding, Row } from './row.ts'

/** All behaviours, in the order of the report. */
export const rows: readonly Row[] = [...answerRows, ...brokenRows, ...tlsRows, ...nowhereRows]

/** What came of one row. */
export interface Result {
  readonly row: Row
  readonly found: Finding
  /** What is not as it should be; empty: nothing. */
  readonly faults: readonly string[]
}

type By = NonNullable<Row['by']>

interface Services {
  readonly urls: Readonly<Record<By, string>>
  readonly certificates: Certificates
  readonly deadlineOf: (row: Row) => number
}

/** The deadline where it decides nothing: no machine is so busy that an answer comes later. */
const patientMs = 30_000

/** How much later than its deadline an attempt may end, on a machine that has other things to do. */
const slackMs = 10_000
/** Rows under way at a time. */
const together = 8

/**
 * Starts three services on one database and shows them every receiver once.
 *
 * @param timeoutMs the deadline where it ends the attempt; those rows take as long
 */
export async function runRows(timeoutMs: number): Promise<readonly Result[]> {
  const certificates = await makeCertificates()
  const directory = await mkdtemp(join(tmpdir(), 'webhooks-conformance-'))
  const authorityFile = join(directory, 'authority.pem')
  await writeFile(authorityFile, certificates.authority)
  await using usual = await testService({ CAPTURE_RESPONSES: 'all' })
  const { environment } = usual
  const guarded = await startService({
    config: readConfig({ ...environment, ALLOW_PRIVATE_TARGETS: 'false' }),
    logger: silentLogger(),
    clock: usual.clock,
  })
  const trusting = await startProcess({ ...environment, NODE_EXTRA_CA_CERTS: authorityFile })
  try {
    const urls = { usual: usual.url, guarded: guarded.url, trusting: trusting.url }
    const deadlineOf = ({ endsAtDeadline }: Row) => (endsAtDeadline ? timeoutMs : patientMs)
    return await runAll({ urls, certificates, deadlineOf })
  } finally {
    await trusting.end('SIGTERM')
    await guarded.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** @returns in the order of the rows */
async function runAll(services: Services): Promise<readonly Result[]> {
  const results = new Map<Row, Result>()
  const waiting = [...rows]
  const runSome = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) results.set(row, await runRow(row, services))
  }
  await Promise.all(Array.from({ length: together }, runSome))
  return rows.flatMap(row => results.get(row) ?? [])
}

async function runRow(row: Row, services: Services): Promise<Result> {
  await using receiver = await receiverOf(row, services.certificates)
  const target_url = await urlOf(row, receiver)
  const { urls, deadlineOf } = services
  const timeoutMs = deadlineOf(row)
  const subscribed = client(urls.usual)
  const { id } = await subscribed.subscribe({ target_url, timeout_ms: timeoutMs })
  // Where it is published it is delivered: it is born leased. Another process hears of the subscription in a moment.
  const publishing = client(urls[row.by ?? 'usual'])
  await eventually(
    () =>
      publishing.ingest(id).then(
        () => true,
        () => false,
      ),
    isAccepted => isAccepted,
  )
  const logs = await eventually(
    () => readAll<{ readonly id: string }>(`${urls.usual}/logs/${id}`),
    found => found.length > 0,
    timeoutMs + 30_000,
  )
  const requests = receiver?.requests ?? 0
  const attempt = await read<AttemptDetails>(`${urls.usual}/attempts/${logs.at(-1)?.id}`)
  const found = { ...findingOf(attempt), state: await stateOf(urls.usual, id, row.expected.state) }
  return { row, found, faults: faultsOf(row, found, attempt, requests, timeoutMs) }
}

async function receiverOf({ target }: Row, certificates: Certificates) {
  switch (target.kind) {
    case 'tcp':
      return await startMisbehaving(target.answer, { eager: target.scheme === 'https' })
    case 'tls':
      return await startMisbehaving(
        socket => {
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
        },
        { tls: { ...certificates[target.certificate], ...target.options } },
      )
    case 'closed port':
    case 'url':
      return undefined
  }
}

async function urlOf({ target }: Row, receiver: MisbehavingReceiver | undefined): Promise<string> {
  switch (target.kind) {
    case 'tcp':
    case 'tls': {
      const origin = receiver?.origin ?? ''
      return target.kind === 'tcp' && target.scheme === 'https' ? origin.replace('http:', 'https:') : origin
    }
    case 'closed port':
      return `http://127.0.0.1:${await closedPort()}`
    case 'url':
      return target.url
  }
}

function findingOf(attempt: AttemptDetails): Omit<Finding, 'state'> {
  const { status, http_status, error_class, verdict, next_attempt_at, timestamp } = attempt
  const nextMs = next_attempt_at === null ? null : Date.parse(next_attempt_at) - Date.parse(timestamp)
  return {
    status,
    httpStatus: http_status,
    errorClass: error_class,
    verdict,
    nextInSeconds: nextMs === null ? null : Math.round(nextMs / 5000) * 5,
  }
}

/** States are written a moment after the attempt. */
function stateOf(url: string, id: number, expected: string): Promise<string> {
  const ask = async () => (await read<{ readonly state: string }>(`${url}/subscriptions/${id}`)).state
  return eventually(ask, state => state === expected, 10_000).catch(ask)
}

function faultsOf(
  { expected, requests: requestsMax = expected.httpStatus === null ? undefined : 1, check }: Row,
  found: Finding,
  attempt: AttemptDetails,
  requests: number,
  timeoutMs: number,
): readonly string[] {
  const faults: string[] = []
  if (text(found) !== text(expected)) faults.push(`expected ${text(expected)}`)
  if (requestsMax !== undefined && requests !== requestsMax) faults.push(`${requests} requests were made`)
  if (requests > 1) faults.push(`${requests} requests for one attempt`)
  const { duration_ms } = attempt
  if (duration_ms === null || duration_ms > timeoutMs + slackMs) faults.push(`it took ${duration_ms} ms`)
  if (expected.status === 'failed' && (attempt.hint ?? '') === '') faults.push('there is no hint')
  const fault = check?.(attempt)
  if (fault !== undefined) faults.push(fault)
  return faults
}

/** A finding in one line, for people and for comparing. */
export function text({ status, httpStatus, errorClass, verdict, nextInSeconds, state }: Finding): string {
  const what = [status, httpStatus, errorClass === 'http' ? null : errorClass].filter(part => part !== null)
  const next = nextInSeconds === null ? verdict.replace('_', ' ') : `${verdict} in ${nextInSeconds} s`
  return `${what.join(' ')} → ${next}${state === 'active' ? '' : `, subscription ${state}`}`
}

async function read<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T // as api.md has it
}

function readAll<T>(url: string): Promise<readonly T[]> {
  return read<readonly T[]>(url)
}
