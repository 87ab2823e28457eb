import { Horizon } from '../../src/cluster/horizon.ts'
import { Unwritten } from '../../src/cluster/unwritten.ts'
import { httpHint } from '../../src/destinations/http/http-destination.ts'
import { Live, type LiveDeps } from '../../src/live/live.ts'
import { ownSources } from '../../src/live/sources.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import type { TestDatabase } from './database.ts'

/**
 * The event stream of a process that is alone.
 *
 * @param unwritten rows that a test writes itself are to be written during its work
 */
export function testLive(
  { database }: Pick<TestDatabase, 'database'>,
  {
    unwritten = new Unwritten(systemClock()),
    connection = database,
    ...changes
  }: Partial<LiveDeps> & { readonly unwritten?: Unwritten; readonly connection?: Queryable } = {},
): Live {
  const clock = systemClock()
  const horizon = new Horizon({ connection, membership: { id: 1, unwritten } })
  return new Live({
    ...{ database, clock, logger: silentLogger() },
    tail: { connection, horizon },
    sources: ownSources(httpHint),
    streamsMax: 100,
    retentionMs: () => 72 * 3_600_000,
    ...changes,
  })
}

/** One event of a stream. */
export interface Told {
  readonly event: string
  readonly id: string
  readonly data: Readonly<Record<string, unknown>>
}

/** A reader of `GET /stream`, as a program writes it with `fetch`. */
export interface StreamReader extends AsyncDisposable {
  readonly response: Response
  /** All so far. */
  readonly told: readonly Told[]
  /** The last `id`, also of a comment; what `EventSource` sends when it comes back. */
  readonly lastId: string | undefined
  /** The text so far. */
  readonly text: string
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>
}

/** Opens a stream. */
export async function readStream(
  url: string,
  query = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<StreamReader> {
  const abort = new AbortController()
  const response = await fetch(`${url}/stream${query}`, { headers, signal: abort.signal })
  const told: Told[] = []
  const state = { text: '', lastId: undefined as string | undefined }
  const read = async () => {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const piece of response.body ?? []) {
      const text = decoder.decode(piece as Uint8Array, { stream: true })
      state.text += text
      rest += text
      const blocks = rest.split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const fields = new Map(
          block.split('\n').map(line => [line.split(':', 1)[0], line.replace(/^\w*:\s?/, '')]),
        )
        state.lastId = fields.get('id') ?? state.lastId
        const [event, data] = [fields.get('event'), fields.get('data')]
        if (event !== undefined && data !== undefined)
          told.push({ event, id: fields.get('id') ?? '', data: JSON.parse(data) })
      }
    }
  }
  const ended = read().catch(() => {})
  return {
    response,
    told,
    ended,
    get text() {
      return state.text
    },
    get lastId() {
      return state.lastId
    },
    async [Symbol.asyncDispose]() {
      abort.abort()
      await ended
    },
  }
}
