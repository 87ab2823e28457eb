import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errors } from 'undici'
import { classify } from '../../../src/destinations/http/error-class.ts'
import { blocked, EgressError, proxyUnavailable } from '../../../src/egress/egress-error.ts'

function coded(code: string, message = 'it failed'): Error {
  return Object.assign(new Error(message), { code })
}

test('a code is sorted by what it means to someone who runs a receiver', () => {
  const table = {
    dns: ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL'],
    timeout: ['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'],
    connect: ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_SOCKET'],
    invalid: [
      'HPE_INVALID_CONSTANT',
      'HPE_HEADER_OVERFLOW',
      'UND_ERR_HEADERS_OVERFLOW',
      'UND_ERR_INVALID_ARG',
    ],
    tls: [
      'CERT_HAS_EXPIRED',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'ERR_SSL_WRONG_VERSION_NUMBER',
    ],
  }
  for (const [errorClass, codes] of Object.entries(table)) {
    for (const code of codes) assert.equal(classify(coded(code)).errorClass, errorClass, code)
  }
})

test('what OpenSSL says is read from its text, whatever code Node has for it', () => {
  const text = (reason: string) =>
    `40DD81F3697F0000:error:0A000415:SSL routines:ssl3_read_bytes:${reason}:../deps/openssl/ssl/rec_layer_s3.c:918:SSL alert number 45\n`
  for (const [code, reason, read] of [
    ['EPROTO', 'ssl/tls alert certificate expired', 'ERR_SSL_SSL_TLS_ALERT_CERTIFICATE_EXPIRED'],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'ssl/tls alert handshake failure', undefined],
    ['EPROTO', 'tlsv1 alert unknown ca', 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'wrong version number', 'ERR_SSL_WRONG_VERSION_NUMBER'],
  ] as const)
    assert.deepEqual(classify(coded(code, `write EPROTO ${text(reason)}`)), {
      ...{ fault: 'receiver', errorClass: 'tls', error: reason },
      errorCode: read ?? 'ERR_SSL_SSL_TLS_ALERT_HANDSHAKE_FAILURE',
    })
})

test('an answer that is not HTTP is invalid', () => {
  const message = 'Response does not match the HTTP/1.1 protocol'
  assert.deepEqual(classify(new errors.HTTPParserError(message)), {
    fault: 'receiver',
    errorClass: 'invalid',
    error: message,
  })
})

test('an informational answer that undici does not take is invalid, not a broken connection', () => {
  for (const message of ['bad response', 'bad upgrade']) {
    assert.deepEqual(classify(new errors.SocketError(message)), {
      fault: 'receiver',
      errorClass: 'invalid',
      error: 'answered 100 or 101, which was not asked for',
    })
  }
  assert.equal(classify(new errors.SocketError('other side closed')).errorClass, 'connect')
})

test('what is not known counts as a failure to connect', () => {
  for (const error of [coded('ESOMETHING'), new Error('no code'), 'a text', undefined, null, 7]) {
    assert.equal(classify(error).errorClass, 'connect')
  }
})

test('of several addresses that were tried, the first tells why', () => {
  const error = new AggregateError([
    coded('ECONNREFUSED', 'connect ECONNREFUSED ::1:80'),
    coded('ENETUNREACH'),
  ])
  assert.deepEqual(classify(error), {
    fault: 'receiver',
    errorClass: 'connect',
    errorCode: 'ECONNREFUSED',
    error: 'connect ECONNREFUSED ::1:80',
  })
})

test('an error without a message is told by its code', () => {
  assert.equal(classify(coded('ECONNRESET', '')).error, 'ECONNRESET')
})

test('the message is made fit for the log', () => {
  assert.equal(classify(new Error(`bad\u0000${'x'.repeat(300)}`)).error, `bad ${'x'.repeat(196)}`)
})

test('it says whose fault it was, which decides what is learnt of the receiver', () => {
  const table = {
    receiver: [
      coded('ECONNREFUSED'),
      coded('CERT_HAS_EXPIRED'),
      coded('ETIMEDOUT'),
      coded('HPE_HEADER_OVERFLOW'),
    ],
    name: [coded('ENOTFOUND'), new EgressError('dns', 'ETIMEOUT', 'no answer')],
    rules: [blocked('the address of this host is not allowed')],
    proxy: [
      new EgressError('proxy', 'PROXY_REFUSED', 'the egress proxy answered 502'),
      new EgressError('proxy', 'PROXY_TIMEOUT', 'no connection through the egress proxy within 5 ms'),
    ],
    ours: [new EgressError('proxy', proxyUnavailable, 'the egress proxy cannot be reached')],
  }
  for (const [fault, failures] of Object.entries(table)) {
    for (const error of failures) assert.equal(classify(error).fault, fault, error.message)
  }
})
