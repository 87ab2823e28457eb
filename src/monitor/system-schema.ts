import { type Static, Type } from 'typebox'
import { type TroubleKind, troubleKinds } from '../platform/troubles.ts'

const time = (description: string) => Type.String({ format: 'date-time', description })
const nullableText = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })
const count = (description: string) => Type.Integer({ minimum: 0, description })
const countIfKnown = (description: string) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], minimum: 0, description })

export const ProcessReport = Type.Object(
  {
    id: Type.Integer({ description: 'The id under which it leases lanes and deliveries' }),
    host: Type.String({
      description: 'Host, boot and container: among processes with the same value, pids are unique',
    }),
    pid: Type.Integer(),
    role: Type.Unsafe<string>({ type: 'string', enum: ['all', 'api', 'worker'] }),
    version: Type.String(),
    engine: Type.Unsafe<string>({
      type: 'string',
      enum: ['postgres', 'redis', 'unknown'],
      description: 'How it reaches the other processes',
    }),
    redis: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      enum: ['ok', 'unavailable', 'full', null],
      description: 'The state of Redis as this process sees it; null: it uses none',
    }),
    started_at: time('When it started'),
    heartbeat_at: time('Its last heartbeat; there is one every 2 s'),
    silent_seconds: Type.Number({
      description:
        'Time since its last heartbeat. After 10 s it counts as dead, and others take over what it held',
    }),
    lanes: count('Lanes it has leased'),
    held: count('Deliveries it has in memory'),
    held_bytes: count('Bytes of their payloads'),
    in_flight: count('Requests to receivers under way'),
    waiting: count('Events that wait for a transaction'),
    settling: count('Attempts that wait for the log'),
    connections: count('Connections to receivers'),
    repeated: count(
      'Attempts since its start whose request was sent twice, as the receiver had just closed the connection that was kept',
    ),
    streams: count('Event streams (`GET /stream`) that are open'),
    descriptors_used: countIfKnown('File descriptors that it has open; null: not known on this system'),
    descriptors_allowed: countIfKnown(
      'File descriptors that it may have open (`ulimit -n`); null: not known on this system',
    ),
  },
  { $id: 'ProcessReport', description: 'One process of this installation, as of its last heartbeat' },
)
export type ProcessReport = Static<typeof ProcessReport>

export const TroubleReport = Type.Object(
  {
    kind: Type.Unsafe<TroubleKind>({
      type: 'string',
      enum: [...troubleKinds],
      description:
        '`database`: PostgreSQL cannot be used. `disk_full`: its disk has no room. `redis`: Redis is away or full. `receiver`: the circuit of a subscription is open, or it was disabled. `partitions`: those for the hours to come cannot be made. `resources`: something is lacking to send, such as file descriptors or the proxy. `overload`: more events come in than can be written',
    }),
    subject: nullableText(
      'Which one, where there can be several: what is lacking, or the id of a subscription',
    ),
    process: countIfKnown('The id of the process that tells of it; null: it is of the whole installation'),
    level: Type.Unsafe<'warn' | 'error'>({ type: 'string', enum: ['warn', 'error'] }),
    message: Type.String({ description: 'What it is, and what follows from it' }),
    cause: nullableText('As the one who noticed it was told'),
    since: time('When it began'),
    until: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      format: 'date-time',
      description: 'When it was over; null: it lasts',
    }),
    count: count('How many it has hit: events that were refused, deliveries that wait, tries that failed'),
    count_exact: Type.Boolean({ description: 'False: there are more deliveries that wait for a receiver' }),
  },
  { $id: 'TroubleReport', description: 'A trouble that lasts, or that is over' },
)
export type TroubleReport = Static<typeof TroubleReport>

export const SystemReport = Type.Object(
  {
    time: time('By the clock of the database'),
    troubles: Type.Array(TroubleReport, {
      description:
        'Those that last, the oldest first, then the last ones that are over, the latest first. Those of a process end with it',
    }),
    processes: Type.Array(ProcessReport, { description: 'Empty while the database cannot be asked' }),
    backlog: Type.Object({
      owed: count(
        'Deliveries that are not settled, those in memory and those that wait for a retry included',
      ),
      owed_exact: Type.Boolean({ description: 'False: beyond 10,000 it is an estimate of the database' }),
      lanes_due: count('Lanes that have something due and are leased by no one; counted up to 10,001'),
      lanes_leased: count('Lanes that a process works on; counted up to 10,001'),
      oldest_due_at: Type.Unsafe<string | null>({
        type: ['string', 'null'],
        format: 'date-time',
        description: 'The oldest due time in lanes of what may be sent now; null: nothing is due',
      }),
      oldest_due_seconds: Type.Number({ description: 'How long ago that was; the figure to alert on' }),
    }),
    database: Type.Object({
      available: Type.Boolean({
        description:
          'False: it could not be asked, and the other figures are not known. Then `troubles` are those that the answering process knows of',
      }),
      version: Type.String(),
      oldest_transaction_seconds: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description: 'Age of the oldest open transaction. Rows that died since it began cannot be removed',
      }),
    }),
  },
  { $id: 'SystemReport', description: 'All processes of this installation, and their backlog' },
)
export type SystemReport = Static<typeof SystemReport>

/** The schemas that the OpenAPI document names. */
export const systemSchemas = [ProcessReport, TroubleReport, SystemReport]
