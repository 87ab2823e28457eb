import { constants } from 'node:os'

const { signals } = constants

/** How a command hears that it is to stop. */
export interface StopRequest {
  /** Resolves once, with the reason: the signal, or that the program that started this one is gone. */
  readonly reason: Promise<string>
  /** Aborted at the same moment, for what can be cut short. */
  readonly signal: AbortSignal
  /** Listens no longer: signals do what they do to any program. */
  forget(): void
}

export interface StopOptions {
  /** Called before a second signal ends the process. */
  readonly leaving?: () => void
  /** The environment of the process, in which npm says that it started it. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/**
 * Signals this close together are one request. Ctrl-C reaches all programs of the terminal, and npm passes it on to the
 * one that it runs; so do service managers that signal all processes of a service.
 */
const sameRequestMs = 500

const parentLookMs = 500

/**
 * Listens for a request to stop: SIGINT, SIGTERM, the end of the terminal, or of the program that started this one. A second signal ends the
 * process at once, after calling `leaving`.
 */
export function waitForStop({ leaving = () => {}, environment = {} }: StopOptions = {}): StopRequest {
  const controller = new AbortController()
  const { promise: reason, resolve } = Promise.withResolvers<string>()
  let askedAt: number | undefined
  const ask = (why: string) => {
    askedAt ??= performance.now()
    controller.abort()
    resolve(why)
  }
  const hear = (name: NodeJS.Signals) => {
    if (askedAt !== undefined && performance.now() - askedAt > sameRequestMs) {
      leaving()
      process.exit(128 + signals[name])
    }
    ask(name)
  }
  // A terminal that is closed. Without one, nohup may have arranged that SIGHUP is ignored, and a listener would undo that.
  const names: readonly NodeJS.Signals[] = [
    'SIGINT',
    'SIGTERM',
    ...(process.stdout.isTTY ? (['SIGHUP'] as const) : []),
  ]
  for (const name of names) process.on(name, hear)
  // npm, and with it npx, runs a command in a shell. A signal to npm ends the shell, and the command never hears of it.
  // Nobody else is followed: whoever starts the service in the background, and then leaves, wants it to go on.
  const watch =
    environment.npm_lifecycle_event === undefined
      ? undefined
      : onceParentIsGone(() => ask('the program that started it is gone'))
  return {
    reason,
    signal: controller.signal,
    forget() {
      for (const name of names) process.off(name, hear)
      clearInterval(watch)
    },
  }
}

function onceParentIsGone(listener: () => void): NodeJS.Timeout {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent && exists(parent)) return
    clearInterval(timer)
    listener()
  }, parentLookMs)
  return timer.unref()
}

/** For Windows, where the id of the parent stays the same when it ends. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}
