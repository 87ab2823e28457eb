import { buildConnector } from 'undici'
import type { Connector } from './connector.ts'
import { EgressError } from './egress-error.ts'
import { selfUnavailable } from './own-lack.ts'

/** Where this process listens. */
export interface OwnAddress {
  readonly address: string
  readonly port: number
}

/** Addresses that stand for all of a machine, and one of them to connect to. */
const loopbackOf: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/**
 * A connector that leads to this process's own port, wherever a request says that it goes: for what is addressed to the
 * service itself, which is known before anyone asks for this. It speaks plain HTTP there, also for an https address, as TLS
 * ends at a proxy in front. That it cannot connect says nothing of any receiver, so no attempt is spent on it.
 *
 * @param listensAt undefined: it does not listen yet, or not any more
 */
export function selfConnector(listensAt: () => OwnAddress | undefined): Connector {
  const connect: Connector = buildConnector({ allowH2: false, timeout: 5000 })
  return (options, callback) => {
    const at = listensAt()
    if (at === undefined) {
      process.nextTick(callback, unavailable(), null)
      return undefined
    }
    const hostname = loopbackOf[at.address] ?? at.address
    const own = { ...options, protocol: 'http:', host: hostname, hostname, port: String(at.port) }
    return connect(own, (error, socket) => {
      if (error === null) callback(null, socket)
      else callback(unavailable(error), null)
    })
  }
}

function unavailable(cause?: unknown): EgressError {
  return new EgressError('connect', selfUnavailable, 'this service does not answer at its own address', {
    cause,
  })
}
