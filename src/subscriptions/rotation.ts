/** A secret or key pair that signs until `expires_at`; null: until it is replaced. */
interface Expiring {
  readonly expires_at: string | null
}

/** At most this many may sign at a time. Each costs a signature per delivery, and makes the header longer. */
export const liveSecretsMax = 3

export const overlapSeconds = { max: 604_800, usual: 86_400 } as const

/** Those that still sign. */
export function live<Item extends Expiring>(items: readonly Item[], now: number): readonly Item[] {
  return items.filter(({ expires_at: end }) => end === null || Date.parse(end) > now)
}

/**
 * Puts a new one in front. The previous one signs until `endsAt`, older ones until the time they were given. When
 * `endsAt` is not after `now`, all of them end now.
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
