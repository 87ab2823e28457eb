import type { QueryClient } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import type { OperationId } from './client.ts'
import { useEnded } from './ended.ts'
import { isStatus } from './problem.ts'
import { listen } from './stream.ts'

/** What changes with what the stream tells: these answers are read again when it does, and not every few seconds. */
const told: Readonly<Record<string, readonly OperationId[]>> = {
  accepted: ['listEvents', 'listOrderingKeys'],
  attempt: ['listEvents', 'getEvent', 'listLogs', 'listDeliveries', 'listOrderingKeys'],
  subscription: ['listSubscriptions', 'getSubscription'],
  received: ['listReceivedRequests'],
}
const isTold = new Set(Object.values(told).flat())

/** What the stream does not tell, such as what somebody else discards, is seen after this long. */
const besidesMs = 20_000
/** An answer is read again this long after it changed, with all that changes meanwhile; and then not for a while. */
const gatherMs = 150
const restMs = 1000
/** With more than this in a second reading every few seconds costs less than listening does. */
const perSecondMax = 200
const busyMs = 60_000

let isOpen = false
const listeners = new Set<() => void>()

function setOpen(to: boolean): void {
  if (isOpen === to) return
  isOpen = to
  for (const listener of listeners) listener()
}

/** How often an answer is asked for: rarely, while the stream tells when it changes. */
export function useEvery(id: OperationId, everyMs: number | false): number | false {
  const open = useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => isOpen,
  )
  const ended = useEnded()
  if (everyMs === false || ended) return false
  return open && isTold.has(id) ? Math.max(everyMs, besidesMs) : everyMs
}

/**
 * Listens to what happens, and has what is shown read again. Only while the page is looked at: a browser has few
 * connections for a service, and pages that nobody sees must not hold them.
 *
 * @returns ends it
 */
export function keepFresh(client: QueryClient, tenant: string | undefined): () => void {
  let end: AbortController | undefined
  const marks = new Marks(client)
  const decide = () => {
    const isSeen = document.visibilityState === 'visible'
    if (isSeen && end === undefined) {
      end = new AbortController()
      void follow(end.signal, tenant, marks)
    } else if (!isSeen) {
      end?.abort()
      end = undefined
      setOpen(false)
    }
  }
  document.addEventListener('visibilitychange', decide)
  decide()
  return () => {
    document.removeEventListener('visibilitychange', decide)
    end?.abort()
    marks.close()
    setOpen(false)
  }
}

async function follow(signal: AbortSignal, tenant: string | undefined, marks: Marks): Promise<void> {
  while (!signal.aborted) {
    const tooMany = new AbortController()
    let [second, count] = [0, 0]
    await listen({ tenant }, AbortSignal.any([signal, tooMany.signal]), {
      onItem: ({ event }) => {
        const now = Math.floor(performance.now() / 1000)
        if (now !== second) [second, count] = [now, 0]
        if (++count > perSecondMax || event === 'gap') tooMany.abort()
        else for (const id of told[event] ?? []) marks.add(id)
      },
      onState: (state, problem) => {
        setOpen(state === 'open')
        if (isStatus(problem, 401)) void marks.askWho()
      },
    })
    setOpen(false)
    if (signal.aborted) return
    // Refused, or too much happens: the lists are read every few seconds, as without a stream.
    await new Promise(resolve => setTimeout(resolve, busyMs))
  }
}

/** Answers that have changed, until they are read again. */
class Marks {
  readonly #client: QueryClient
  readonly #marked = new Set<OperationId>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #readAt = 0

  constructor(client: QueryClient) {
    this.#client = client
  }

  add(id: OperationId): void {
    this.#marked.add(id)
    const wait = Math.max(gatherMs, this.#readAt + restMs - performance.now())
    this.#timer ??= setTimeout(() => this.#read(), wait)
  }

  /** Whoever is no longer let in is asked who they are: the session may have ended. */
  askWho(): Promise<void> {
    return this.#client.invalidateQueries({ queryKey: ['getMe'] })
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #read(): void {
    this.#timer = undefined
    this.#readAt = performance.now()
    const ids = [...this.#marked]
    this.#marked.clear()
    for (const id of ids)
      void this.#client.invalidateQueries({
        queryKey: [id],
        // Of a long list all pages would be read; and what stands still by choice stays so. What no page shows is old for
        // whichever shows it next, which would not ask again for as long as the stream is open.
        predicate: ({ observers, state }) =>
          observers.length === 0 ||
          (observers.some(({ options }) => options.meta?.live === true) &&
            ((state.data as Pages | undefined)?.pages?.length ?? 1) === 1),
      })
  }
}

interface Pages {
  readonly pages?: readonly unknown[]
}
