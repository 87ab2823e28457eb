import type { AttemptTrigger } from '../model/delivery.ts'
import { errorClasses } from '../model/outcome.ts'
import { troubleKinds } from '../platform/troubles.ts'
import { version } from '../version.ts'

/**
 * How figures of several processes behind one port become one:
 *
 * - `sum`: added up. A counter also keeps what processes have counted that ended since.
 * - `max`, `min`: the largest or smallest of them.
 * - `same`: all processes would say the same, since it comes from the database; the one that answers says it.
 */
export type Across = 'sum' | 'max' | 'min' | 'same'

/** A label, with every value that it can have: so there is a bound to the number of series. */
export interface Label {
  readonly name: string
  readonly values: readonly string[]
}

/** One metric with all its series. */
export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** One sentence without a full stop. */
  readonly help: string
  readonly labels: readonly Label[]
  readonly across: Across
  /** Upper bounds of a histogram, growing; empty for the others. */
  readonly buckets: readonly number[]
}

type Labels = Readonly<Record<string, readonly string[]>>

const labelsOf = (labels: Labels): readonly Label[] =>
  Object.entries(labels).map(([name, values]) => ({ name, values }))

const counter = (name: string, help: string, labels: Labels = {}): Family => ({
  ...{ name, help, type: 'counter', labels: labelsOf(labels), across: 'sum', buckets: [] },
})

const gauge = (name: string, across: Across, help: string, labels: Labels = {}): Family => ({
  ...{ name, help, type: 'gauge', labels: labelsOf(labels), across, buckets: [] },
})

const histogram = (name: string, help: string, buckets: readonly number[], labels: Labels = {}): Family => ({
  ...{ name, help, type: 'histogram', labels: labelsOf(labels), across: 'sum', buckets },
})

/** What an attempt came to: accepted, a class of HTTP status, or the class of an error without an answer. */
export const attemptOutcomes = ['success', 'http_3xx', 'http_4xx', 'http_5xx', ...errorClasses] as const

/** Why attempts of deliveries are made. A test is of no delivery, and is not counted. */
export const triggers = ['auto', 'replay', 'manual'] as const satisfies readonly AttemptTrigger[]

/** Codes of errors with which events are refused; `other` for all that are not listed. */
export const refusalReasons = [
  'malformed_json',
  'malformed_request',
  'unauthorized',
  'invalid_signature',
  'forbidden',
  'not_found',
  'request_timeout',
  'idempotency_in_progress',
  'event_id_taken',
  'body_too_large',
  'unsupported_media_type',
  'idempotency_key_reused',
  'validation_failed',
  'payload_refused',
  'fan_out_too_large',
  'too_many_wrong_keys',
  'rate_limited',
  'internal',
  'overloaded',
  'database_unavailable',
  'shutting_down',
  'other',
] as const

/** How a delivery gets to the process that sends it. */
export const ways = ['memory', 'worker', 'lane'] as const

/** What ends a delivery. */
export const ends = ['delivered', 'given_up', 'expired', 'cancelled'] as const

/** Why deliveries to a receiver wait, without an attempt being spent. */
export const throttleScopes = ['retry_after', 'circuit_open', 'order', 'ours'] as const

/** The connections to PostgreSQL by what they are for; `pool` for those that the API shares. */
export const databaseUses = [
  'ingest',
  'fan-out',
  'ingest-in-order',
  'log',
  'lanes',
  'contents',
  'handover',
  'heartbeat',
  'control',
  'pool',
  'other',
] as const

/** From a millisecond to ten seconds: what one process does by itself. */
const quick = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** An attempt takes at most 30 s. */
const attempt = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30]
/** With retries it may take days until an event is received. */
const delivery = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400]

/**
 * Every metric there is. None has a label whose values come from outside: no subscription, no tenant, no event type. The
 * page of the reference is made of this table.
 */
