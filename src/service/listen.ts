import { once } from 'node:events'
import { createServer } from 'node:net'
import { codeOf, reasonOf, StartupError } from '../errors.ts'

/** Where to listen. */
export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * How many new connections may wait to be taken: as many as the kernel allows (`net.core.somaxconn`). What does not fit
 * is dropped, and its client asks again after 1, 3 and 7 s; with Node's 511 a burst of 6,000 left half of them so.
 */
const backlog = 65_535

/** Listens at the address of the settings. @throws StartupError when it cannot be had */
export async function listen(
  server: { listen(at: { host: string; port: number; backlog: number }): Promise<string> },
  at: Address,
): Promise<string> {
  const { host, port } = at
  try {
    const url = await server.listen({ host, port, backlog })
    return url.replace('127.0.0.1', 'localhost')
  } catch (error) {
    throw cannotListen(at, error)
  }
}

/**
 * Looks whether the address of the settings can be had, before anything is made: a database that nobody asked for, a
 * migration. It may be lost until `listen`, which then says so.
 *
 * @throws StartupError when it cannot be had
 */
export async function checkAddress(at: Address): Promise<void> {
  const probe = createServer()
  try {
    probe.listen({ host: at.host, port: at.port, exclusive: true })
    await once(probe, 'listening')
  } catch (error) {
    throw cannotListen(at, error)
  }
  await new Promise(resolve => probe.close(resolve))
}

function cannotListen({ host, port }: Address, cause: unknown): StartupError {
  return new StartupError(`Cannot listen on ${host}:${port} (${reasonOf(cause)}). ${listenAdvice(cause)}`, {
    cause,
  })
}

function listenAdvice(error: unknown): string {
  const code = codeOf(error)
  if (code === 'EADDRINUSE') return 'Stop what uses the port, or set PORT to another one.'
  if (code === 'EACCES') return 'Set PORT to one that this user may listen on, such as 8000.'
  return 'Set HOST to an address of this machine.'
}
