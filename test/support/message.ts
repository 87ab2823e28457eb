/** Names in lower case and values, as receivers see them, of names and values in turn. */
export function fields(headers: readonly string[]): Record<string, string> {
  const pairs = headers.flatMap((name, at) =>
    at % 2 === 0 ? [[name.toLowerCase(), headers[at + 1] ?? '']] : [],
  )
  return Object.fromEntries(pairs)
}