export const families = {
  eventsAccepted: counter(
    'webhook_events_accepted_total',
    'Events that were committed and answered with 202',
  ),
  eventsRejected: counter(
    'webhook_events_rejected_total',
    'Requests with an event, and events of a batch, that were refused, by the code of the problem',
    { reason: refusalReasons },
  ),
  eventsDeduplicated: counter(
    'webhook_events_deduplicated_total',
    'Requests that got the answer of an earlier one with the same Idempotency-Key',
  ),
  ingestDuration: histogram(
    'webhook_ingest_duration_seconds',
    'From an event that was read to its commit: the wait for a transaction, and the transaction',
    quick,
  ),
  deliveriesCreated: counter(
    'webhook_deliveries_created_total',
    'Deliveries that accepted events owe, by their way: sent from memory, handed to a worker, or waiting in a lane',
    { way: ways },
  ),
  attempts: counter(
    'webhook_attempts_total',
    'Attempts in the delivery log, by what they came to and why they were made',
    { outcome: attemptOutcomes, trigger: triggers },
  ),
  attemptDuration: histogram(
    'webhook_attempt_duration_seconds',
    'How long attempts took, from looking up the name to the end of the answer',
    attempt,
  ),
  deliveryLatency: histogram(
    'webhook_delivery_latency_seconds',
    'From the acceptance of an event, or the time it was scheduled for, to its receipt, retries included; replays are left out',
    delivery,
  ),
  retriesScheduled: counter(
    'webhook_retries_scheduled_total',
    'Failed attempts after which another one is due',
  ),
  deliveriesEnded: counter('webhook_deliveries_ended_total', 'Deliveries that ended in the log, by how', {
    verdict: ends,
  }),
  deadLetters: counter(
    'webhook_dead_letters_total',
    'Deliveries that were given up or got too old; they can be replayed',
  ),
  throttled: counter(
    'webhook_throttled_total',
    'Pauses of receivers, by their reason: asked for, circuit open, order to be kept, own lack',
    { scope: throttleScopes },
  ),
  recovered: counter(
    'webhook_recovered_deliveries_total',
    'Deliveries that a dead process held, and that were put back into their lanes',
  ),
  queueDepth: gauge(
    'webhook_queue_depth',
    'same',
    'Deliveries that are owed, of the whole installation: in a lane (waiting), in memory (held), being sent (in_flight); beyond 10,000 an estimate',
    { state: ['waiting', 'held', 'in_flight'] },
  ),
  oldestDue: gauge(
    'webhook_queue_oldest_due_seconds',
    'same',
    'How long ago the oldest delivery was due that may be sent and is not; 0: nothing is late',
  ),
  lanes: gauge(
    'webhook_lanes',
    'same',
    'Lanes of the whole installation with something due (due), and those that a process works on (leased); counted up to 10,001',
    { state: ['due', 'leased'] },
  ),
  replays: gauge('webhook_replays', 'same', 'Replays that are not done, of the whole installation', {
    state: ['counting', 'running'],
  }),
  subscriptions: gauge('webhook_subscriptions', 'max', 'Subscriptions that this process knows'),
  deliveringProcesses: gauge(
    'webhook_delivering_processes',
    'max',
    'Processes that deliver, as this one knows them: each has its part of `max_in_flight`',
  ),
  receiversThrottled: gauge(
    'webhook_circuit_state',
    'max',
    'Receivers by what a process knows of them: circuit open, or paused for another reason',
    { state: ['open', 'paused'] },
  ),
  workerInFlight: gauge('webhook_worker_inflight', 'sum', 'Requests to receivers under way'),
  workerConcurrency: gauge(
    'webhook_worker_concurrency',
    'sum',
    'Requests to receivers that may be under way',
  ),
  heldDeliveries: gauge('webhook_held_deliveries', 'sum', 'Deliveries in memory'),
  heldBytes: gauge('webhook_held_bytes', 'sum', 'Bytes of their payloads'),
  lanesLeased: gauge('webhook_leased_lanes', 'sum', 'Lanes that processes behind this port work on'),
  waitingEvents: gauge('webhook_ingest_waiting', 'sum', 'Events that wait for a transaction'),
  settling: gauge('webhook_log_waiting', 'sum', 'Attempts that wait for the delivery log'),
  streams: gauge('webhook_streams', 'sum', 'Event streams (`GET /stream`) that are open'),
  receiverConnections: gauge('webhook_receiver_connections', 'sum', 'Connections to receivers'),
  repeated: counter(
    'webhook_attempts_repeated_total',
    'Attempts whose request was sent twice, as the receiver had just closed the connection',
  ),
  databaseUp: gauge(
    'webhook_database_up',
    'min',
    'Whether PostgreSQL can be used, as the work of the processes shows: 1 or 0',
  ),
  poolConnections: gauge('db_pool_connections', 'sum', 'Connections of the pool for the API', {
    state: ['busy', 'idle'],
  }),
  poolWaiting: gauge('db_pool_waiting', 'sum', 'Statements that wait for a connection of the pool'),
  pinnedConnections: gauge(
    'db_pinned_connections',
    'sum',
    'Connections that belong to one use each: open, or to be opened',
    { state: ['open', 'closed'] },
  ),
  queryDuration: histogram(
    'db_query_duration_seconds',
    'Statements and their answers, by what the connection is for',
    quick,
    { connection: databaseUses },
  ),
  redisUp: gauge('redis_up', 'min', 'Whether Redis is in use: 1 or 0; left out where none is set'),
  troubles: gauge(
    'webhook_troubles',
    'max',
    'Troubles that last, as GET /system lists them; those of receivers counted up to 10,000',
    {
      kind: troubleKinds,
    },
  ),
  processes: gauge('webhook_processes', 'sum', 'Processes behind this port that these figures are of'),
  processesEnded: counter(
    'webhook_processes_ended_total',
    'Processes behind this port that ended and were replaced',
  ),
  cpuSeconds: counter('process_cpu_seconds_total', 'Processor time, of user and system'),
  residentMemory: gauge('process_resident_memory_bytes', 'sum', 'Memory in use'),
  heapUsed: gauge('nodejs_heap_used_bytes', 'sum', 'Memory of JavaScript objects'),
  externalMemory: gauge(
    'nodejs_external_memory_bytes',
    'sum',
    'Memory of buffers and other things outside of the heap',
  ),
  openDescriptors: gauge('process_open_fds', 'sum', 'File descriptors that are open'),
  allowedDescriptors: gauge('process_max_fds', 'sum', 'File descriptors that may be open'),
  startTime: gauge(
    'process_start_time_seconds',
    'min',
    'When the process was started, in seconds since 1970',
  ),
  eventLoopLag: gauge(
    'nodejs_eventloop_lag_seconds',
    'max',
    'How much later than asked for the event loop was there in the last 15 to 30 s: at the mean, at the 99th percentile, at most',
    { statistic: ['mean', 'p99', 'max'] },
  ),
  eventLoopUtilization: gauge(
    'nodejs_eventloop_utilization_ratio',
    'max',
    'The part of the last 15 to 30 s in which the event loop was busy: 0 to 1',
  ),
  buildInfo: gauge('build_info', 'same', 'Always 1; the labels say what runs', {
    version: [version],
    node: [process.versions.node],
  }),
} as const satisfies Readonly<Record<string, Family>>

export type FamilyName = keyof typeof families
