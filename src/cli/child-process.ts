import cluster from 'node:cluster'
import type { Config } from '../config/config.ts'
import { StartupError } from '../errors.ts'
import type { Logger } from '../platform/logger.ts'
import { startService } from '../service/service.ts'
import type { StartFacts } from './banner.ts'
import { exitCode } from './command.ts'

/** What a child tells its supervisor. */
export type ChildMessage =
  | { readonly kind: 'ready'; readonly facts: StartFacts }
  /** It could not start; why, for people. */
  | { readonly kind: 'failed'; readonly reason: string }

/** What the supervisor tells a child. */
export interface StopMessage {
  readonly kind: 'stop'
}

/** One of the processes under a supervisor: runs the service until the supervisor says stop, or is no more. */
export async function runChild(config: Config, logger: Logger): Promise<number> {
  const stop = waitForStop()
  try {
    const service = await startService({ config, logger })
    const { url, databaseDescription, firstKey } = service
    await tell({ kind: 'ready', facts: { url, databaseDescription, firstKey } })
    const reason = await stop
    const beganAt = performance.now()
    logger.info({ reason }, 'stopping')
    await service.close()
    logger.info({ ms: Math.round(performance.now() - beganAt) }, 'stopped')
    return exitCode.ok
  } catch (error) {
    if (!(error instanceof StartupError)) throw error
    // Said by the supervisor, once for all its children.
    await tell({ kind: 'failed', reason: error.message })
    return exitCode.failure
  } finally {
    if (process.connected) process.disconnect() // the channel would keep this process alive
  }
}

/**
 * Resolves when this process is to stop, with why. Ctrl-C reaches every process of the terminal, and some service
 * managers signal all of them as well, so being told twice is nothing new here: only the supervisor counts.
 */
function waitForStop(): Promise<string> {
  return new Promise(resolve => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => resolve(name))
    process.on('message', (message: StopMessage) => {
      if (message.kind === 'stop') resolve('asked by the supervisor')
    })
    const { worker } = cluster
    worker?.on('disconnect', () => {
      // Else Node ends the process there and then, and what is in flight is cut off.
      worker.exitedAfterDisconnect = true
      resolve('the supervisor is gone')
    })
  })
}

/** Resolves when it is sent, or cannot be. */
function tell(message: ChildMessage): Promise<void> {
  return new Promise(resolve => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}
