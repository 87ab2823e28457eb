import { AppError, type FieldError } from './errors.ts'

/** The error for fields that did not pass: a single one is told in the summary, several are counted and listed. */
export function validationFailed(errors: readonly FieldError[]): AppError {
  const [first] = errors
  const detail =
    errors.length === 1 && first !== undefined
      ? `${first.pointer === '' ? 'The body' : first.pointer}: ${first.detail}`
      : `${errors.length} fields did not pass; see errors.`
  return new AppError('validation_failed', detail, { errors })
}
