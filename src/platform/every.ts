import type { Logger } from './logger.ts'

/** Work that is repeated until it is stopped. */
export interface Repeated {
  /** Ends the repetition and waits for a run that is under way. */
  stop(): Promise<void>
}

/** Runs `work` every so many milliseconds, never twice at a time; a run that fails is logged, and the next one comes. */
export function every(ms: number, name: string, logger: Logger, work: () => Promise<unknown>): Repeated {
  let running: Promise<unknown> | undefined
  const timer = setInterval(() => {
    running ??= work()
      .catch(error => logger.warn({ err: error }, `${name} failed, again in ${ms / 1000} s`))
      .finally(() => {
        running = undefined
      })
  }, ms)
  return {
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}
