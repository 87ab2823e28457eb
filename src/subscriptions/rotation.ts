/** Something that signs until it ends; null: until it is replaced. */
interface Expiring {
  readonly expires_at: string | null
}

/** So many may sign at a time: what every delivery costs, and how long a header gets. */
export const liveSecretsMax = 3

export const overlapSeconds = { max: 604_800, usual: 86_400 } as const

/** Those that still sign. */
export function live<Item extends Expiring>(items: readonly Item[], now: number): readonly Item[] {
  return items.filter(({ expires_at: end }) => end === null || Date.parse(end) > now)
}

/**
 * Puts a new one in front. The one before it signs on until `endsAt`, older ones as long as was said before; when
 * `endsAt` has come already, all of them end now.
 *
 * @param endsAt Unix milliseconds
 */
export function rotated<Item extends Expiring>(
  items: readonly Item[],
  made: Item,
  endsAt: number,
  now: number,
): readonly Item[] {
  if (endsAt <= now) return [made]
  const ending = new Date(endsAt).toISOString()
  return [made, ...live(items, now).map(item => ({ ...item, expires_at: item.expires_at ?? ending }))]
}
