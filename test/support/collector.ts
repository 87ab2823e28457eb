import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A span as it came over OTLP. */
export interface CollectedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  /** 2: server, 3: client. */
  readonly kind: number
  readonly attributes: Readonly<Record<string, string | number>>
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  /** 2: error. */
  readonly status: number
  readonly service: string
}

export interface Collector extends AsyncDisposable {
  readonly url: string
  readonly spans: readonly CollectedSpan[]
  /** What requests had as headers. */
  readonly headers: readonly Readonly<Record<string, unknown>>[]
  /** Answers with this status from now on. */
  answer(status: number): void
}

/** Takes OTLP over HTTP (protobuf) as a collector does. Knows nothing of the program that sends. */
export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const headers: Record<string, unknown>[] = []
  let status = 200
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      headers.push(request.headers)
      const isTraces =
        request.url === '/v1/traces' && request.headers['content-type'] === 'application/x-protobuf'
      if (isTraces && status === 200) spans.push(...readRequest(Buffer.concat(chunks)))
      response.writeHead(isTraces ? status : 404).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    headers,
    answer(next) {
      status = next
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** A field of a protobuf message: number, and a number or bytes. */
type Field = readonly [number: number, value: number | Buffer]

function fieldsOf(message: Buffer): readonly Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = () => {
    let [value, shift] = [0, 1]
    for (;;) {
      const byte = message.readUInt8(at++)
      value += (byte & 127) * shift
      if (byte < 128) return value
      shift *= 128
    }
  }
  while (at < message.length) {
    const tag = varint()
    const [number, type] = [Math.floor(tag / 8), tag % 8]
    if (type === 0) fields.push([number, varint()])
    else {
      const length = type === 1 ? 8 : type === 5 ? 4 : varint()
      fields.push([number, message.subarray(at, at + length)])
      at += length
    }
  }
  return fields
}

const all = (message: Buffer, number: number) =>
  fieldsOf(message).flatMap(([found, value]) => (found === number && Buffer.isBuffer(value) ? [value] : []))
const first = (message: Buffer, number: number) => all(message, number)[0] ?? Buffer.alloc(0)
const integer = (message: Buffer, number: number) =>
  fieldsOf(message).flatMap(([found, value]) =>
    found === number && typeof value === 'number' ? [value] : [],
  )[0]

/** opentelemetry-proto: collector/trace/v1/trace_service.proto and trace/v1/trace.proto. */
function readRequest(body: Buffer): readonly CollectedSpan[] {
  return all(body, 1).flatMap(resourceSpans => {
    const service = String(attributesOf(first(resourceSpans, 1), 1)['service.name'])
    return all(resourceSpans, 2).flatMap(scopeSpans =>
      all(scopeSpans, 2).map(span => readSpan(span, service)),
    )
  })
}

function readSpan(span: Buffer, service: string): CollectedSpan {
  return {
    traceId: first(span, 1).toString('hex'),
    spanId: first(span, 2).toString('hex'),
    parentSpanId: first(span, 4).toString('hex'),
    name: first(span, 5).toString(),
    kind: integer(span, 6) ?? 0,
    attributes: attributesOf(span, 9),
    links: all(span, 13).map(link => ({
      traceId: first(link, 1).toString('hex'),
      spanId: first(link, 2).toString('hex'),
    })),
    status: integer(first(span, 15), 3) ?? 0,
    service,
  }
}

function attributesOf(message: Buffer, number: number): Readonly<Record<string, string | number>> {
  return Object.fromEntries(
    all(message, number).map(pair => {
      const value = first(pair, 2)
      return [first(pair, 1).toString(), integer(value, 3) ?? first(value, 1).toString()]
    }),
  )
}
