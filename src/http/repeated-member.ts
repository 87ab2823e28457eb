import { jsonPointer } from '../errors.ts'

/** An object or an array that is open. */
interface Open {
  /** Of an object: the names so far, as they are meant. */
  readonly names: Set<string> | undefined
  /** Where in it the text is now. */
  place: string | number
}

/**
 * Where an object of a JSON text has a name twice, as a JSON Pointer; of several the first one. `JSON.parse` takes the last
 * of them, other readers the first, and whoever has sent it cannot know which was taken.
 *
 * Not a regular expression: one that reads strings of any length can run out of its stack.
 *
 * @param text valid JSON
 */
export function repeatedMember(text: string): string | undefined {
  const open: Open[] = []
  for (let at = 0; at < text.length; at++) {
    const inner = open.at(-1)
    switch (text[at]) {
      case '{':
        open.push({ names: new Set(), place: '' })
        break
      case '[':
        open.push({ names: undefined, place: 0 })
        break
      case '}':
      case ']':
        open.pop()
        break
      case ',':
        if (typeof inner?.place === 'number') inner.place++
        break
      case '"': {
        const start = at
        at = endOfString(text, start)
        if (inner?.names === undefined || !isName(text, at)) break
        const name = String(JSON.parse(text.slice(start, at + 1)))
        inner.place = name
        if (inner.names.has(name)) return jsonPointer(...open.map(({ place }) => String(place)))
        inner.names.add(name)
      }
    }
  }
  return undefined
}

/** The place of the quote that ends the string that begins here: one with an even number of backslashes before it. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let first = end
    while (text[first - 1] === '\\') first--
    if ((end - first) % 2 === 0) return end
  }
}

/** Whether a colon follows the string that ends here. */
function isName(text: string, end: number): boolean {
  let at = end + 1
  while (/\s/.test(text[at] ?? '')) at++
  return text[at] === ':'
}
