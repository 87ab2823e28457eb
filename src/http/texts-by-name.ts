import { documentedKey } from './validation.ts'

/** The sentence for an object of texts with too many names, or with something other than texts. */
export const textsByNameSentence = (namesMax: number) =>
  `Give an object of at most ${namesMax} names, each with a text.`

/**
 * The schema of an object of texts, or null.
 *
 * @param valueTypes `string`, and in a patch also `null`, which removes a name
 * @param limits `name` and `value` are keywords for the document; the texts themselves are checked elsewhere
 */
export function textsByName(
  valueTypes: readonly string[],
  limits: {
    readonly names: number
    readonly name: object
    readonly valueChars: number
    readonly value: object
  },
  description: string,
) {
  return {
    type: ['object', 'null'],
    additionalProperties: {
      type: valueTypes,
      maxLength: limits.valueChars,
      [documentedKey]: limits.value,
      'x-sentence': `Give a text of at most ${limits.valueChars} characters.`,
    },
    maxProperties: limits.names,
    [documentedKey]: { propertyNames: limits.name },
    'x-sentence': textsByNameSentence(limits.names),
    description,
  }
}
