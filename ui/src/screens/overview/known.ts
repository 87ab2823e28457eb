import type { QueryObserverResult } from '@tanstack/react-query'

/** What was last known, and of whom. */
export interface Known<Value> {
  readonly tenant: string | undefined
  readonly value: Value
}

/** Those that have not answered yet. What one keeps from before is an answer for others. */
export function notAnswered<Read extends Pick<QueryObserverResult, 'data' | 'isPlaceholderData'>>(
  reads: readonly Read[],
): readonly Read[] {
  return reads.filter(({ data, isPlaceholderData }) => data === undefined || isPlaceholderData)
}

/** What was known stays while more is asked for, unless it is of another tenant. @param value undefined: not known yet */
export function knownOf<Value>(
  before: Known<Value> | undefined,
  tenant: string | undefined,
  value: Value | undefined,
): Known<Value> | undefined {
  if (value !== undefined) return { tenant, value }
  return before?.tenant === tenant ? before : undefined
}
