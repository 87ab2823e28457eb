import type { Deadline } from '../platform/deadline.ts'
import type { Logger } from '../platform/logger.ts'

/** One thing that a stop has to do. */
export interface Closer {
  /** What it closes, for the log. */
  readonly what: string
  /** It is not waited for beyond this. */
  readonly deadline: Deadline
  readonly close: () => unknown
}

/**
 * Runs every closer, in order, whatever the others do: one that fails or is late is logged, and the next one runs. What
 * was left open is nothing that gets lost: another process recovers what this one held.
 *
 * @returns what was not closed, as it is called in the log; empty after a clean stop
 */
export async function closeAll(closers: readonly Closer[], logger: Logger): Promise<readonly string[]> {
  const failed: string[] = []
  for (const { what, deadline, close } of closers) {
    try {
      if (await deadline.limit((async () => close())())) continue
      logger.warn({ closing: what }, 'not closed in time; the stop goes on without it')
    } catch (error) {
      logger.warn({ closing: what, err: error }, 'could not be closed; the stop goes on without it')
    }
    failed.push(what)
  }
  return failed
}
