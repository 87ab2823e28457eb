import cluster from 'node:cluster'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Config, Environment } from '../config/config.ts'
import { StartupError } from '../errors.ts'
import type { Logger } from '../platform/logger.ts'
import { checkAddress } from '../service/listen.ts'
import { version } from '../version.ts'
import { banner, keyNotice, type StartFacts } from './banner.ts'
import { type CommandIo, exitCode } from './command.ts'
import { FiguresOfChildren } from './figures.ts'
import { waitForStop } from './signal.ts'
import { SupervisedChild } from './supervised-child.ts'

export interface SuperviseDeps {
  readonly config: Config
  /** The environment of the children. */
  readonly environment: Environment
  readonly logger: Logger
  readonly io: CommandIo
}

/** Added to SHUTDOWN_DRAIN_MS and SHUTDOWN_TIMEOUT_MS, for a child that was still starting, or for a slow machine. */
const stopGraceMs = 3000

/**
 * Runs `PROCESSES` children that share one port, and replaces those that die, until SIGINT or SIGTERM; a second signal
 * kills them. The supervisor does nothing else but pass on what they have counted (`figures.ts`), so that no other work can make it
 * fail.
 *
 * @throws StartupError when a child cannot start the first time; all children have ended by then
 */
export async function supervise(deps: SuperviseDeps): Promise<number> {
  const { config, logger, io } = deps
  await checkAddress(config)
  const environment = await withSettledPort(deps)
  // The kernel gives connections to the children. With the other policy the supervisor does, and when a child is killed,
  // the connection that was just being given to it never gets an answer and is never closed.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  // The command-line options are part of `environment`.
  cluster.setupPrimary({ args: ['serve'] })
  const onKey = (file: string) => io.out(keyNotice(file))
  const figures = new FiguresOfChildren()
  const children = Array.from(
    { length: config.processes },
    () => new SupervisedChild({ start: () => cluster.fork(environment), logger, figures }),
  )
  const { reason: stop } = waitForStop({
    environment: deps.environment,
    leaving() {
      for (const child of children) child.kill()
    },
  })
  const starting = startAll(children, onKey)
  const first = await Promise.race([starting, stop]).catch(async error => {
    await stopAll(children, config)
    throw error
  })
  if (typeof first !== 'string') {
    const pids = children.flatMap(({ pid }) => pid ?? [])
    io.out(banner(config, first, version, pids))
    // A child that starts later makes a key when all were deleted. Only the supervisor says where it is.
    for (const child of children)
      child.onReady(({ firstKeyFile }) => firstKeyFile !== undefined && onKey(firstKeyFile))
  }
  const reason = await stop
  logger.info({ reason }, 'stopping; a second signal leaves at once')
  const clean = await stopAll(children, config)
  logger.info({ clean }, 'stopped')
  return clean ? exitCode.ok : exitCode.failure
}

/** Starts the first child alone: it makes what the others use, the database, its tables and the first key. */
async function startAll(
  children: readonly SupervisedChild[],
  onKey: (file: string) => void,
): Promise<StartFacts> {
  const [first, ...others] = children
  if (first === undefined) throw new StartupError('PROCESSES must be at least 1.')
  const facts = await first.start()
  try {
    await Promise.all(others.map(child => child.start()))
    return facts
  } catch (error) {
    if (facts.firstKeyFile !== undefined) onKey(facts.firstKeyFile) // it was made, and no later start says so
    throw error
  }
}

/** @returns whether all children ended by themselves in time */
async function stopAll(children: readonly SupervisedChild[], config: Config): Promise<boolean> {
  const timeoutMs = config.shutdownDrainMs + config.shutdownTimeoutMs + stopGraceMs
  const ended = await Promise.all(children.map(child => child.stop(timeoutMs)))
  return ended.every(clean => clean)
}

/** With PORT=0 the supervisor chooses the port, so that all children have the same one, also those that start later. */
async function withSettledPort({ config, environment }: SuperviseDeps): Promise<Environment> {
  if (config.port !== 0) return environment
  const probe = createServer().listen({ host: config.host, port: 0, exclusive: true })
  try {
    await once(probe, 'listening')
    const address = probe.address()
    if (typeof address !== 'object' || address === null) return environment
    return { ...environment, PORT: String(address.port) }
  } catch {
    return environment // the first child reports what is wrong with the address
  } finally {
    probe.close()
  }
}
