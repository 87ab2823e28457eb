import { type FieldError, jsonPointer } from '../errors.ts'
import { textsByName, textsByNameSentence } from '../http/texts-by-name.ts'
import { fieldNameFault, fieldNamePattern, headerNameCharsMax } from './header-names.ts'
import { secretMask } from './signing-secret.ts'

export const headerLimits = { count: 32, valueChars: 4096, bytesInAll: 8192 } as const

/** Visible ASCII, with spaces only between. */
const headerValuePattern = '^[\\x21-\\x7e]([\\x20-\\x7e]*[\\x21-\\x7e])?$'
const headerValue = new RegExp(headerValuePattern)

/** The schema of custom headers as sent; in a patch a value may be null. */
export const headersInput = (valueTypes: readonly string[]) =>
  textsByName(
    valueTypes,
    {
      names: headerLimits.count,
      name: { pattern: fieldNamePattern, maxLength: headerNameCharsMax },
      valueChars: headerLimits.valueChars,
      value: { minLength: 1, pattern: headerValuePattern },
    },
    'Sent with every delivery, such as `{"Authorization": "Bearer …"}`. Values are stored encrypted and shown masked as ' +
      `${secretMask}; a masked value sent back keeps the one there is. At most ${headerLimits.count} names and ` +
      `${headerLimits.bytesInAll} bytes in all; names that the service sets itself are refused.`,
  )

/**
 * Whether a custom header must not be sent, because the service sets one of this name itself.
 *
 * @param used by the rules of the subscription (`usedHeaders`)
 */
export function isReserved(name: string, used: ReadonlyMap<string, string>): boolean {
  const lower = name.toLowerCase()
  return lower.startsWith('webhook-') || fieldNameFault(name) !== undefined || used.has(lower)
}

/** Everything that is wrong with custom headers, except masked values without a value before them. */
export function headerFaults(
  headers: Readonly<Record<string, string>>,
  used: ReadonlyMap<string, string>,
): readonly FieldError[] {
  const entries = Object.entries(headers)
  if (entries.length > headerLimits.count)
    return [{ pointer: '/headers', detail: textsByNameSentence(headerLimits.count) }]
  const seen = new Set<string>()
  const errors = entries.flatMap(([name, value]) => {
    const pointer = headerPointer(name)
    const twice = seen.has(name.toLowerCase())
    seen.add(name.toLowerCase())
    const detail = twice
      ? 'Give each header once; upper and lower case are the same.'
      : headerNameFault(name, used)
    return [detail ?? valueFault(value)].flatMap(fault =>
      fault === undefined ? [] : [{ pointer, detail: fault }],
    )
  })
  return errors
}

/** Why a subscription may not have a header of this name of its own. */
export function headerNameFault(name: string, used: ReadonlyMap<string, string>): string | undefined {
  const fault = fieldNameFault(name)
  if (fault !== undefined || !isReserved(name, used)) return fault
  const to = used.get(name.toLowerCase()) ?? 'the signature'
  return `The header ${name} belongs to ${to}. Give another one.`
}

function valueFault(value: string): string | undefined {
  if (value.length > headerLimits.valueChars)
    return `Give a text of at most ${headerLimits.valueChars} characters.`
  if (headerValue.test(value)) return undefined
  return 'Give visible ASCII characters, with spaces only between them.'
}

export function headerPointer(name: string): string {
  return jsonPointer('headers', name)
}

/**
 * Applies a merge patch to the stored names. @returns the headers of the PUT that would do the same, with a mask for
 * each value that stays. Names are compared without case; the spelling of the patch wins.
 */
export function mergeHeaders(
  stored: Readonly<Record<string, string>>,
  patch: Readonly<Record<string, string | null>> | null | undefined,
): Record<string, string> {
  if (patch === null) return {}
  const patched = new Set(Object.keys(patch ?? {}).map(name => name.toLowerCase()))
  const kept = Object.keys(masked(stored)).filter(name => !patched.has(name.toLowerCase()))
  const set = Object.entries(patch ?? {}).filter((entry): entry is [string, string] => entry[1] !== null)
  return Object.fromEntries([...kept.map((name): [string, string] => [name, secretMask]), ...set])
}

/** Custom headers as they are shown: every value masked. */
export function masked(stored: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.keys(stored).map(name => [name, secretMask]))
}
