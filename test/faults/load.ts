import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface LoadOptions {
  /** Where events may be sent just now. */
  readonly urls: () => readonly string[]
  readonly subscriptionIds: readonly number[]
  /** Over all senders; fewer while the service does not keep up. */
  readonly perSecond: number
}

/** An event that was answered with 202. */
export interface Accepted {
  readonly webhookId: string
  readonly n: number
  /** The process that took it. */
  readonly url: string
  /** `performance.now()` when the answer came. */
  readonly at: number
}

type Answer =
  | { readonly kind: 'accepted'; readonly webhookId: string; readonly asksToLeave: boolean }
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly retryAfter: boolean
      readonly detail: string
    }
  /** Nobody knows whether it was taken. */
  | { readonly kind: 'lost' }
  /** No connection was to be had, so it was not. */
  | { readonly kind: 'unreached' }

/** They send side by side, each one event at a time. */
export const senders = 16

/** An event is sent again, to one process after the other, for at most this long. */
const patienceMs = 60_000

/**
 * Sends numbered events without a pause, and remembers every 202. An event that is refused or unanswered is sent
 * again, to the next process; so the same number may have been taken before, under an id that nobody heard.
 */
export class Load {
  readonly accepted: Accepted[] = []
  /** Answers that never came. What they stood for may be delivered or not. */
  lost = 0
  /** 503s. */
  refused = 0
  /** Answers that should never be given: not 202, and not a 503 with `Retry-After`. */
  readonly wrong: string[] = []
  /** Numbers that no process took within a minute. */
  readonly failed: number[] = []
  /** Ids that were not greater than the one before, from the same process to the same sender. */
  disorders = 0
  readonly #options: LoadOptions
  /** Those that have asked to leave them: a load balancer, too, sends nothing to a process that stops. */
  readonly #left = new Set<string>()
  readonly #agent = new Agent({ keepAlive: true })
  readonly #senders: Promise<void>[]
  #running = true
  #next = 0

  constructor(options: LoadOptions) {
    this.#options = options
    this.#senders = Array.from({ length: senders }, (_, index) => this.#send(index))
  }

  /** Sends nothing new, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#senders)
    this.#agent.destroy()
  }

  async #send(index: number): Promise<void> {
    const { perSecond, subscriptionIds } = this.#options
    const periodMs = (1000 * senders) / perSecond
    await sleep((periodMs * index) / senders)
    const lastIds = new Map<string, string>()
    let turn = index
    for (
      let due = performance.now();
      this.#running;
      due = Math.max(due + periodMs, performance.now() - 1000)
    ) {
      if (due > performance.now()) await sleep(due - performance.now())
      const n = this.#next++
      const id = subscriptionIds[n % subscriptionIds.length] ?? 0
      turn = await this.#deliver(n, id, turn, lastIds)
    }
  }

  /** @returns whose turn it is next */
  async #deliver(n: number, id: number, first: number, lastIds: Map<string, string>): Promise<number> {
    const end = performance.now() + patienceMs
    for (let turn = first; ; turn++) {
      const urls = this.#options.urls().filter(url => !this.#left.has(url))
      const url = urls[turn % urls.length]
      const answer = url === undefined ? undefined : await this.#post(`${url}/ingest/${id}`, n)
      if (url !== undefined && answer?.kind === 'accepted') {
        const { webhookId } = answer
        if (webhookId <= (lastIds.get(url) ?? '')) this.disorders++
        lastIds.set(url, webhookId)
        this.accepted.push({ webhookId, n, url, at: performance.now() })
        if (answer.asksToLeave) this.#left.add(url)
        return turn + 1
      }
      if (answer?.kind === 'lost') this.lost++
      if (answer?.kind === 'refused') this.#note(answer.status, answer.retryAfter, answer.detail)
      if (performance.now() > end || (!this.#running && urls.length === 0)) {
        this.failed.push(n)
        return turn + 1
      }
      await sleep(answer?.kind === 'refused' ? 100 : 10)
    }
  }

  #note(status: number, retryAfter: boolean, detail: string): void {
    if (status === 503 && retryAfter) this.refused++
    else this.wrong.push(`${status}${retryAfter ? '' : ' without Retry-After'}: ${detail}`)
  }

  #post(url: string, n: number): Promise<Answer> {
    const body = JSON.stringify({ n })
    return new Promise(resolve => {
      const sent = request(url, {
        method: 'POST',
        agent: this.#agent,
        timeout: 30_000,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
      })
      sent.on('error', error =>
        resolve({ kind: 'code' in error && error.code === 'ECONNREFUSED' ? 'unreached' : 'lost' }),
      )
      sent.on('timeout', () => sent.destroy())
      sent.on('response', async response => {
        try {
          let text = ''
          for await (const chunk of response.setEncoding('utf8')) text += chunk
          resolve(answerOf(response.statusCode ?? 0, response.headers, text))
        } catch {
          resolve({ kind: 'lost' })
        }
      })
      sent.end(body)
    })
  }
}

function answerOf(status: number, headers: IncomingHttpHeaders, text: string): Answer {
  const retryAfter = 'retry-after' in headers
  if (status !== 202) return { kind: 'refused', status, retryAfter, detail: text.slice(0, 200) }
  const { webhook_id } = JSON.parse(text) as { webhook_id: string } // as openapi.json has it
  return { kind: 'accepted', webhookId: webhook_id, asksToLeave: headers.connection === 'close' }
}
