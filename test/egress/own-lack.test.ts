import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyUnavailable } from '../../src/egress/egress-error.ts'
import {
  adviceOnLack,
  isHeldByConnections,
  isOwnLack,
  nameServersRefuse,
  ownLackIn,
} from '../../src/egress/own-lack.ts'

function coded(code: string, address?: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code, ...(address && { address }) })
}

test('what the system has no more of is our own lack, and what a receiver does is not', () => {
  for (const code of ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ENETDOWN']) {
    assert.equal(ownLackIn(coded(code)), code)
  }
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE']) {
    assert.equal(ownLackIn(coded(code)), undefined, code)
  }
  for (const error of [undefined, null, 'EMFILE', new Error('no code')])
    assert.equal(ownLackIn(error), undefined)
})

test('no local port for an IPv4 address is a lack; for IPv6 it says that this machine has no such address', () => {
  assert.equal(ownLackIn(coded('EADDRNOTAVAIL', '203.0.113.7')), 'EADDRNOTAVAIL')
  assert.equal(ownLackIn(coded('EADDRNOTAVAIL', '2001:db8::7')), undefined)
})

test('of several addresses one that could not be tried is enough', () => {
  const tried = new AggregateError([coded('ECONNREFUSED', '203.0.113.7'), coded('EMFILE', '203.0.113.8')])
  assert.equal(ownLackIn(tried), 'EMFILE')
  assert.equal(ownLackIn(new AggregateError([coded('ECONNREFUSED'), coded('ETIMEDOUT')])), undefined)
})

test('each lack has advice, and closing connections helps with what they hold', () => {
  for (const code of [
    'EMFILE',
    'ENFILE',
    'EADDRNOTAVAIL',
    'ENOBUFS',
    'ENOMEM',
    nameServersRefuse,
    proxyUnavailable,
  ]) {
    assert.ok(isOwnLack(code), code)
    assert.match(adviceOnLack(code), /[A-Z][a-z]+ /, code)
  }
  assert.match(adviceOnLack('EMFILE'), /ulimit -n/)
  assert.deepEqual(
    ['EMFILE', 'EADDRNOTAVAIL', proxyUnavailable, nameServersRefuse].map(isHeldByConnections),
    [true, true, false, false],
  )
})
