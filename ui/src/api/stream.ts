import { addressOf, fetchApi } from './client.ts'
import { ApiProblem } from './problem.ts'

/** One thing that the service told. */
export interface StreamItem {
  readonly id: string
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface StreamHandlers {
  readonly onItem: (item: StreamItem) => void
  /** `open`: what happens is told; `waiting`: the connection was lost, and is opened again. */
  readonly onState: (state: 'open' | 'waiting', problem?: unknown) => void
}

const retryMs = 2000

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
    try {
      const url = addressOf('stream', { query: { ...query, last_event_id: last } })
      const response = await fetchApi(url, { signal, headers: { accept: 'text/event-stream' } })
      handlers.onState('open')
      for await (const item of itemsOf(response)) {
        if (item.id !== '') last = item.id
        if (item.event !== '') handlers.onItem(item)
      }
      handlers.onState('waiting')
    } catch (error) {
      if (signal.aborted) return
      handlers.onState('waiting', error)
      // What is refused now is refused again, but for a service that is too busy.
      if (error instanceof ApiProblem && error.status < 500 && error.status !== 429) return
    }
    await new Promise(resolve => setTimeout(resolve, retryMs))
  }
}

async function* itemsOf(response: Response): AsyncGenerator<StreamItem> {
  if (response.body === null) return
  let rest = ''
  for await (const text of textsOf(response.body)) {
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
