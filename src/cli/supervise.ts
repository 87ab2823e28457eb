import cluster from 'node:cluster'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Config, Environment } from '../config/config.ts'
import { StartupError } from '../errors.ts'
import type { Logger } from '../platform/logger.ts'
import { version } from '../version.ts'
import { banner, keyNotice, type StartFacts } from './banner.ts'
import { type CommandIo, exitCode } from './command.ts'
import { waitForSignal } from './signal.ts'
import { SupervisedChild } from './supervised-child.ts'

export interface SuperviseDeps {
  readonly config: Config
  /** What the children start with. */
  readonly environment: Environment
  readonly logger: Logger
  readonly io: CommandIo
}

/** Beyond SHUTDOWN_DRAIN_MS and SHUTDOWN_TIMEOUT_MS, for a child that was only starting, or whose machine is slow. */
const stopGraceMs = 3000

/**
 * Runs `PROCESSES` children that share one port, and replaces those that die, until SIGINT or SIGTERM; a second
 * signal ends them there and then. It does nothing else, so that nothing else can end it.
 *
 * @throws StartupError when one of them cannot start the first time; all have ended then
 */
export async function supervise(deps: SuperviseDeps): Promise<number> {
  const { config, logger, io } = deps
  const environment = await withSettledPort(deps)
  // The kernel hands out connections. The other policy, by which the supervisor does, leaves one without an answer and
  // without an end for each child that is killed: the connection that was on its way to it.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  // The options are in the environment by now.
  cluster.setupPrimary({ args: ['serve'] })
  const onKey = (key: string) => io.out(keyNotice(key))
  const children = Array.from(
    { length: config.processes },
    () => new SupervisedChild({ start: () => cluster.fork(environment), logger }),
  )
  const signal = waitForSignal(() => {
    for (const child of children) child.kill()
  })
  const starting = startAll(children, onKey)
  const first = await Promise.race([starting, signal]).catch(async error => {
    await stopAll(children, config)
    throw error
  })
  if (typeof first !== 'string') {
    const pids = children.flatMap(({ pid }) => pid ?? [])
    io.out(banner(config, first, version, pids))
    // A key that is made later, because all were deleted meanwhile, can be shown by nobody else.
    for (const child of children) child.onReady(({ firstKey }) => firstKey !== undefined && onKey(firstKey))
  }
  const name = await signal
  logger.info({ signal: name }, 'stopping; a second signal leaves at once')
  const clean = await stopAll(children, config)
  logger.info({ clean }, 'stopped')
  return clean ? exitCode.ok : exitCode.failure
}

/** The first one makes what the others find: the database, its tables, the first key. */
async function startAll(
  children: readonly SupervisedChild[],
  onKey: (key: string) => void,
): Promise<StartFacts> {
  const [first, ...others] = children
  if (first === undefined) throw new StartupError('PROCESSES must be at least 1.')
  const facts = await first.start()
  try {
    await Promise.all(others.map(child => child.start()))
    return facts
  } catch (error) {
    if (facts.firstKey !== undefined) onKey(facts.firstKey) // made, and never to be shown again
    throw error
  }
}

/** @returns whether all ended by themselves in time */
async function stopAll(children: readonly SupervisedChild[], config: Config): Promise<boolean> {
  const timeoutMs = config.shutdownDrainMs + config.shutdownTimeoutMs + stopGraceMs
  const ended = await Promise.all(children.map(child => child.stop(timeoutMs)))
  return ended.every(clean => clean)
}

/** With PORT=0 the port is chosen here, so that it is the same for all children, later ones too. */
async function withSettledPort({ config, environment }: SuperviseDeps): Promise<Environment> {
  if (config.port !== 0) return environment
  const probe = createServer().listen({ host: config.host, port: 0, exclusive: true })
  try {
    await once(probe, 'listening')
    const address = probe.address()
    if (typeof address !== 'object' || address === null) return environment
    return { ...environment, PORT: String(address.port) }
  } catch {
    return environment // a child will say what is wrong with the address
  } finally {
    probe.close()
  }
}
