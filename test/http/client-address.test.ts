import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientOf } from '../../src/http/client-address.ts'

test('an IPv4 address is one client, however it is written', () => {
  assert.equal(clientOf('192.0.2.7'), '192.0.2.7')
  assert.equal(clientOf('::ffff:192.0.2.7'), '192.0.2.7')
  assert.notEqual(clientOf('192.0.2.7'), clientOf('192.0.2.8'))
})

test('all addresses of one IPv6 network of 64 bits are one client', () => {
  assert.equal(clientOf('2001:db8:1:2:aaaa:bbbb:cccc:dddd'), '2001:db8:1:2')
  assert.equal(clientOf('2001:db8:1:2::1'), '2001:db8:1:2')
  assert.equal(clientOf('2001:DB8:1:2::'), '2001:db8:1:2')
  assert.equal(clientOf('2001:db8::1'), '2001:db8:0:0')
  assert.equal(clientOf('2001:db8::1:2:3:4:5'), '2001:db8:0:1')
  assert.equal(clientOf('::1'), '0:0:0:0')
  assert.equal(clientOf('fe80::1%eth0'), 'fe80:0:0:0')
  assert.notEqual(clientOf('2001:db8:1:2::1'), clientOf('2001:db8:1:3::1'))
})

test('a connection that is gone has no client of its own', () => {
  assert.equal(clientOf(undefined), '')
})
