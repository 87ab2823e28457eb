import cluster from 'node:cluster'
import { type Config, type Environment, environmentOfProcess, readConfig } from '../config/config.ts'
import { ignoredEnvFile } from '../config/ignored-settings.ts'
import { StartCancelled } from '../errors.ts'
import { createLogger, type Logger } from '../platform/logger.ts'
import { collectSooner } from '../platform/old-generation.ts'
import { boundYoungGeneration } from '../platform/young-generation.ts'
import { checkAddress } from '../service/listen.ts'
import { version } from '../version.ts'
import { banner } from './banner.ts'
import { type CommandIo, exitCode } from './command.ts'
import { eventSentences } from './event-sentences.ts'
import { readServeArguments, serveUsage } from './serve-arguments.ts'
import { waitForStop } from './signal.ts'
import { supervise } from './supervise.ts'

/** With it `npm run bench -- --only service` delivered no less than a version without (×1.07 over three pairs of runs). */
const youngBytesMax = 16 * 1024 * 1024

/** `webhooks serve`: runs until SIGINT or SIGTERM; a second signal ends it at once. */
export async function runServe(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readServeArguments(args, io.environment ?? environmentOfProcess())
  if (given.kind !== 'serve') {
    if (given.kind === 'help') io.out(serveUsage)
    else io.err(`webhooks serve: ${given.sentence}\n\n${serveUsage}`)
    return given.kind === 'help' ? exitCode.ok : exitCode.usage
  }
  boundYoungGeneration(youngBytesMax)
  const config = readConfig(given.environment)
  const several = config.processes > 1
  const { logLevel: level, logFormat: format } = config
  const logger = createLogger({ level, format, shared: several, sentences: eventSentences })
  exitOnBugs(logger)
  if (several && cluster.isWorker) return (await import('./child-process.ts')).runChild(config, logger)
  const unread = await ignoredEnvFile(process.cwd(), given.environment)
  for (const warning of [...config.warnings, ...(unread === undefined ? [] : [unread])]) logger.warn(warning)
  if (several) return supervise({ config, environment: given.environment, logger, io })
  return serveUntilStopped(config, given.environment, logger, io)
}

async function serveUntilStopped(
  config: Config,
  environment: Environment,
  logger: Logger,
  io: CommandIo,
): Promise<number> {
  const stop = waitForStop({ environment })
  try {
    await checkAddress(config)
    const { startService } = await import('../service/service.ts') // a supervisor does without
    const service = await startService({ config, logger, signal: stop.signal })
    collectSooner()
    io.out(banner(config, service, version))
    const reason = await stop.reason
    logger.info({ reason }, 'stopping; a second signal leaves at once')
    const beganAt = performance.now()
    await service.close()
    logger.info({ ms: Math.round(performance.now() - beganAt) }, 'stopped')
  } catch (error) {
    if (!(error instanceof StartCancelled)) throw error
    logger.info('stopped before the start had ended; the next start goes on from there')
  }
  return exitCode.ok
}

/**
 * Ends this process after an uncaught error: in an unknown state it could look alive and do nothing. Other processes, or
 * the next start, recover what it held.
 */
function exitOnBugs(logger: Logger): void {
  const leave = (error: unknown) => {
    logger.fatal({ err: error }, 'a bug ended this process')
    logger.flush()
    process.exit(70)
  }
  process.on('uncaughtException', leave)
  process.on('unhandledRejection', leave)
}
