/** Keeps of a query what a screen knows: texts under these names. */
export function texts<const Name extends string>(
  ...names: readonly Name[]
): (search: Readonly<Record<string, unknown>>) => { readonly [name in Name]?: string } {
  return search => {
    const known = names.flatMap(name => {
      const value = search[name]
      return value === undefined || value === '' ? [] : [[name, String(value)] as const]
    })
    return Object.fromEntries(known) as { [name in Name]?: string } // the names are Name
  }
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A moment that a person typed: `2h` ago, a day, or a whole time; as the API takes it. */
export function momentOf(text: string | undefined, now: number): string | undefined {
  if (text === undefined) return undefined
  const [, count, unit] = /^(\d{1,6})\s*([smhd])$/.exec(text.trim()) ?? []
  const ms = unit === undefined ? Date.parse(text) : now - Number(count) * (units[unit] ?? 0)
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString()
}
