import cluster from 'node:cluster'
import type { Config } from '../config/config.ts'
import { StartCancelled, StartupError } from '../errors.ts'
import type { Logger } from '../platform/logger.ts'
import { collectSooner } from '../platform/old-generation.ts'
import { startService } from '../service/service.ts'
import type { StartFacts } from './banner.ts'
import { exitCode } from './command.ts'
import { type FiguresFromChild, FiguresOfOthers, type FiguresToChild } from './figures.ts'

/** What a child tells its supervisor. */
export type ChildMessage =
  | { readonly kind: 'ready'; readonly facts: StartFacts }
  /** The child could not start; `reason` is for people. */
  | { readonly kind: 'failed'; readonly reason: string }
  | FiguresFromChild

/** What the supervisor tells a child. */
export interface StopMessage {
  readonly kind: 'stop'
}

/** One of the processes under a supervisor: runs the service until the supervisor says stop, or is gone. */
export async function runChild(config: Config, logger: Logger): Promise<number> {
  const cancel = new AbortController()
  const stop = waitForStop()
  void stop.then(() => cancel.abort())
  try {
    const port = figuresOfOthers()
    const service = await startService({ config, logger, signal: cancel.signal, port })
    collectSooner()
    const { url, databaseDescription, firstKeyFile } = service
    await tell({ kind: 'ready', facts: { url, databaseDescription, firstKeyFile } })
    const reason = await stop
    const beganAt = performance.now()
    logger.info({ reason }, 'stopping')
    await service.close()
    logger.info({ ms: Math.round(performance.now() - beganAt) }, 'stopped')
    return exitCode.ok
  } catch (error) {
    if (error instanceof StartCancelled) return exitCode.ok
    if (!(error instanceof StartupError)) throw error
    // The supervisor prints it, once for all children.
    await tell({ kind: 'failed', reason: error.message })
    return exitCode.failure
  } finally {
    if (process.connected) process.disconnect() // the channel would keep this process alive
  }
}

/**
 * Resolves with the reason when this process is to stop. Ctrl-C reaches every process of the terminal, and some service
 * managers signal all of them as well. So a second signal to a child does not end it at once: the supervisor does that.
 */
function waitForStop(): Promise<string> {
  return new Promise(resolve => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => resolve(name))
    process.on('message', (message: StopMessage) => {
      if (message.kind === 'stop') resolve('asked by the supervisor')
    })
    const { worker } = cluster
    worker?.on('disconnect', () => {
      // Else Node ends the process at once, and cuts off the attempts in flight.
      worker.exitedAfterDisconnect = true
      resolve('the supervisor is gone')
    })
  })
}

/** The way to the figures of the other children. Nothing is said when the supervisor is gone: then this process stops, too. */
function figuresOfOthers(): FiguresOfOthers {
  const others = new FiguresOfOthers(message => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {})
  })
  process.on('message', (message: StopMessage | FiguresToChild) => {
    if (message.kind !== 'stop') others.heard(message)
  })
  return others
}

/** Sends a message to the supervisor. Resolves when it was sent, or cannot be sent. */
function tell(message: ChildMessage): Promise<void> {
  return new Promise(resolve => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}
