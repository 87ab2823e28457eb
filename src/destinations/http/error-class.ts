import { errors } from 'undici'
import { EgressError } from '../../egress/egress-error.ts'
import { ownLackIn } from '../../egress/own-lack.ts'
import { type ErrorClass, errorText, type Fault } from '../../model/outcome.ts'

/** More of them came than is read of an answer. */
export const headersTooLarge = 'UND_ERR_HEADERS_OVERFLOW'

/** Codes of Node and undici, by what they mean to someone who runs a receiver. */
const classOfCode: Readonly<Record<string, ErrorClass>> = {
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
  EAI_NODATA: 'dns',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  ETIMEDOUT: 'timeout',
  ECONNREFUSED: 'connect',
  ECONNRESET: 'connect',
  EPIPE: 'connect',
  EHOSTUNREACH: 'connect',
  ENETUNREACH: 'connect',
  EADDRNOTAVAIL: 'connect',
  UND_ERR_SOCKET: 'connect',
  [headersTooLarge]: 'invalid',
  UND_ERR_INVALID_ARG: 'invalid',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'invalid',
}

/** Why a request got no answer. */
export interface NoAnswer {
  readonly fault: Fault
  readonly errorClass: ErrorClass
  /** As Node or undici name it, when they do. */
  readonly errorCode?: string
  /** For the log: 200 characters at most. */
  readonly error: string
}

/** Sorts the error of a request that got no answer into a class, and says whose fault it is. */
export function classify(error: unknown): NoAnswer {
  const lack = ownLackIn(error)
  const { code, message } = describe(error, lack)
  const errorClass = error instanceof EgressError ? error.errorClass : classOf(code)
  const fault = lack === undefined ? faultOf(errorClass) : 'ours'
  const failure = { fault, errorClass, error: errorText(message) }
  return /^[A-Z][A-Z0-9_]{1,62}[A-Z0-9]$/.test(code) ? { ...failure, errorCode: code } : failure
}

function faultOf(errorClass: ErrorClass): Fault {
  switch (errorClass) {
    case 'dns':
      return 'name'
    case 'blocked':
      return 'rules'
    case 'proxy':
      return 'proxy'
    case 'credentials':
      return 'credentials'
    case 'connect':
    case 'tls':
    case 'timeout':
    case 'http':
    case 'invalid':
      return 'receiver'
  }
}

function classOf(code: string): ErrorClass {
  const known = classOfCode[code]
  if (known) return known
  if (code.startsWith('HPE_')) return 'invalid'
  if (
    code.startsWith('ERR_TLS') ||
    code.startsWith('ERR_SSL') ||
    code.startsWith('ERR_OSSL') ||
    /CERT|SIGNATURE|ISSUER/.test(code)
  )
    return 'tls'
  return 'connect'
}

/**
 * What OpenSSL says in words, of a text like `write EPROTO 40DD:error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown
 * ca:…`. While the connection is begun, Node gives it no other code than EPROTO, which may be anything.
 */
const openSslReason = /:error:[0-9A-F]{8}:[^:]*:[^:]*:([^:]{1,100})/

/** As Node names it where it does. */
function codeOfReason(reason: string): string {
  return `ERR_SSL_${reason.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}`
}

/** @param lack the code of one of several errors that tells more than the first */
function describe(
  error: unknown,
  lack: string | undefined,
): { readonly code: string; readonly message: string } {
  // Happy eyeballs reports one error per address tried; one tells enough.
  const tried: readonly unknown[] = error instanceof AggregateError ? error.errors : []
  const lacking = lack === undefined ? undefined : tried.find(each => ownLackIn(each) === lack)
  const one = lacking ?? tried[0] ?? error
  if (!(one instanceof Error)) return { code: '', message: String(one) }
  // llhttp: what came back is not HTTP. undici loses the code that it means to set, so its class has to tell.
  if (one instanceof errors.HTTPParserError) return { code: 'HPE_', message: one.message }
  if (one instanceof errors.SocketError && /^bad (response|upgrade)$/.test(one.message)) {
    // undici ends the connection at a 101 that it has not asked for; it has been answered, not cut off. At a 100, too,
    // but hardly one gets there (unasked-continue.ts).
    return { code: 'HPE_', message: 'answered 100 or 101, which was not asked for' }
  }
  const reason = openSslReason.exec(one.message)?.[1]
  if (reason !== undefined) return { code: codeOfReason(reason), message: reason }
  const code = 'code' in one && typeof one.code === 'string' ? one.code : ''
  // undici holds for impossible that a status is below 100; its parser lets it pass.
  if (code === 'ERR_ASSERTION') return { code: 'HPE_', message: 'answered with a status that is none' }
  // The address a name has led to may be one of the operator's own network; its owner is told what happened there.
  if ('address' in one && 'syscall' in one) return { code, message: `${one.syscall} ${code}` }
  return { code, message: one.message === '' ? code : one.message }
}
