import { RE2JS } from 're2js'

/** A regular expression whose time grows with the length of the text, and not faster. */
export interface Pattern {
  /** Instructions of its program: a text takes about this many steps for each of its characters, at most. */
  readonly size: number
  /** Whether it is found anywhere in the text. */
  isIn(text: string): boolean
}

export const patternLimits = { chars: 500, size: 2000 } as const

/**
 * A pattern in the syntax of JavaScript (ECMA-262 with the flag `u`), run by RE2: what it cannot run in linear time (look
 * around, back references, more than 1,000 repetitions) is refused. `\s` and `\b` know ASCII only.
 *
 * V8's own engine tries alternatives one after the other: `^(a+)+$` takes it hours for 40 characters.
 *
 * @returns a sentence that says what is wrong with it, when it is refused
 */
export function compilePattern(text: string): Pattern | string {
  if (text.length > patternLimits.chars) return `Give a pattern of at most ${patternLimits.chars} characters.`
  try {
    new RegExp(text, 'u') // nothing is run: this only says whether it is one
  } catch {
    return 'This is not a regular expression (ECMA-262, with the flag u).'
  }
  try {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(text))
    const size = compiled.programSize()
    if (size > patternLimits.size) return 'This pattern repeats too much. Give a simpler one.'
    return { size, isIn: given => compiled.test(given) }
  } catch {
    return 'This pattern cannot be run in linear time. Leave out look-around, back references, repetitions over 1,000, and long names of Unicode properties (\\p{L}, not \\p{Letter}).'
  }
}
