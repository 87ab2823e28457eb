import type { ErrorClass, Fault, Outcome } from '../../src/model/outcome.ts'

// Outcomes as destinations give them, for tests of what follows from them.

type OutcomeOf<K extends Outcome['kind']> = Extract<Outcome, { readonly kind: K }>

export const accepted: Outcome = { kind: 'accepted', httpStatus: 200, durationMs: 1 }

const failure = { httpStatus: 500, errorClass: 'http', error: 'it broke', durationMs: 1 } as const

export function refused(changes: Partial<OutcomeOf<'refused'>> = {}): OutcomeOf<'refused'> {
  return { kind: 'refused', isFinal: false, ...failure, ...changes }
}

export function overloaded(changes: Partial<OutcomeOf<'overloaded'>> = {}): OutcomeOf<'overloaded'> {
  return { kind: 'overloaded', isFinal: false, ...failure, httpStatus: 503, ...changes }
}

export const gone: OutcomeOf<'gone'> = { kind: 'gone', reason: 'it is gone', ...failure, httpStatus: 410 }

export function unreachable(
  errorClass: ErrorClass = 'connect',
  fault: Fault = 'receiver',
): OutcomeOf<'unreachable'> {
  return { kind: 'unreachable', fault, errorClass, error: 'ECONNREFUSED', durationMs: 1 }
}
