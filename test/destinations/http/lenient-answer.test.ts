import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readLeniently } from '../../../src/destinations/http/lenient-answer.ts'

function read(text: string) {
  const answer = readLeniently(Buffer.from(text, 'latin1'))
  return answer && { ...answer, body: answer.body.toString() }
}

test('status, headers and body are read, names in lower case, values that came twice both', () => {
  assert.deepEqual(
    read(
      'HTTP/1.1  503\tBusy now\r\nRetry-After : 60\r\nX-A: one\r\n two\r\nx-a: three\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nokay',
    ),
    {
      status: 503,
      statusText: 'Busy now',
      headers: { 'retry-after': '60', 'x-a': ['one two', 'three'], 'content-length': ['2', '2'] },
      body: 'ok',
      isWhole: true,
    },
  )
})

test('a length by which an answer must not be used leaves none', () => {
  for (const length of ['2\r\nContent-Length: 3', '2, 3', '-2', '+2', '0x2', '', '2 2']) {
    assert.equal(read(`HTTP/1.1 200 OK\nContent-Length: ${length}\n\nok`), undefined, length)
  }
})

test('chunks count before a length, and are read as far as they came', () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n'
  assert.deepEqual(
    ['2 \r\nok\r\n3;x=y\n123\n0\r\n\r\n', '2\r\nok\r\nff\r\n123', '2\r\nok\r\nzz', ''].map(body => {
      const answer = read(head + body)
      return [answer?.body, answer?.isWhole]
    }),
    [
      ['ok123', true],
      ['ok123', false],
      ['ok', false],
      ['', false],
    ],
  )
})

test('without a length the body goes to the end of the connection, which is not waited for', () => {
  const answer = read('HTTP/1.0 200 OK\n\nso far')
  assert.deepEqual([answer?.body, answer?.isWhole], ['so far', false])
})

test('informational answers are passed over, and alone are none', () => {
  assert.equal(read('HTTP/1.1 100\n\nHTTP/1.1 102 X\r\n\r\nHTTP/1.1 204 Done\n\n')?.status, 204)
  for (const text of [
    'HTTP/1.1 100\n\n',
    'HTTP/1.1 103 Hints\r\nlink: x',
    'HTTP/1.1 101 Switching\r\n\r\n',
  ]) {
    assert.equal(read(text), undefined)
  }
})

test('of a head whose end is missing counts what came', () => {
  const answer = read('HTTP/1.1 200 OK\r\nx y: 1\r\nx-a: b')
  assert.deepEqual([answer?.status, answer?.headers, answer?.body], [200, { 'x-a': 'b' }, ''])
})

test('what is not HTTP/1 is no answer', () => {
  for (const text of [
    '',
    '\r\n',
    'HTTP/2 200 OK\r\n\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1 099 X\r\n\r\n',
    'ICY 200 OK\r\n\r\n',
    '220 mail ESMTP\r\n\r\n',
  ]) {
    assert.equal(read(text), undefined, text)
  }
})

test('headers named after a part of every object are headers like others', () => {
  assert.equal(
    JSON.stringify(read('HTTP/1.1 200 OK\n__proto__: x\nconstructor: y\n\n')?.headers),
    '{"__proto__":"x","constructor":"y"}',
  )
})
