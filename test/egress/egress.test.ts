import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { cidrs } from '../../src/egress/cidr.ts'
import { giveAnotherAddress } from '../../src/egress/egress-error.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import type { NameAnswer } from '../support/dns-server.ts'
import { attempts, guardedWorld } from '../support/guarded-world.ts'
import { classOf } from '../support/http-destination.ts'
import { type Program, type Receiver, startReceiver } from '../support/receiver.ts'

async function aReceiver(
  t: TestContext,
  program: Program = {},
): Promise<Receiver & { readonly port: string }> {
  const receiver = await startReceiver(program)
  t.after(() => receiver.close())
  return Object.assign(Object.create(receiver), { port: new URL(receiver.origin).port })
}

/** The facts of a refusal, which hold no address. */
const notAllowed = {
  kind: 'unreachable',
  fault: 'rules',
  errorClass: 'blocked',
  errorCode: 'BLOCKED',
  error: 'the address of this host is not allowed',
}

function facts({ durationMs: _, ...rest }: Outcome): object {
  return rest
}

/** One of every block that is not public. */
const forbidden = [
  '0.0.0.0',
  '10.0.0.1',
  '100.64.0.1',
  '127.0.0.1',
  '169.254.169.254',
  '172.16.0.1',
  '192.0.0.1',
  '192.0.2.1',
  '192.31.196.1',
  '192.52.193.1',
  '192.88.99.1',
  '192.168.0.1',
  '192.175.48.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '168.63.129.16',
  '::',
  '::1',
  '::7f00:1',
  '::ffff:7f00:1',
  '::ffff:0:7f00:1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::1',
  '100::1',
  '100:0:0:1::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::1',
  '2620:4f:8000::1',
  '3fff::1',
  '5f00::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fec0::1',
  'ff02::1',
]

test('no forbidden address is connected to, given as it is', async t => {
  const { egress, send } = await guardedWorld(t)
  const tried = attempts(t)
  for (const address of forbidden) {
    const origin = address.includes(':') ? `http://[${address}]` : `http://${address}`
    assert.deepEqual(facts(await send(origin)), notAllowed, address)
    assert.equal(await egress.check(new URL(origin)), giveAnotherAddress, address)
  }
  assert.deepEqual(tried, [])
})

test('no forbidden address is connected to, reached by a name', async t => {
  const names = forbidden.map((address, index): [string, NameAnswer] => [`host${index}.test`, [address]])
  const { egress, send, refused } = await guardedWorld(t, Object.fromEntries(names))
  const tried = attempts(t)
  for (const [index, address] of forbidden.entries()) {
    const origin = `https://host${index}.test`
    assert.deepEqual(facts(await send(origin)), notAllowed, address)
    assert.equal(await egress.check(new URL(origin)), giveAnotherAddress, address)
    assert.equal(refused.at(-1)?.host, `host${index}.test`)
  }
  assert.equal(
    refused.find(({ host }) => host === 'host3.test')?.address,
    '127.0.0.1',
    'the operator is told',
  )
  assert.deepEqual(tried, [])
})

test('no notation of the loopback gets by', async t => {
  const receiver = await aReceiver(t)
  const { egress, send } = await guardedWorld(t)
  const hosts = [
    '2130706433',
    '0x7f.1',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
    '0',
    '１２７.0.0.1',
    '127.0.0.1.',
  ]
  const more = [
    '[::ffff:127.0.0.1]',
    '[::127.0.0.1]',
    '[0:0:0:0:0:ffff:7f00:1]',
    '[::1]',
    '[::]',
    '127.0.0.1',
  ]
  const named = ['localhost', 'localhost.', 'LOCALHOST', 'a.localhost', 'a.localhost.']
  for (const host of [...hosts, ...more, ...named]) {
    const url = new URL(`http://${host}:${receiver.port}`)
    assert.deepEqual(facts(await send(url.origin)), notAllowed, host)
    assert.equal(await egress.check(url), giveAnotherAddress, host)
  }
  assert.equal(receiver.connections, 0)
})

