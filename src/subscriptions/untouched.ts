import type { FieldError } from '../errors.ts'

/**
 * What is wrong with a body that a merge patch has made, but for what the patch leaves as it is: an earlier version has taken
 * that, and it is no fault of this request.
 *
 * @param errors of the body
 * @param before those of the body that an empty patch makes
 */
export function faultsOfPatch(
  patch: object,
  errors: readonly FieldError[],
  before: readonly FieldError[],
): readonly FieldError[] {
  const isOld = ({ pointer, detail }: FieldError) =>
    before.some(old => old.pointer === pointer && old.detail === detail)
  return errors.filter(error => isTouched(patch, error.pointer) || !isOld(error))
}

/** Whether a merge patch has a value at this place, or one for something that it is in or that is in it. */
function isTouched(patch: object, pointer: string): boolean {
  let value: unknown = patch
  for (const part of pointer.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return true
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (!Object.hasOwn(value, name)) return false
    value = Reflect.get(value, name)
  }
  return true
}
