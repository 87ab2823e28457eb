// Headers, and other values by name, as a person writes them.

/** A line each, `name: value`; a text: what is wrong. */
export function headersOf(text: string): Readonly<Record<string, string>> | string {
  const headers: Record<string, string> = {}
  for (const line of text.split('\n').filter(one => one.trim() !== '')) {
    const [name = '', ...rest] = line.split(':')
    if (rest.length === 0) return `"${line}" has no colon. Write one a line: name: value.`
    headers[name.trim()] = rest.join(':').trim()
  }
  return headers
}

export function textOf(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n')
}

/** A change leaves those that it does not name: what was taken away has to be said. */
export function withRemoved(
  headers: Readonly<Record<string, string>>,
  before: string,
): Record<string, string | null> | null {
  if (Object.keys(headers).length === 0) return null
  const there = headersOf(before)
  const gone = typeof there === 'string' ? [] : Object.keys(there).filter(name => !(name in headers))
  return { ...headers, ...Object.fromEntries(gone.map(name => [name, null])) }
}
