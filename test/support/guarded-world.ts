import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { Egress, EgressOptions } from '../../src/egress/egress.ts'
import { HostsFile } from '../../src/egress/hosts-file.ts'
import { Resolver } from '../../src/egress/resolver.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import { type DnsServer, type NameAnswer, startDnsServer } from './dns-server.ts'
import { testEgress } from './egress.ts'
import { httpDestination } from './http-destination.ts'

export interface GuardedWorld {
  readonly dns: DnsServer
  readonly egress: Egress
  /** What was logged as refused. */
  readonly refused: readonly { readonly host: string; readonly address: string }[]
  send(origin: string): Promise<Outcome>
}

/** The rules of server mode, with names of its own. */
export async function guardedWorld(
  t: TestContext,
  names: Readonly<Record<string, NameAnswer>> = {},
  { lookUpMs = 1000, ...options }: Partial<EgressOptions> & { readonly lookUpMs?: number } = {},
): Promise<GuardedWorld> {
  const dns = await startDnsServer(names, { ttlSeconds: 0 })
  let now = 0
  const resolver = new Resolver({
    servers: [dns.address],
    hostsFile: new HostsFile('no-such-file'),
    serverTimeoutMs: lookUpMs / 4,
    timeoutMs: lookUpMs,
    now: () => (now += 1000), // nothing is remembered from one connection to the next
  })
  const refused: { host: string; address: string }[] = []
  const logger = { warn: (fields: { host: string; address: string }) => refused.push(fields) }
  const egress = testEgress({
    allowPrivateTargets: false,
    resolver,
    logger: logger as unknown as EgressOptions['logger'], // only warnings are logged
    ...options,
  })
  t.after(() => dns[Symbol.asyncDispose]())
  const { send } = httpDestination(t, { responseBytesMax: 1000, connector: egress.connector })
  return { dns, egress, refused, send: origin => send(origin) }
}

/** Every address that this process tries to connect to, as Node says it. */
export function attempts(t: TestContext): readonly string[] {
  const tried: string[] = []
  const onSocket = (message: unknown) => {
    const { socket } = message as { readonly socket: Socket } // as Node documents this channel
    socket.on('connectionAttempt', (address: string) => tried.push(address))
  }
  subscribe('net.client.socket', onSocket)
  t.after(() => unsubscribe('net.client.socket', onSocket))
  return tried
}
