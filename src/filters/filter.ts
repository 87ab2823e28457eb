import type { FieldError } from '../errors.ts'
import type { Conditions } from './condition.ts'
import type { FilterInput } from './event-fields.ts'
import { parseFilter } from './parse-filter.ts'

/** A filter that was checked and compiled. */
export interface Filter {
  /** Never throws. The payload is asked for only when what was tested before has not decided. */
  matches(input: FilterInput): boolean
  /** For `explainFilter`. */
  readonly conditions: Conditions
}

export type CompiledFilter =
  | { readonly kind: 'filter'; readonly filter: Filter }
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] }

/**
 * Compiles a filter, a value of JSON. docs/guides/filtering.md says what it can hold and what each operator means.
 *
 * @param pointer where it stands in the body, such as `/filter`; the pointers of its errors begin with it
 * @param from a `caller` may not ask for headers with credentials; to one that is stored they are not there
 */
export function compileFilter(
  value: unknown,
  pointer = '',
  from: 'caller' | 'store' = 'store',
): CompiledFilter {
  const parsed = parseFilter(value, from)
  if (parsed.kind === 'invalid') {
    const errors = parsed.errors.map(error => ({ ...error, pointer: pointer + error.pointer }))
    return { kind: 'invalid', errors }
  }
  const { conditions } = parsed
  return { kind: 'filter', filter: { matches: conditions.holds, conditions } }
}
