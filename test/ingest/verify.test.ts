import assert from 'node:assert/strict'
import { createHmac, createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import { isSignedWith, readSignature } from '../../src/ingest/verify.ts'
import vectors from '../support/vectors.json' with { type: 'json' }

const body = Buffer.from('{"data":{"foo":"bar"}}')
const secret = createSecretKey(Buffer.from('mysecret'))
const digest = 'cd6884936055b0458648640237fccbff5d2d6b6a6d7f298456f5bb1af12ef180'
const good = `sha256=${digest}`
const wrong = `sha256=${'0'.repeat(64)}`

function check(headers: Readonly<Record<string, string>>, bytes = body, key = secret): string {
  const given = readSignature(name => headers[name])
  if (typeof given === 'string') return given
  return isSignedWith(key, given, bytes) ? 'valid' : 'wrong'
}

test("the seed's example is valid in each of the three headers", () => {
  for (const name of ['x-hub-signature-256', 'x-hub-signature-25', 'signature']) {
    assert.equal(check({ [name]: good }), 'valid', name)
  }
})

test("GitHub's example is valid", () => {
  const { github } = vectors
  const [name = '', value = ''] = github.header.split(': ')
  const key = createSecretKey(Buffer.from(github.secret))
  assert.equal(check({ [name.toLowerCase()]: value }, Buffer.from(github.body), key), 'valid')
})

test('the digits may be written large, and spaces around do not count', () => {
  assert.equal(check({ signature: ` sha256=${digest.toUpperCase()} ` }), 'valid')
})

test('without a signature header it is missing', () => {
  assert.equal(check({}), 'missing')
  assert.equal(check({ 'x-hub-signature': good }), 'missing')
})

test('what is not sha256= and 64 hex digits is malformed', () => {
  const sha1 = createHmac('sha1', 'mysecret').update(body).digest('hex')
  const sha512 = createHmac('sha512', 'mysecret').update(body).digest('hex')
  for (const value of [
    '',
    digest,
    'sha256=',
    'sha256:deadbeef',
    'sha256=deadbeef',
    `sha256=${'g'.repeat(64)}`,
    `sha256=${digest}0`,
    `sha1=${sha1}`,
    `sha512=${sha512}`,
    `${good}, ${good}`,
    `x${good}`,
  ]) {
    assert.equal(check({ signature: value }), 'malformed', value)
  }
})

test('a signature of other bytes or with another secret is wrong', () => {
  assert.equal(check({ signature: wrong }), 'wrong')
  assert.equal(check({ signature: good }, Buffer.from('{"data": {"foo":"bar"}}')), 'wrong')
  assert.equal(check({ signature: good }, body, createSecretKey(Buffer.from('mysecret2'))), 'wrong')
})

test('the first header that is present decides, whatever stands in the others', () => {
  assert.equal(check({ 'x-hub-signature-256': wrong, signature: good }), 'wrong')
  assert.equal(check({ 'x-hub-signature-256': '', 'x-hub-signature-25': good }), 'malformed')
  assert.equal(check({ 'x-hub-signature-25': good, signature: wrong }), 'valid')
})

test('an empty body is signed like any other', () => {
  const empty = Buffer.alloc(0)
  const signature = `sha256=${createHmac('sha256', 'mysecret').update(empty).digest('hex')}`
  assert.equal(check({ signature }, empty), 'valid')
})
