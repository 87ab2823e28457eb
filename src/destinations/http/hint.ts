import type { ErrorClass } from '../../model/outcome.ts'
import type { FailedAttempt, Hint } from '../destination.ts'

/** What the owner of an HTTP receiver can do about a failed attempt, in plain words. */
export const httpHint: Hint = ({ errorClass, errorCode, httpStatus }: FailedAttempt): string => {
  switch (errorClass) {
    case 'http':
      return hintOfStatus(httpStatus ?? 0)
    case 'dns':
    case 'connect':
    case 'tls':
    case 'timeout':
    case 'invalid':
    case 'blocked':
    case 'proxy':
    case 'credentials':
      return hintOfCode[errorCode ?? ''] ?? hintOfClass[errorClass]
  }
}

const hintOfClass: Readonly<Record<Exclude<ErrorClass, 'http'>, string>> = {
  dns: 'The host name could not be resolved. Check the target_url and the DNS records of the host.',
  connect:
    'No connection could be made, or it broke before an answer. Check that the receiver runs and can be reached.',
  tls: 'No secure connection could be made. Check the certificate of the receiver and its TLS settings.',
  timeout:
    'No complete answer came in time. Answer with 2xx at once and do the work afterwards, or set a longer timeout_ms.',
  invalid:
    'What came back is not valid HTTP/1.1. Check that target_url names an HTTP server, with the right scheme and port.',
  blocked:
    'The address is not one that deliveries may go to, such as a private one. Use a public address, or ask the operator to allow this one.',
  proxy: 'The proxy of this service did not let the request through. Ask the operator.',
  credentials:
    'No access token could be got, so the receiver was not asked. Check token_url and the client in auth of the subscription.',
}

const silentNameServers = 'The name servers of the host did not answer. If it goes on, check its DNS.'
const refusedConnection =
  'Nothing accepts connections at this host and port. Start the receiver, or check host and port of the target_url.'
const brokenConnection =
  'The receiver closed the connection without an answer. Look for a crash or a limit in its log, or in that of a proxy before it; where it wants a client certificate, check that in auth of the subscription.'
const unreachable = 'No route leads to the host. Check its address, its network and its firewall.'
const noConnection =
  'The host did not accept a connection in time. Check that it is up, and that a firewall lets this service in.'
const unknownIssuer =
  'The certificate is not from an authority that is known here. Use one from a public authority, and send the intermediate certificates with it; or name its authority as ca in auth of the subscription.'
const selfSigned =
  'The certificate is self-signed, or its authority is not one that is believed. Name it as ca in auth of the subscription, or use a certificate from a public authority.'
const notTls = 'The port does not speak TLS. Use http:// in the target_url, or the port of the secure server.'
const oldTls = 'The receiver offers only old versions of TLS. Enable TLS 1.2 or newer on it.'

const clientCertificate =
  'The receiver wants a client certificate, or none like the one it got. Set certificate and key in auth of the subscription.'

