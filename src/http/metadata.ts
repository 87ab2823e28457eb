import { type FieldError, jsonPointer } from '../errors.ts'
import { textsByName } from './texts-by-name.ts'
import { storableText } from './validation.ts'

/** Names and texts that callers keep with a thing, for themselves. */
export type Metadata = Readonly<Record<string, string>>

export const metadataLimits = { entries: 50, keyChars: 100, valueChars: 500 } as const

/** The schema of metadata in a body. @param valueTypes `string`, and in a patch also `null`, which removes a name */
export function metadataInput(valueTypes: readonly string[], description: string) {
  return textsByName(
    valueTypes,
    {
      names: metadataLimits.entries,
      name: { minLength: 1, maxLength: metadataLimits.keyChars, pattern: storableText },
      valueChars: metadataLimits.valueChars,
      value: { pattern: storableText },
    },
    description,
  )
}

/** What is wrong with metadata that may have been merged from several. */
export function metadataFaults(metadata: Metadata): readonly FieldError[] {
  const entries = Object.entries(metadata)
  if (entries.length > metadataLimits.entries) {
    return [{ pointer: '/metadata', detail: `Give at most ${metadataLimits.entries} names.` }]
  }
  return entries.flatMap(([name, text]) => {
    const pointer = jsonPointer('metadata', name)
    if (name.length === 0 || charsOf(name) > metadataLimits.keyChars) {
      return [{ pointer, detail: `Give a name of 1 to ${metadataLimits.keyChars} characters.` }]
    }
    if (charsOf(text) <= metadataLimits.valueChars) return []
    return [{ pointer, detail: `Give a text of at most ${metadataLimits.valueChars} characters.` }]
  })
}

/** Applies a merge patch (RFC 7396) to metadata. */
export function mergedMetadata(
  stored: Metadata,
  patch: Readonly<Record<string, string | null>>,
): Record<string, string> {
  const merged = Object.entries({ ...stored, ...patch })
  return Object.fromEntries(merged.filter((entry): entry is [string, string] => entry[1] !== null))
}

/** Code points: what JSON Schema counts, and PostgreSQL. */
export function charsOf(text: string): number {
  return [...text].length
}
