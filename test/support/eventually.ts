import { setTimeout as sleep } from 'node:timers/promises'

/** What has not come within this time is asked for less often: the machine has better things to do. */
const quickMs = 1000

/**
 * Asks again and again until the answer passes. The limit is for what never comes, and long enough for a machine that has
 * other things to do: a test that wants something soon gives its own.
 *
 * @returns the answer that passed
 * @throws with the last answer after `timeoutMs`
 */
export async function eventually<T>(
  ask: () => T | Promise<T>,
  passes: (answer: T) => boolean = Boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const beganAt = performance.now()
  const end = beganAt + timeoutMs
  for (;;) {
    const answer = await ask()
    if (passes(answer)) return answer
    if (performance.now() > end) {
      throw new Error(`not so within ${timeoutMs} ms: ${JSON.stringify(answer)?.slice(0, 2000)}`)
    }
    await sleep(performance.now() - beganAt < quickMs ? 20 : 60)
  }
}
