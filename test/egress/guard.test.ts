import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cidrs, parseCidr } from '../../src/egress/cidr.ts'
import { createGuard, type Guard, type GuardRules } from '../../src/egress/guard.ts'

function guard(rules: Partial<GuardRules> = {}): Guard {
  return createGuard({ allowPrivate: false, allowedCidrs: [], deniedCidrs: [], ...rules })
}

/** Every IPv4 block there is no receiver in, with its last address. */
const blocks4 = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['100.64.0.0', '100.127.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.0.0.0', '192.0.0.255'],
  ['192.0.2.0', '192.0.2.255'],
  ['192.31.196.0', '192.31.196.255'],
  ['192.52.193.0', '192.52.193.255'],
  ['192.88.99.0', '192.88.99.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['192.175.48.0', '192.175.48.255'],
  ['198.18.0.0', '198.19.255.255'],
  ['198.51.100.0', '198.51.100.255'],
  ['203.0.113.0', '203.0.113.255'],
  ['224.0.0.0', '239.255.255.255'],
  ['240.0.0.0', '255.255.255.255'],
  ['168.63.129.16', '168.63.129.16'],
] as const

const ends6 = (first: string) => `${first}ffff:ffff:ffff:ffff`

/** Every IPv6 block outside 2000::/3 that has a name, and those within it that are not public. */
const blocks6 = [
  ['::', '::'],
  ['::1', '::1'],
  ['::2', '::ffff:ffff'], // v4-compatible
  ['::ffff:0:0', '::ffff:ffff:ffff'], // v4-mapped
  ['::ffff:0:0:0', '::ffff:0:ffff:ffff'], // SIIT
  ['64:ff9b::', '64:ff9b::ffff:ffff'],
  ['64:ff9b:1::', ends6('64:ff9b:1:ffff:')],
  ['100::', ends6('100::')],
  ['100:0:0:1::', ends6('100:0:0:1:')],
  ['200::', '1fff:ffff::'],
  ['2001::', ends6('2001:1ff:ffff:ffff:')],
  ['2001:db8::', ends6('2001:db8:ffff:ffff:')],
  ['2002::', ends6('2002:ffff:ffff:ffff:')],
  ['2620:4f:8000::', ends6('2620:4f:8000:ffff:')],
  ['3fff::', ends6('3fff:fff:ffff:ffff:')],
  ['4000::', '5eff:ffff::'],
  ['5f00::', ends6('5f00:ffff:ffff:ffff:')],
  ['fc00::', ends6('fdff:ffff:ffff:ffff:')],
  ['fe80::', ends6('febf:ffff:ffff:ffff:')],
  ['fec0::', ends6('feff:ffff:ffff:ffff:')],
  ['ff00::', ends6('ffff:ffff:ffff:ffff:')],
] as const

const neighbours4 = [
  '1.0.0.0',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '168.63.129.15',
  '168.63.129.17',
  '169.253.255.255',
  '169.255.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '191.255.255.255',
  '192.0.1.0',
  '192.0.3.0',
  '192.31.195.255',
  '192.31.197.0',
  '192.88.98.255',
  '192.88.100.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '203.0.112.255',
  '203.0.114.0',
  '223.255.255.255',
]

const neighbours6 = [
  '2000::',
  '2001:200::',
  '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff',
  '2001:db9::',
  '2001:ffff::',
  '2003::',
  '2606:4700:4700::1111',
  '2620:4f:7fff::',
  '2620:4f:8001::',
  '3ffe::',
  '3fff:1000::',
]

/** Never to be connected to, whatever is allowed. */
const hopeless = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
  'fd00:ec2::254',
  'fd00:ec2::23',
  'fd20:ce::254',
  '0.0.0.0',
  '0.1.2.3',
  '224.0.0.1',
  '239.255.255.250',
  '240.0.0.1',
  '255.255.255.255',
  '169.254.7.7',
  '::',
  'fe80::1',
  'fe80::1%eth0',
  'ff02::1',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '::a9fe:a9fe',
  '::ffff:0:a9fe:a9fe',
  '64:ff9b::169.254.169.254',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b:1::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
  '2001::a9fe:a9fe',
]

