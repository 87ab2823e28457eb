import { setTimeout as sleep } from 'node:timers/promises'

/** The longer something has not come, the less often it is asked for: a wait takes a fifth longer at most. */
const pauseMs = (waitedMs: number) => Math.min(Math.max(waitedMs / 5, 10), 150)

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
    await sleep(pauseMs(performance.now() - beganAt))
  }
}
