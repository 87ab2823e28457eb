import type { Logger } from './logger.ts'
import { RepeatedFailure } from './repeated-failure.ts'

/** Work that is repeated until it is stopped. */
export interface Repeated {
  /** Ends the repetition, aborts the signal of a run that is under way, and waits for that run. */
  stop(): Promise<void>
  /** Runs it now, or once more after the run that is under way. */
  hurry(): void
}

/**
 * Runs `work` at once and then every `ms` milliseconds, one run at a time: while one lasts, the next ones are left out. A
 * run that fails is told (`RepeatedFailure`), and the next one follows as usual.
 */
export function every(
  ms: number,
  name: string,
  logger: Logger,
  work: (signal: AbortSignal) => Promise<unknown>,
): Repeated {
  const stopping = new AbortController()
  const failure = new RepeatedFailure(logger, `${name} failed; it is done again each ${ms / 1000} s`)
  const attempt = async () => {
    await work(stopping.signal)
    failure.succeeded()
  }
  let running: Promise<unknown> | undefined
  let isAsked = false
  const run = () => {
    running ??= attempt()
      .catch(error => failure.failed(error))
      .finally(() => {
        running = undefined
        if (!isAsked || stopping.signal.aborted) return
        isAsked = false
        run()
      })
  }
  const timer = setInterval(run, ms)
  run()
  return {
    hurry() {
      isAsked = running !== undefined
      run()
    },
    async stop() {
      clearInterval(timer)
      stopping.abort()
      await running
    },
  }
}
