import type { IncomingHttpHeaders } from 'node:http'

/**
 * Where a request is in a trace, as the header `traceparent` has it (W3C Trace Context): version, trace id, span id, flags.
 * Of version 00, whatever version it came in.
 */
export type Traceparent = string

/** The id of the trace, by which log lines are found; undefined: there is none. */
export function traceIdOf(traceparent: Traceparent | null | undefined): string | undefined {
  return traceparent ? traceparent.slice(3, 35) : undefined
}

const pattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?=$|-)/

/** @returns undefined where a request says nothing of a trace, or something that is not valid: then it begins none */
export function readTraceparent(headers: IncomingHttpHeaders): Traceparent | undefined {
  const { traceparent } = headers
  if (typeof traceparent !== 'string') return undefined
  const [, traceId, spanId, flags] = pattern.exec(traceparent.trim()) ?? []
  if (flags === undefined || (traceparent.startsWith('00') && traceparent.trim().length !== 55))
    return undefined
  // Of the flags of later versions nothing is known but the first.
  return `00-${traceId}-${spanId}-0${Number.parseInt(flags, 16) & 1}`
}
