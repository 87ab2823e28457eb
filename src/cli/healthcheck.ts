import { text } from 'node:stream/consumers'
import { readConfig } from '../config/config.ts'
import { shownServerUrl } from '../platform/server-url.ts'
import { ask, isOk } from './ask.ts'
import { type CommandIo, exitCode } from './command.ts'
import { isServerUrl, ownUrl } from './own-url.ts'
import { reasonOf } from './reason.ts'

const usage = `Usage: webhooks healthcheck [url]
  Asks a running service whether it is ready; exit code 0 when it is, 1 when not.
  Without a URL it asks /readyz on this machine, on the PORT of the settings.`

/** Shorter than the timeouts of usual health checks, and longer than a harmless pause of the service. */
const answerTimeoutMs = 3000

/** `webhooks healthcheck`: for containers, because the image has no curl. */
export async function runHealthcheck(args: readonly string[], io: CommandIo): Promise<number> {
  const [given, ...rest] = args
  if (given === '--help' || given === 'help') {
    io.out(usage)
    return exitCode.ok
  }
  const url = given ?? ownUrl(readConfig(io.environment), '/readyz')
  if (rest.length > 0 || url === undefined || !isServerUrl(url)) {
    io.err(url === undefined ? 'PORT=0 takes any free port, so give the URL to ask.' : usage)
    return exitCode.usage
  }
  const shown = shownServerUrl(url)
  if (new URL(url).username + new URL(url).password !== '') {
    io.err(`The URL must hold no user and no password: ${shown}`)
    return exitCode.usage
  }
  try {
    const answer = await ask(url, { signal: AbortSignal.timeout(answerTimeoutMs) })
    const body = await text(answer)
    if (isOk(answer)) {
      io.out(`ready (${answer.statusCode})`)
      return exitCode.ok
    }
    io.err(`not ready: ${shown} answered ${answer.statusCode} ${body.slice(0, 300)}`)
  } catch (error) {
    io.err(`not ready: ${shown} does not answer (${reasonOf(error)})`)
  }
  return exitCode.failure
}
