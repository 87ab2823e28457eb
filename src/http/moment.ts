import { validationFailed } from '../errors.ts'

const form = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)$/

/**
 * A moment to come, in Unix milliseconds.
 *
 * @param pointer of the field
 * @throws AppError validation_failed for what is no time as RFC 3339 has it, or is over
 */
export function parseFuture(text: string, pointer: string, now: number): number {
  const moment = form.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(moment))
    throw validationFailed([
      { pointer, detail: 'Give a time as RFC 3339 has it, with its zone, such as 2027-01-31T12:00:00Z.' },
    ])
  if (moment <= now)
    throw validationFailed([
      { pointer, detail: `This time is over: it is ${new Date(now).toISOString()} now.` },
    ])
  return moment
}
