import { startReceiver } from './receiver.ts'
import { client } from './service.ts'

/** Tells when the lanes have been looked at: what has not been sent by then was not going to be. */
export interface LaneWitness extends AsyncDisposable {
  /** Its own events so far, for tests that count all there are. */
  readonly events: number
  /** Resolves once every lane that was due at the call has been leased and read, and what was found is under way. */
  lanesLookedAt(): Promise<void>
}

/**
 * A subscription of its own whose events all go through its lane, because they are ordered. A look takes all lanes that
 * are due, so each event that arrives shows a look. The first may have been found by a look that was under way at the
 * call; the second was found by one that began later, and when the third arrives, what that one found has been sent.
 *
 * @param url of the service; with several processes, one that accepts events
 */
export async function startLaneWitness(url: string): Promise<LaneWitness> {
  const receiver = await startReceiver()
  const api = client(url)
  const { id } = await api.subscribe({ target_url: receiver.origin, ordered: true })
  return {
    get events() {
      return receiver.received.length
    },
    async lanesLookedAt() {
      const before = receiver.received.length
      for (const n of [1, 2, 3]) {
        await api.ingest(id)
        await receiver.waitFor(before + n)
      }
    },
    [Symbol.asyncDispose]: receiver.close,
  }
}
