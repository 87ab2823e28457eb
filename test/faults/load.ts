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

/** An event that was answered with 503 and `Retry-After`, so that it was sent again. */
export interface Refusal {
  /** Of the problem, such as `overloaded`. */
  readonly code: string
  readonly detail: string
  /** The process that refused it. */
  readonly url: string
  /** `performance.now()` when it was sent, and when the answer came. */
  readonly sentAt: number
  readonly at: number
}

type Answer =
  | { readonly kind: 'accepted'; readonly webhookId: string; readonly asksToLeave: boolean }
  | Refused
  /** Nobody knows whether it was taken. */
  | { readonly kind: 'lost' }
  /** No connection was to be had, so it was not. */
  | { readonly kind: 'unreached' }

interface Refused {
  readonly kind: 'refused'
  readonly status: number
  readonly retryAfter: boolean
  /** Undefined: the answer is no problem. */
  readonly problem: Pick<Refusal, 'code' | 'detail'> | undefined
  readonly text: string
}

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
  readonly refusals: Refusal[] = []
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
      const sentAt = performance.now()
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
      if (url !== undefined && answer?.kind === 'refused') this.#note(answer, url, sentAt)
      if (performance.now() > end || (!this.#running && urls.length === 0)) {
        this.failed.push(n)
        return turn + 1
      }
      await sleep(answer?.kind === 'refused' ? 100 : 10)
    }
  }

  #note({ status, retryAfter, problem, text }: Refused, url: string, sentAt: number): void {
    if (status === 503 && retryAfter && problem)
      this.refusals.push({ ...problem, url, sentAt, at: performance.now() })
    else this.wrong.push(`${status}${retryAfter ? '' : ' without Retry-After'}: ${text.slice(0, 200)}`)
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
  if (status !== 202) {
    const isProblem = headers['content-type']?.startsWith('application/problem+json')
    const problem = isProblem ? (JSON.parse(text) as Refusal) : undefined // as openapi.json has it
    return {
      kind: 'refused',
      status,
      retryAfter: 'retry-after' in headers,
      problem: problem && { code: problem.code, detail: problem.detail },
      text,
    }
  }
  const { webhook_id } = JSON.parse(text) as { webhook_id: string } // as openapi.json has it
  return { kind: 'accepted', webhookId: webhook_id, asksToLeave: headers.connection === 'close' }
}
