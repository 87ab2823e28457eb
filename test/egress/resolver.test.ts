import assert from 'node:assert/strict'
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { HostsFile } from '../../src/egress/hosts-file.ts'
import { type Resolution, Resolver, type ResolverOptions } from '../../src/egress/resolver.ts'
import { type DnsServer, type NameAnswer, startDnsServer } from '../support/dns-server.ts'

interface World {
  readonly dns: DnsServer
  readonly resolver: Resolver
  advance(ms: number): void
}

async function world(
  t: TestContext,
  names: Readonly<Record<string, NameAnswer>>,
  options: ResolverOptions & { readonly ttlSeconds?: number } = {},
): Promise<World> {
  const { ttlSeconds = 60, ...others } = options
  const dns = await startDnsServer(names, { ttlSeconds })
  t.after(() => dns[Symbol.asyncDispose]())
  let now = 0
  const hostsFile = new HostsFile('no-such-file')
  const resolver = new Resolver({
    servers: [dns.address],
    hostsFile,
    now: () => now,
    serverTimeoutMs: 250, // the least that c-ares takes
    ...others,
  })
  return {
    dns,
    resolver,
    advance: ms => {
      now += ms
    },
  }
}

function addresses(resolution: Resolution): readonly string[] | string {
  return resolution.kind === 'found' ? resolution.addresses : resolution.error.code
}

test('a name has the addresses of both families, IPv4 first', async t => {
  const { resolver } = await world(t, {
    'both.test': ['2606::1', '1.2.3.4', '1.2.3.5'],
    'six.test': ['2606::2'],
  })
  const both = addresses(await resolver.resolve('both.test'))
  assert.deepEqual([...both].sort(), ['1.2.3.4', '1.2.3.5', '2606::1'])
  assert.equal(both[2], '2606::1')
  assert.deepEqual(addresses(await resolver.resolve('six.test')), ['2606::2'])
})

test('one question per family for a name asked for by many, however it is written', async t => {
  const { dns, resolver } = await world(t, { 'busy.test': ['1.2.3.4'] })
  await Promise.all(Array.from({ length: 100 }, () => resolver.resolve('busy.test')))
  await resolver.resolve('BUSY.test.')
  assert.deepEqual([...dns.questions].sort(), ['A busy.test', 'AAAA busy.test'])
})

test('what was found is kept for its time to live, at most five minutes and at least a second', async t => {
  for (const [ttlSeconds, keptMs] of [
    [60, 60_000],
    [86_400, 300_000],
    [0, 1000],
  ] as const) {
    const { dns, resolver, advance } = await world(t, { 'a.test': ['1.2.3.4', '2606::1'] }, { ttlSeconds })
    await resolver.resolve('a.test')
    advance(keptMs - 1)
    await resolver.resolve('a.test')
    assert.equal(dns.questions.length, 2, `${ttlSeconds}`)
    dns.names.set('a.test', ['1.2.3.5'])
    advance(1)
    assert.deepEqual(addresses(await resolver.resolve('a.test')), ['1.2.3.5'])
  }
})

test('a name that is not known is not asked for again for half a minute', async t => {
  const { dns, resolver, advance } = await world(t, {})
  const resolution = await resolver.resolve('none.test')
  assert.equal(addresses(resolution), 'ENOTFOUND')
  assert.equal(
    resolution.kind === 'failed' && resolution.error.message,
    'the name of this host is not known (ENOTFOUND)',
  )
  advance(29_999)
  dns.names.set('none.test', ['1.2.3.4'])
  assert.equal(addresses(await resolver.resolve('none.test')), 'ENOTFOUND')
  advance(1)
  assert.deepEqual(addresses(await resolver.resolve('none.test')), ['1.2.3.4'])
})

test('a failing name server is a failure of the look-up, kept for five seconds', async t => {
  const { dns, resolver, advance } = await world(t, { 'a.test': 'broken' })
  assert.equal(addresses(await resolver.resolve('a.test')), 'ESERVFAIL')
  dns.names.set('a.test', ['1.2.3.4'])
  assert.equal(addresses(await resolver.resolve('a.test')), 'ESERVFAIL')
  advance(5000)
  assert.deepEqual(addresses(await resolver.resolve('a.test')), ['1.2.3.4'])
})

test('a name whose server is dead fails in its own time, and holds up no other', async t => {
  const names = { 'dead.test': 'silent', 'alive.test': ['1.2.3.4'] } as const
  const { resolver } = await world(t, names, { timeoutMs: 900 })
  const beganAt = performance.now()
  let isOver = false
  const dead = Promise.resolve(resolver.resolve('dead.test')).finally(() => {
    isOver = true
  })
  assert.deepEqual(addresses(await resolver.resolve('alive.test')), ['1.2.3.4'])
  assert.equal(isOver, false, 'it waited for the other')
  assert.equal(addresses(await dead), 'ETIMEOUT')
  assert.ok(performance.now() - beganAt >= 890)
})

test('no more names are remembered than there is room for; the longest unused goes', async t => {
  const { dns, resolver } = await world(t, { 'a.test': ['1.1.1.1'], 'b.test': ['1.1.1.2'] }, { namesMax: 2 })
  for (const name of ['a.test', 'b.test', 'a.test', 'c.test']) await resolver.resolve(name)
  const before = dns.questions.length
  await resolver.resolve('a.test')
  assert.equal(dns.questions.length, before)
  await resolver.resolve('b.test')
  assert.equal(dns.questions.length, before + 2)
})

test('localhost and invalid names are asked of nobody', async t => {
  const { dns, resolver } = await world(t, { localhost: ['1.2.3.4'], 'x.localhost': ['1.2.3.4'] })
  for (const name of ['localhost', 'LOCALHOST.', 'x.localhost']) {
    assert.deepEqual(addresses(await resolver.resolve(name)), ['127.0.0.1', '::1'])
  }
  assert.equal(addresses(await resolver.resolve('no-such-host.invalid')), 'ENOTFOUND')
  assert.deepEqual(dns.questions, [])
})

test('the hosts file comes first', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'hosts-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'hosts')
  await writeFile(
    path,
    '# comment\n10.0.0.7\tReceiver other # 1.1.1.1 no\nfe80::zz bad\n\n2606::7 receiver\n',
  )
  const { dns, resolver } = await world(t, { other: ['1.2.3.4'] }, { hostsFile: new HostsFile(path) })
  assert.deepEqual(addresses(await resolver.resolve('receiver')), ['10.0.0.7', '2606::7'])
  assert.deepEqual(addresses(await resolver.resolve('Other')), ['10.0.0.7'])
  assert.equal(addresses(await resolver.resolve('no')), 'ENOTFOUND')
  assert.equal(dns.questions.length, 2)
})

test('a hosts file is read again when it has changed', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'hosts-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'hosts')
  await writeFile(path, '10.0.0.7 a')
  let now = 0
  const hosts = new HostsFile(path, () => now)
  assert.deepEqual(await hosts.addressesOf('a'), ['10.0.0.7'])
  await writeFile(path, '10.0.0.8 a')
  await utimes(path, 1, 1)
  assert.deepEqual(await hosts.addressesOf('a'), ['10.0.0.7'])
  now += 5000
  assert.deepEqual(await hosts.addressesOf('a'), ['10.0.0.8'])
})
