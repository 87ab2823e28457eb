import type { Config } from '../config/config.ts'
import { usedDescriptors } from '../platform/descriptors.ts'

/** Of the file descriptors this part goes to receivers; the rest is for clients, the database, Redis and files. */
const receiversPart = 1 / 2

/** A process that only accepts wants this many, for its clients. */
const wantedToAccept = 1024

/**
 * How many connections to receivers there may be, and so attempts in flight. Without this bound each connection beyond what
 * the system allows would fail, and clients would be turned away with it.
 *
 * @param allowed file descriptors; undefined: it is not known
 */
export function receiverConnectionsMax(allowed: number | undefined): number | undefined {
  return allowed === undefined ? undefined : Math.max(1, Math.floor(allowed * receiversPart))
}

/** What to do where the system allows fewer file descriptors than the settings ask for; undefined: there are enough. */
export function descriptorAdvice(
  { role, maxInFlight }: Pick<Config, 'role' | 'maxInFlight'>,
  allowed: number | undefined,
): string | undefined {
  const wanted = role === 'api' ? wantedToAccept : Math.ceil(maxInFlight / receiversPart)
  if (allowed === undefined || allowed >= wanted) return undefined
  const advice = `raise \`ulimit -n\` to ${wanted} or more (LimitNOFILE= of systemd, --ulimit nofile= of Docker)`
  if (role === 'api') return `The system allows ${allowed} file descriptors, so few clients: ${advice}.`
  const most = receiverConnectionsMax(allowed)
  return `The system allows ${allowed} file descriptors, so at most ${most} attempts are in flight instead of MAX_IN_FLIGHT=${maxInFlight}: ${advice}.`
}

/** How many descriptors are open, as of the last look: to count them takes a moment, which nobody waits for. */
export class DescriptorCount {
  readonly allowed: number | undefined
  #used: number | undefined

  constructor(allowed: number | undefined) {
    this.allowed = allowed
    this.#look()
  }

  /** As of the last time it was asked for; undefined where it cannot be told. */
  get used(): number | undefined {
    this.#look()
    return this.#used
  }

  #look(): void {
    void usedDescriptors().then(used => {
      this.#used = used
    })
  }
}