test('names that mean something on this network only are refused before anyone is asked', async t => {
  const { dns, egress, send } = await guardedWorld(t, { intranet: ['8.8.8.8'], 'a.internal': ['8.8.8.8'] })
  for (const host of ['intranet', 'intranet.', 'a.internal', 'printer.local', 'X.LOCAL.', 'a.b.localhost']) {
    assert.deepEqual(facts(await send(`http://${host}`)), notAllowed, host)
    assert.equal(await egress.check(new URL(`http://${host}`)), giveAnotherAddress, host)
  }
  for (const host of ['a..b', 'a.test..', '.a.test']) {
    const outcome = await send(`http://${host}`)
    assert.equal(classOf(outcome), 'blocked', host)
  }
  assert.deepEqual(dns.questions, [])
})

test('one forbidden address refuses the whole name', async t => {
  const receiver = await aReceiver(t)
  const names = {
    'first.test': ['10.0.0.1', '127.0.0.1'],
    'last.test': ['127.0.0.1', '10.0.0.1'],
    'other-family.test': ['127.0.0.1', 'fe80::1'],
    'good.test': ['127.0.0.1'],
  }
  const { send, egress } = await guardedWorld(t, names, { allowedTargetCidrs: cidrs('127.0.0.1') })
  for (const name of ['first.test', 'last.test', 'other-family.test']) {
    assert.deepEqual(facts(await send(`http://${name}:${receiver.port}`)), notAllowed, name)
    assert.equal(await egress.check(new URL(`http://${name}`)), giveAnotherAddress)
  }
  assert.equal(receiver.connections, 0)
  assert.equal((await send(`http://good.test:${receiver.port}`)).kind, 'accepted')
})

test('the allow-list opens what is in it, and its names, and nothing else', async t => {
  const receiver = await aReceiver(t)
  const { send, egress } = await guardedWorld(
    t,
    { receiver: ['127.0.0.1'] },
    { allowedTargetCidrs: cidrs('127.0.0.1') },
  )
  assert.equal((await send(receiver.origin)).kind, 'accepted')
  assert.equal((await send(`http://receiver:${receiver.port}`)).kind, 'accepted')
  assert.equal(receiver.received[1]?.headers.host, `receiver:${receiver.port}`, 'the host stays the name')
  assert.equal(await egress.check(new URL(receiver.origin)), undefined)
  assert.deepEqual(facts(await send('http://127.0.0.2')), notAllowed)
  assert.deepEqual(facts(await send('http://10.0.0.1')), notAllowed)
})

test('a name that turns bad after it was checked leads nowhere', async t => {
  const receiver = await aReceiver(t)
  const { dns, egress, send } = await guardedWorld(t, { 'turns.test': ['8.8.8.8'] })
  const url = new URL(`http://turns.test:${receiver.port}`)
  assert.equal(await egress.check(url), undefined)
  dns.names.set('turns.test', ['127.0.0.1'])
  const tried = attempts(t)
  assert.deepEqual(facts(await send(url.origin)), notAllowed)
  assert.equal(receiver.connections, 0)
  assert.deepEqual(tried, [])
})

test('the connection goes to the address that was judged, without a second look-up', async t => {
  const receiver = await aReceiver(t)
  const { dns, send } = await guardedWorld(
    t,
    { 'once.test': ['127.0.0.1'] },
    { allowedTargetCidrs: cidrs('127.0.0.1') },
  )
  const tried = attempts(t)
  assert.equal((await send(`http://once.test:${receiver.port}`)).kind, 'accepted')
  assert.deepEqual([...dns.questions].sort(), ['A once.test', 'AAAA once.test'])
  assert.deepEqual(tried, ['127.0.0.1'])
})

test('a redirect to a private address is not followed', async t => {
  const secret = await aReceiver(t)
  const { port } = secret
  const locations = [secret.origin, `http://localhost:${port}`, 'http://169.254.169.254/latest/meta-data/']
  for (const status of [301, 302, 303, 307, 308]) {
    for (const location of locations) {
      const open = await aReceiver(t, { status, headers: { location } })
      const { send } = await guardedWorld(t, {}, { allowedTargetCidrs: cidrs('127.0.0.1') })
      const outcome = await send(open.origin)
      assert.equal(outcome.httpStatus, status)
    }
  }
  assert.equal(secret.connections, 0)
})