test('no address of any block that is not public is allowed', () => {
  const allows = guard()
  for (const address of [...blocks4, ...blocks6].flat()) assert.equal(allows(address), false, address)
})

test('the addresses next to those blocks are public, and allowed', () => {
  const allows = guard()
  for (const address of [...neighbours4, ...neighbours6]) assert.equal(allows(address), true, address)
})

test('metadata, multicast, reserved and embedded addresses are not allowed, whatever else is', () => {
  const everything = cidrs('0.0.0.0/0', '::/0')
  for (const rules of [
    {},
    { allowPrivate: true },
    { allowedCidrs: everything },
    { allowPrivate: true, allowedCidrs: everything },
    { allowedCidrs: cidrs('169.254.169.254', 'fd00:ec2::254', '168.63.129.16', '::ffff:0:0/96') },
  ]) {
    const allows = guard(rules)
    for (const address of hopeless)
      assert.equal(allows(address), false, `${address} ${JSON.stringify(rules)}`)
  }
})

test('private networks are open when the operator opens them, and no more than those', () => {
  const allows = guard({ allowPrivate: true })
  const open = [
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '::1',
    'fc00::1',
    'fd12::1',
  ]
  for (const address of open) assert.equal(allows(address), true, address)
  for (const address of ['192.0.2.1', '198.18.0.1', '2001:db8::1', 'fec0::1', '4000::1', '::7f00:1']) {
    assert.equal(allows(address), false, address)
  }
})

test('the allow-list opens what is in it, of its family only', () => {
  const allows = guard({ allowedCidrs: cidrs('10.1.0.0/16', 'fd12:3456::/32', '198.18.0.1') })
  for (const address of ['10.1.255.255', 'fd12:3456::1', '198.18.0.1'])
    assert.equal(allows(address), true, address)
  for (const address of ['10.2.0.0', 'fd12:3457::1', '198.18.0.2', '::ffff:10.1.0.1', '127.0.0.1']) {
    assert.equal(allows(address), false, address)
  }
})

test('what the operator forbids is stronger than what is allowed', () => {
  const deniedCidrs = cidrs('1.2.3.0/24', '10.0.0.1', '2606::/16')
  const allows = guard({ allowPrivate: true, allowedCidrs: cidrs('0.0.0.0/0', '::/0'), deniedCidrs })
  for (const address of ['1.2.3.4', '10.0.0.1', '2606:4700::1']) assert.equal(allows(address), false, address)
  for (const address of ['1.2.4.4', '10.0.0.2', '2607::1']) assert.equal(allows(address), true, address)
})

test('NAT64, once allowed, leads where its IPv4 address may lead', () => {
  const allows = guard({ allowedCidrs: cidrs('64:ff9b::/96') })
  assert.equal(allows('64:ff9b::8.8.8.8'), true)
  for (const address of [
    '64:ff9b::127.0.0.1',
    '64:ff9b::a00:1',
    '64:ff9b::1',
    '64:ff9b::',
    '64:ff9b::a9fe:a9fe',
  ]) {
    assert.equal(allows(address), false, address)
  }
})

test('what is no address in plain notation is not allowed', () => {
  const allows = guard({ allowPrivate: true, allowedCidrs: cidrs('0.0.0.0/0', '::/0') })
  for (const text of [
    '',
    'example.com',
    '127.1',
    '0x7f000001',
    '2130706433',
    '0177.0.0.1',
    '[::1]',
    '1.2.3.4:80',
  ]) {
    assert.equal(allows(text), false, text)
  }
})

test('a block is an address with or without a number of bits', () => {
  assert.deepEqual(parseCidr('10.0.0.0/8'), { family: 'ipv4', address: '10.0.0.0', prefix: 8 })
  assert.deepEqual(parseCidr('fd00::1'), { family: 'ipv6', address: 'fd00::1', prefix: 128 })
  for (const text of [
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '::/129',
    '10.0.0.0/',
    'fe80::1%eth0',
    'a/8',
    '10.0.0.0/-1',
  ]) {
    assert.equal(parseCidr(text), undefined, text)
  }
  assert.throws(() => cidrs('10.0.0.0/8', '10.0.0.0/99'))
})
