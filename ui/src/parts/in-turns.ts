/** How something went for each of many. */
export interface Tally<Item> {
  readonly done: readonly Item[]
  /** The first error of those that did not succeed. */
  readonly failed: readonly { readonly item: Item; readonly error: unknown }[]
}

/** Requests under way at a time: a browser has six connections for a service. */
const atATime = 4

/** Does the same for each, some at a time, also where it fails for others. */
export async function inTurns<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<unknown>,
): Promise<Tally<Item>> {
  const done: Item[] = []
  const failed: { item: Item; error: unknown }[] = []
  const left = [...items]
  const walk = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      const own = item
      await work(own).then(
        () => done.push(own),
        error => failed.push({ item: own, error }),
      )
    }
  }
  await Promise.all(Array.from({ length: atATime }, walk))
  return { done, failed }
}

/** @throws the first error, where nothing was done at all; else says how many failed */
export function sentenceOfTally<Item>({ done, failed }: Tally<Item>, what: string): string {
  if (done.length === 0 && failed[0] !== undefined) throw failed[0].error
  const first = `${done.length} ${what}`
  return failed.length === 0 ? `${first}.` : `${first}; ${failed.length} could not be. Try those again.`
}
