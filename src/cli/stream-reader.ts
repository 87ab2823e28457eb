import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, isOk } from './ask.ts'
import { reasonOf } from './reason.ts'

/** One event of a stream (WHATWG HTML, 9.2). */
export interface StreamedEvent {
  readonly event: string
  readonly id: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface StreamReaderOptions {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** The last `id` of an earlier reading; undefined: from now on. */
  readonly lastId: string | undefined
  /** Ends the reading. */
  readonly signal: AbortSignal
  /** Is told in a sentence of a connection that was lost, and of one that is there again. */
  readonly note: (sentence: string) => void
}

/** The service refuses the stream, and would do so again. */
export class StreamRefused extends Error {
  override readonly name = 'StreamRefused'
}

/** Proxies, and a peer that vanished, are noticed by the missing of comments, of which there is one in 15 s. */
const silentMs = 45_000
const againMs = 2000
/** What may be there of one event; more is none. */
const blockBytesMax = 4 * 1024 * 1024

/**
 * Reads a stream until it is ended by the signal, over as many connections as that takes: each begins where the one before
 * has ended.
 *
 * @throws StreamRefused
 */
export async function* readStream(options: StreamReaderOptions): AsyncGenerator<StreamedEvent> {
  const { url, headers, signal, note } = options
  let { lastId } = options
  let isLost = false
  while (!signal.aborted) {
    try {
      const response = await ask(url, {
        headers: { ...headers, accept: 'text/event-stream', ...(lastId && { 'last-event-id': lastId }) },
        signal,
      })
      if (!isOk(response)) await refuse(response)
      if (isLost) note('connected again')
      isLost = false
      for await (const fields of blocksOf(response)) {
        lastId = fields.get('id') ?? lastId
        const [event, data] = [fields.get('event'), fields.get('data')]
        if (event !== undefined && data !== undefined && lastId !== undefined)
          yield { event, id: lastId, data: JSON.parse(data) }
      }
    } catch (error) {
      if (error instanceof StreamRefused || signal.aborted) throw error
      if (!isLost) note(`no connection (${reasonOf(error)}); tried again every ${againMs / 1000} s`)
      isLost = true
    }
    await sleep(againMs, undefined, { signal }).catch(() => {}) // aborted: the loop ends
  }
}

/** A 503 passes, and so may a 429; what else is refused will be refused again. */
async function refuse(response: IncomingMessage): Promise<never> {
  const { statusCode } = response
  const sentence = `the service answers ${statusCode} ${detailOf(await text(response))}`
  throw statusCode === 503 || statusCode === 429 ? new Error(sentence) : new StreamRefused(sentence)
}

function detailOf(answer: string): string {
  try {
    return String(JSON.parse(answer).detail)
  } catch {
    return answer.slice(0, 200)
  }
}

async function* blocksOf(response: IncomingMessage): AsyncGenerator<ReadonlyMap<string, string>> {
  const decoder = new TextDecoder()
  const reader = response[Symbol.asyncIterator]() as AsyncIterator<Uint8Array> // no encoding is set
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await withinSilence(reader.next())
      if (done) return
      rest += decoder.decode(value, { stream: true })
      const blocks = rest.split('\n\n')
      rest = blocks.pop() ?? ''
      if (rest.length > blockBytesMax) throw new Error('what came is no event stream')
      for (const block of blocks) yield fieldsOf(block)
    }
  } finally {
    response.destroy()
  }
}

function fieldsOf(block: string): ReadonlyMap<string, string> {
  return new Map(
    block.split('\n').map(line => {
      const colon = line.indexOf(':')
      return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')]
    }),
  )
}

async function withinSilence<T>(reading: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('nothing came for a long time')), silentMs)
  try {
    return await Promise.race([reading, promise])
  } finally {
    clearTimeout(timer)
  }
}
