import { AppError, type FieldError, validationFailed } from '../errors.ts'
import { readOnlyNames, type SubscriptionAnswer, type SubscriptionPatch } from './schema.ts'

/**
 * Checks the fields of a change that only the service sets: each must be as it is now. Ignored, they would pass for a
 * change that was made. The signing secret has a check of its own, since an answer can show it masked.
 *
 * @throws AppError version_conflict when another version is named: the body was made from what is there no more;
 *   validation_failed for the others
 */
export function checkReadOnly(given: SubscriptionPatch, present: SubscriptionAnswer): void {
  checkVersion(present.version, given.version)
  const errors: FieldError[] = []
  for (const name of readOnlyNames) {
    if (name === 'signing_secret' || given[name] === undefined || isSame(given[name], present[name])) continue
    const detail = `The service sets this field; it is ${JSON.stringify(present[name])} now. Leave it out, or send it as it is.`
    errors.push({ pointer: `/${name}`, detail })
  }
  if (errors.length > 0) throw validationFailed(errors)
}

/** @throws AppError version_conflict when a version is asked for, and it is not the present one */
export function checkVersion(present: number, wanted: number | undefined): void {
  if (wanted === undefined || wanted === present) return
  throw new AppError(
    'version_conflict',
    `The subscription is at version ${present} by now, not ${wanted}. Read it again, then change it.`,
  )
}

/** Some clients write a time in another form than they read it, so times are compared as moments. */
function isSame(given: unknown, present: unknown): boolean {
  if (given === present) return true
  if (typeof given !== 'string' || typeof present !== 'string') return false
  return /^\d{4}-\d\d-\d\d[Tt ]/.test(given) && Date.parse(given) === Date.parse(present)
}