test('https only, where the operator says so', async t => {
  const { egress, send } = await guardedWorld(t, { 'a.test': ['8.8.8.8'] }, { httpsOnly: true })
  const outcome = facts(await send('http://a.test'))
  assert.deepEqual(outcome, { ...notAllowed, error: 'only https addresses can be delivered to' })
  assert.equal(await egress.check(new URL('http://a.test')), 'only https addresses can be delivered to')
  assert.equal(await egress.check(new URL('https://a.test')), undefined)
})

test('only the ports that the operator lists, the one of the scheme included', async t => {
  const { egress, send } = await guardedWorld(
    t,
    { 'a.test': ['8.8.8.8'] },
    { allowedTargetPorts: [443, 8443] },
  )
  for (const text of ['http://a.test', 'https://a.test:444', 'https://a.test:22']) {
    const outcome = await send(text)
    assert.equal(classOf(outcome), 'blocked', text)
    assert.equal(await egress.check(new URL(text)), 'this port cannot be delivered to, only 443, 8443')
  }
  for (const text of ['https://a.test', 'https://a.test:8443', 'http://a.test:443']) {
    assert.equal(await egress.check(new URL(text)), undefined, text)
  }
})

test('a name that cannot be looked up passes the check, quickly, and fails as dns when it is connected to', async t => {
  const { egress, send } = await guardedWorld(t, { 'dead.test': 'silent' }, { lookUpMs: 4000 })
  assert.equal(await egress.check(new URL('http://unknown.test')), undefined)
  const checked = egress.check(new URL('http://dead.test'))
  const first = await Promise.race([checked, sleep(2000, 'the half of the look-up')])
  assert.equal(first, undefined)
  const lookUp = send('http://dead.test')
  const unknown = facts(await send('http://unknown.test'))
  const error = 'the name of this host is not known (ENOTFOUND)'
  assert.deepEqual(unknown, {
    kind: 'unreachable',
    fault: 'name',
    errorClass: 'dns',
    errorCode: 'ENOTFOUND',
    error,
  })
  const dead = await lookUp
  assert.equal(dead.kind === 'unreachable' && dead.errorClass, 'dns')
})

test('the service does not deliver to itself, unless private targets are allowed', async t => {
  const receiver = await aReceiver(t)
  const own = { host: '127.0.0.1', port: Number(receiver.port), allowedTargetCidrs: cidrs('127.0.0.0/8') }
  const { egress, send } = await guardedWorld(t, { 'me.test': ['127.0.0.1'] }, own)
  for (const origin of [receiver.origin, `http://me.test:${receiver.port}`]) {
    assert.deepEqual(facts(await send(origin)), notAllowed)
    assert.equal(await egress.check(new URL(origin)), giveAnotherAddress)
  }
  assert.equal(receiver.connections, 0)
  const everywhere = await guardedWorld(t, {}, { ...own, host: '0.0.0.0' })
  assert.deepEqual(facts(await everywhere.send(receiver.origin)), notAllowed)
  const elsewhere = await guardedWorld(t, {}, { ...own, port: own.port === 1 ? 2 : 1 })
  assert.equal((await elsewhere.send(receiver.origin)).kind, 'accepted')
  const open = await guardedWorld(t, {}, { ...own, allowPrivateTargets: true })
  assert.equal((await open.send(receiver.origin)).kind, 'accepted')
})

test('no error names the address that a name has led to', async t => {
  const closed = await aReceiver(t)
  await closed.close()
  const names = {
    'refuses.test': ['127.0.0.1'],
    'blocked.test': ['10.9.8.7'],
    'broken.test': 'broken',
  } as const
  const { send } = await guardedWorld(t, names, { allowedTargetCidrs: cidrs('127.0.0.1') })
  for (const name of [...Object.keys(names), 'unknown.test']) {
    const outcome = await send(`http://${name}:${closed.port}`)
    assert.ok(outcome.kind === 'unreachable')
    assert.doesNotMatch(outcome.error, /\d+\.\d+\.\d+\.\d+|::/, name)
  }
  const refused = await send(`http://refuses.test:${closed.port}`)
  assert.equal(refused.kind === 'unreachable' && refused.error, 'connect ECONNREFUSED')
})