const hintOfCode: Readonly<Record<string, string>> = {
  ENOTFOUND: 'The host name does not exist. Check the target_url.',
  ENODATA: 'The host name has no address. Check the target_url, or give the host an A or AAAA record.',
  EAI_AGAIN: silentNameServers,
  ESERVFAIL: silentNameServers,
  ETIMEOUT: silentNameServers,
  ECONNREFUSED: refusedConnection,
  ECONNRESET: brokenConnection,
  EPIPE: brokenConnection,
  UND_ERR_SOCKET: brokenConnection,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ETIMEDOUT: noConnection,
  UND_ERR_CONNECT_TIMEOUT: noConnection,
  CERT_HAS_EXPIRED: 'The certificate has expired. Renew it on the receiver.',
  CERT_NOT_YET_VALID: 'The certificate is not valid yet. Check its dates, and the clock of the receiver.',
  CERT_REVOKED: 'The certificate was revoked. Install a new one on the receiver.',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'The certificate is for another host name. Install one that names the host of the target_url.',
  DEPTH_ZERO_SELF_SIGNED_CERT: selfSigned,
  SELF_SIGNED_CERT_IN_CHAIN: selfSigned,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownIssuer,
  EPROTO: notTls,
  ERR_SSL_WRONG_VERSION_NUMBER: notTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: notTls,
  ERR_SSL_UNSUPPORTED_PROTOCOL: oldTls,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: oldTls,
  PROXY_UNAVAILABLE:
    'The proxy of this service cannot be reached. Ask the operator; the receiver is not at fault, and no attempt is spent.',
  PROXY_TIMEOUT:
    'The proxy of this service did not connect in time. Check that the receiver is up and lets the proxy in; else ask the operator.',
  TOKEN_REFUSED:
    'The token endpoint gave no access token, so the receiver was not asked. Check client_id, client_secret and scope in auth of the subscription.',
  TOKEN_FAILED:
    'The token endpoint has a trouble of its own, so the receiver was not asked. It is asked again with the next attempt; if that lasts, ask whoever runs it.',
  TOKEN_MOVED:
    'The token endpoint sends elsewhere, and redirects are not followed, so the receiver was not asked. Set token_url in auth of the subscription to the address that it names.',
  TOKEN_UNREACHABLE:
    'The token endpoint cannot be reached, so the receiver was not asked. Check token_url in auth of the subscription, and whether its server runs.',
  TOKEN_BLOCKED:
    'The token endpoint is at an address that this service may not connect to. Use a public one, or ask the operator to allow it.',
  TOKEN_TIMEOUT:
    'The token endpoint did not answer in time, so the receiver was not asked. Check whether its server is slow.',
  TOKEN_INVALID:
    'What the token endpoint answered holds no access token of the type Bearer. Check token_url in auth of the subscription.',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: clientCertificate,
  // OpenSSL has said "sslv3" where it says "ssl/tls" now.
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: clientCertificate,
  ERR_SSL_SSL_TLS_ALERT_HANDSHAKE_FAILURE: clientCertificate,
  ERR_SSL_SSL_TLS_ALERT_BAD_CERTIFICATE: clientCertificate,
  ERR_SSL_SSL_TLS_ALERT_CERTIFICATE_UNKNOWN: clientCertificate,
  ERR_SSL_SSL_TLS_ALERT_UNSUPPORTED_CERTIFICATE: clientCertificate,
  ERR_SSL_SSL_TLS_ALERT_CERTIFICATE_REVOKED: clientCertificate,
  ERR_SSL_SSL_TLS_ALERT_CERTIFICATE_EXPIRED:
    'The receiver says that our client certificate has ended. Set one that is valid in auth of the subscription.',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA:
    'The receiver does not know the authority of our client certificate. Give it the authority, or set another certificate in auth.',
  UND_ERR_HEADERS_OVERFLOW: 'The headers of the answer are larger than 16 KiB. Send fewer or shorter ones.',
}

const hintOfKnownStatus: Readonly<Record<number, string>> = {
  304: 'A delivery is never cached. Answer it with 2xx.',
  400: 'The receiver did not understand the request. What it said is in the body of its answer.',
  401: 'The receiver asks for credentials. Check how it verifies the signature and which secret it uses, or add the header it wants.',
  403: 'The receiver refuses the request. Check its signature check, its firewall, and protection against bots or forgery (CSRF) before it.',
  404: 'Nothing is at this path. Check the target_url.',
  405: 'The path does not take POST. Check the target_url, and that the route is one for POST.',
  408: 'The receiver gave up waiting for the request. Check its limits of time, and those of a proxy before it.',
  410: 'The receiver says that it is gone for good, so its subscription is disabled. Once it is back, call POST /subscriptions/{id}/resume; to change target_url alone does not end this.',
  411: 'The receiver wants a Content-Length, and was sent one; look for what removes it on the way.',
  413: 'The event is larger than the receiver takes. Raise the limit of its body size, or that of a proxy before it.',
  415: 'The receiver does not take this content type. Let it accept that of the event.',
  421: 'The server is not responsible for this host name. Check the target_url, and its virtual hosts.',
  422: 'The receiver understood the event and refused its content. What it said is in the body of its answer.',
  425: 'The receiver does not take the event yet. It is tried again later.',
  429: 'The receiver is sent more than it takes. Set a rate limit on the subscription, or raise that of the receiver.',
  500: 'The receiver failed while it handled the event. Look in its log.',
  501: 'The receiver does not take POST at all. Check the target_url.',
  502: 'A proxy before the receiver got no valid answer from it. Look whether the receiver runs.',
  503: 'The receiver is not available now. Look whether it is overloaded, or down for maintenance.',
  504: 'A proxy before the receiver got no answer from it in time. Answer at once and do the work afterwards.',
}

function hintOfStatus(status: number): string {
  const known = hintOfKnownStatus[status]
  if (known !== undefined) return known
  if (status < 400) return 'Redirects are not followed. Point target_url at the Location of the answer.'
  if (status < 500) return 'The receiver refuses the request. What it said is in the body of its answer.'
  return 'The receiver, or a proxy before it, failed. Look in its log.'
}
