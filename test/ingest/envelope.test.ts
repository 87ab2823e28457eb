import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { readEnvelope } from '../../src/ingest/envelope.ts'

const json = Buffer.from('{ "b" : 1, "a":  [ 1.0 ] }')

function codeOf(headers: IncomingHttpHeaders, payload: Buffer): string {
  try {
    readEnvelope(headers, payload)
    return 'accepted'
  } catch (error) {
    assert.ok(error instanceof AppError)
    return error.code
  }
}

test('the bytes and the content type are kept as they came', () => {
  const type = 'Application/JSON; charset=UTF-8'
  const content = readEnvelope({ 'content-type': type, 'x-event-type': ' order.created ' }, json)
  assert.equal(content.payload, json)
  assert.equal(content.contentType, type)
  assert.equal(content.eventType, 'order.created')
})

test('without a content type the body is bytes, and without an event type there is none', () => {
  const payload = Buffer.from([0, 255])
  assert.deepEqual(readEnvelope({}, payload), {
    contentType: 'application/octet-stream',
    contentEncoding: null,
    eventType: null,
    payload,
    hops: 0,
  })
  assert.equal(readEnvelope({ 'x-event-type': '  ' }, payload).eventType, null)
})

test('what is declared to be JSON must be JSON', () => {
  const declared = [
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/ld+json',
  ]
  for (const type of declared) {
    const headers = { 'content-type': type }
    assert.equal(codeOf(headers, json), 'accepted', type)
    assert.equal(codeOf(headers, Buffer.from('null')), 'accepted', type)
    for (const text of ['{', '{"a":1,}', "{'a':1}", 'NaN', '\ufeff{', '\ufeff\ufeff{}']) {
      assert.equal(codeOf(headers, Buffer.from(text)), 'malformed_json', `${type} ${text}`)
    }
    assert.equal(codeOf(headers, Buffer.from([0x22, 0xc3, 0x22])), 'malformed_json', 'not UTF-8')
  }
})

test('what a sender cannot change and a receiver can read passes as JSON', () => {
  const utf16 = Buffer.from('\ufeff{"a":1}', 'utf16le')
  for (const [what, type, body] of [
    ['a byte order mark', 'application/json', Buffer.from('\ufeff{"a":1}')],
    ['no bytes', 'application/json', Buffer.alloc(0)],
    ['only space', 'application/json', Buffer.from('\r\n')],
    ['only a byte order mark', 'application/json', Buffer.from('\ufeff')],
    ['Latin-1 that says so', 'application/json; charset=iso-8859-1', Buffer.from('"gr\xf6sser"', 'latin1')],
    ['UTF-16 that says so', 'application/json;charset="utf-16"', utf16.subarray(2)],
    ['UTF-16 with its mark', 'application/json', utf16],
    ['UTF-16 with its mark, high byte first', 'application/json', Buffer.from(utf16).swap16()],
  ] as const) {
    const content = readEnvelope({ 'content-type': type }, body)
    assert.equal(content.payload, body, what)
    assert.equal(content.contentType, type, what)
  }
  for (const charset of ['utf-8', 'UTF8', '"utf-8"', 'us-ascii']) {
    const headers = { 'content-type': `application/json; x=y; Charset=${charset}` }
    assert.equal(codeOf(headers, Buffer.from('{')), 'malformed_json', charset)
  }
})

test('a coding is kept, and what it hides is not checked', () => {
  const gzip = { 'content-type': 'application/json', 'content-encoding': ' gzip ' }
  const content = readEnvelope(gzip, Buffer.from([0x1f, 0x8b]))
  assert.equal(content.contentEncoding, 'gzip')
  for (const coding of ['br', 'gzip, br', 'x-own', 'UTF-8']) {
    assert.equal(readEnvelope({ ...gzip, 'content-encoding': coding }, json).contentEncoding, coding)
  }
  assert.equal(codeOf({ ...gzip, 'content-encoding': 'Identity' }, Buffer.from('{')), 'malformed_json')
  assert.equal(readEnvelope({ 'content-encoding': '  ' }, json).contentEncoding, null)
  for (const coding of ['gzíp', 'x'.repeat(129)]) {
    assert.equal(codeOf({ 'content-encoding': coding }, json), 'validation_failed', coding)
  }
})

test('what is declared to be something else may be anything', () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', '']) {
    assert.equal(codeOf({ 'content-type': type }, Buffer.from('{')), 'accepted', type)
  }
})

test('an event type is at most 128 visible ASCII characters', () => {
  const longest = 'x'.repeat(128)
  assert.equal(readEnvelope({ 'x-event-type': longest }, json).eventType, longest)
  for (const type of [`${longest}x`, 'two words', 'größe', 'tab\there', '\u0001']) {
    assert.equal(codeOf({ 'x-event-type': type }, json), 'validation_failed', type)
  }
})

test('a content type is at most 256 characters', () => {
  assert.equal(codeOf({ 'content-type': `text/${'x'.repeat(251)}` }, json), 'accepted')
  assert.equal(codeOf({ 'content-type': `text/${'x'.repeat(252)}` }, json), 'validation_failed')
})
