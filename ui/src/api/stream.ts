import { addressOf, fetchApi } from './client.ts'
import { ApiProblem } from './problem.ts'

/** One thing that the service told. */
export interface StreamItem {
  readonly id: string
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

/** `open`: what happens is told; `waiting`: the connection was lost, and is opened again; `refused`: it is not opened again. */
export type StreamState = 'open' | 'waiting' | 'refused'

export interface StreamHandlers {
  readonly onItem: (item: StreamItem) => void
  readonly onState: (state: StreamState, problem?: unknown) => void
}

const retryMs = 2000
/** The service has ended the stream: by stopping, or as the session has ended, which is to be seen at once. */
const endedMs = 100
/** A connection that broke without a word: the service tells something each 15 s, if only that it is there. */
const silenceMaxMs = 40_000

/**
 * Listens to `GET /stream` until `signal` is aborted, and goes on where it was after a break. Not by EventSource, which
 * does not say why it was refused.
 */
export async function listen(
  query: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
  handlers: StreamHandlers,
): Promise<void> {
  let last: string | undefined
  while (!signal.aborted) {
    let waitMs = retryMs
    const beganAt = performance.now()
    const silence = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const heard = () => {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(new TypeError('network: silence')), silenceMaxMs)
    }
    try {
      heard()
      const url = addressOf('stream', { query: { ...query, last_event_id: last } })
      const response = await fetchApi(url, {
        signal: AbortSignal.any([signal, silence.signal]),
        headers: { accept: 'text/event-stream' },
      })
      handlers.onState('open')
      for await (const item of itemsOf(response, heard)) {
        if (item.id !== '') last = item.id
        if (item.event !== '') handlers.onItem(item)
      }
      handlers.onState('waiting')
      if (performance.now() - beganAt > retryMs) waitMs = endedMs
    } catch (error) {
      if (signal.aborted) return
      // What is refused now is refused again, but for a service that is too busy.
      const isRefused = error instanceof ApiProblem && error.status < 500 && error.status !== 429
      handlers.onState(isRefused ? 'refused' : 'waiting', error)
      if (isRefused) return
    } finally {
      clearTimeout(timer)
    }
    await new Promise(resolve => setTimeout(resolve, waitMs))
  }
}

async function* itemsOf(response: Response, heard: () => void): AsyncGenerator<StreamItem> {
  if (response.body === null) return
  let rest = ''
  for await (const text of textsOf(response.body)) {
    heard()
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) yield itemOf(block)
  }
}

async function* textsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function itemOf(block: string): StreamItem {
  const fields = new Map<string, string>()
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^(\w+): ?(.*)$/.exec(line) ?? []
    fields.set(name, name === 'data' && fields.has('data') ? `${fields.get('data')}\n${value}` : value)
  }
  const data = fields.get('data')
  return {
    id: fields.get('id') ?? '',
    event: data === undefined ? '' : (fields.get('event') ?? ''),
    data: data === undefined ? {} : JSON.parse(data),
  }
}
