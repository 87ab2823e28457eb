import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** How one request is treated. */
export type Treatment =
  | { readonly kind: 'ok'; readonly delayMs: number }
  | { readonly kind: 'error'; readonly delayMs: number }
  /** The connection is reset after the status line, or after half of the body. */
  | { readonly kind: 'reset'; readonly after: 'status line' | 'half a body' }

/** One request that came in whole. */
export interface Arrival {
  /** `performance.now()` */
  readonly at: number
  readonly treatment: Treatment['kind']
  /** It was told 2xx, so it must not come again: also when the body of that answer was cut. */
  readonly isAccepted: boolean
}

/** All that is known of one webhook-id. */
export interface Record {
  /** The number in its body. */
  readonly n: number
  readonly arrivals: Arrival[]
}

/** Records every request, and misbehaves as it is told. */
export class Receiver {
  readonly records = new Map<string, Record>()
  /** Webhook ids that came with another body the second time. */
  readonly mixedUp: string[] = []
  /** How requests are treated from now on. */
  treat: () => Treatment
  readonly #server = createServer((request, response) => void this.#receive(request, response))

  constructor(treat: () => Treatment) {
    this.treat = treat
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}` // it listens on TCP
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer) // no encoding is set, so it is bytes
    } catch {
      return // cut off while it was sending: not whole, so not received
    }
    const id = String(request.headers['webhook-id'])
    const { n } = JSON.parse(Buffer.concat(chunks).toString()) as { n: number } // as the load generator wrote it
    const record = this.records.get(id) ?? { n, arrivals: [] }
    this.records.set(id, record)
    if (record.n !== n) this.mixedUp.push(id)
    const treatment = this.treat()
    record.arrivals.push({
      at: performance.now(),
      treatment: treatment.kind,
      isAccepted: isAcceptance(treatment),
    })
    await answer(response, treatment)
  }
}

function isAcceptance(treatment: Treatment): boolean {
  return treatment.kind === 'reset' ? treatment.after === 'half a body' : treatment.kind === 'ok'
}

async function answer(response: ServerResponse, treatment: Treatment): Promise<void> {
  if (treatment.kind === 'reset') {
    const { socket } = response
    const length = 'content-length: 2000\r\n'
    if (treatment.after === 'status line') socket?.write('HTTP/1.1 200 OK\r\n')
    else socket?.write(`HTTP/1.1 200 OK\r\n${length}\r\n${'x'.repeat(1000)}`)
    await sleep(20) // a reset throws away what the other side has not read yet
    socket?.resetAndDestroy()
    return
  }
  await sleep(treatment.delayMs)
  if (response.destroyed) return
  response.writeHead(treatment.kind === 'ok' ? 204 : 500)
  response.end()
}

/** Mostly well, after 0 to 20 ms; this share of requests fails with 500, so that there are always retries. */
export function mostlyWell(failing: number): () => Treatment {
  return () => ({ kind: Math.random() < failing ? 'error' : 'ok', delayMs: Math.random() * 20 })
}
