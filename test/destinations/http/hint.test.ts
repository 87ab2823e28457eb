import assert from 'node:assert/strict'
import { test } from 'node:test'
import { httpHint as hint } from '../../../src/destinations/http/hint.ts'
import type { ErrorClass } from '../../../src/model/outcome.ts'

const noAnswer = (errorClass: ErrorClass, errorCode: string | null = null) =>
  hint({ errorClass, errorCode, httpStatus: null })

const answered = (httpStatus: number) => hint({ errorClass: 'http', errorCode: null, httpStatus })

test('a known code says what to do about it', () => {
  const table: readonly (readonly [ErrorClass, string, RegExp])[] = [
    ['dns', 'ENOTFOUND', /^The host name does not exist\. Check the target_url\.$/],
    ['dns', 'ENODATA', /no address/],
    ['dns', 'EAI_AGAIN', /name servers/],
    ['dns', 'ESERVFAIL', /name servers/],
    ['dns', 'ETIMEOUT', /name servers/],
    ['proxy', 'PROXY_UNAVAILABLE', /receiver is not at fault/],
    ['connect', 'ECONNREFUSED', /Nothing accepts connections/],
    ['connect', 'ECONNRESET', /closed the connection without an answer/],
    ['connect', 'UND_ERR_SOCKET', /closed the connection without an answer/],
    ['connect', 'EHOSTUNREACH', /No route/],
    ['timeout', 'UND_ERR_CONNECT_TIMEOUT', /did not accept a connection in time/],
    ['tls', 'CERT_HAS_EXPIRED', /^The certificate has expired\. Renew it/],
    ['tls', 'CERT_NOT_YET_VALID', /not valid yet/],
    ['tls', 'ERR_TLS_CERT_ALTNAME_INVALID', /another host name/],
    ['tls', 'DEPTH_ZERO_SELF_SIGNED_CERT', /self-signed/],
    ['tls', 'SELF_SIGNED_CERT_IN_CHAIN', /self-signed/],
    ['tls', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', /intermediate certificates/],
    ['tls', 'ERR_SSL_WRONG_VERSION_NUMBER', /does not speak TLS/],
    ['tls', 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', /TLS 1\.2/],
    ['tls', 'ERR_SSL_SSL_TLS_ALERT_HANDSHAKE_FAILURE', /wants a client certificate/],
    ['tls', 'ERR_SSL_SSL_TLS_ALERT_CERTIFICATE_EXPIRED', /our client certificate has ended/],
    ['invalid', 'UND_ERR_HEADERS_OVERFLOW', /16 KiB/],
    ['credentials', 'TOKEN_REFUSED', /Check client_id/],
    ['credentials', 'TOKEN_FAILED', /trouble of its own/],
    ['credentials', 'TOKEN_MOVED', /redirects are not followed/],
  ]
  for (const [errorClass, code, words] of table) assert.match(noAnswer(errorClass, code), words, code)
})

test('each class has words of its own, also when the code is not known', () => {
  const classes: readonly (readonly [ErrorClass, RegExp])[] = [
    ['dns', /resolved/],
    ['connect', /No connection/],
    ['tls', /secure connection/],
    ['timeout', /Answer with 2xx at once/],
    ['invalid', /not valid HTTP/],
    ['blocked', /may go to/],
    ['proxy', /proxy/],
  ]
  for (const [errorClass, words] of classes) {
    assert.match(noAnswer(errorClass), words)
    assert.equal(noAnswer(errorClass, 'SOMETHING_NEW'), noAnswer(errorClass))
  }
})

test('each status says what to do about it', () => {
  const table: readonly (readonly [number, RegExp])[] = [
    [301, /Point target_url at the Location/],
    [302, /Point target_url at the Location/],
    [308, /Point target_url at the Location/],
    [304, /2xx/],
    [400, /did not understand/],
    [401, /credentials/],
    [403, /firewall/],
    [404, /Nothing is at this path/],
    [405, /POST/],
    [410, /gone for good.*\/resume/],
    [413, /larger than the receiver takes/],
    [415, /content type/],
    [418, /refuses the request/],
    [422, /content/],
    [429, /rate limit/],
    [500, /failed while it handled the event/],
    [502, /proxy/],
    [503, /not available/],
    [504, /in time/],
    [599, /failed/],
  ]
  for (const [status, words] of table) assert.match(answered(status), words, String(status))
})

test('whatever happened, the hint is whole sentences of a length that is read', () => {
  for (let status = 300; status < 1000; status++) {
    assert.match(answered(status), /^[A-Z].{20,190}\.$/s, String(status))
  }
})
