import { type Family, type FamilyName, families } from './families.ts'

const names = Object.keys(families) as FamilyName[] // Object.keys forgets the names

/** Numbers that one series takes: a histogram has one for each bucket, one for what is beyond, and the sum. */
function widthOf({ buckets, type }: Family): number {
  return type === 'histogram' ? buckets.length + 2 : 1
}

function seriesOf({ labels }: Family): number {
  return labels.reduce((count, { values }) => count * values.length, 1)
}

/** Where the numbers of a family begin, and how many there are in all. */
const places = new Map<FamilyName, number>()
let total = 0
for (const name of names) {
  places.set(name, total)
  total += seriesOf(families[name]) * widthOf(families[name])
}

function placeOf(name: FamilyName): number {
  return places.get(name) ?? 0
}

/** The numbers of one process, or of several together, in the order of the table; NaN: not known. */
export type Numbers = Float64Array

/**
 * The place of one series in all numbers, found once so that counting is one addition.
 *
 * @param values of its labels, in their order. @throws for a value that the label has not
 */
export function seriesAt(name: FamilyName, ...values: readonly string[]): number {
  const family: Family = families[name]
  const index = family.labels.reduce((place, label, position) => {
    const found = label.values.indexOf(values[position] ?? '')
    if (found === -1) throw new Error(`${family.name} has no ${label.name}="${values[position]}"`)
    return place * label.values.length + found
  }, 0)
  return placeOf(name) + index * widthOf(family)
}

/** No figures yet. Gauges are not known until they were set. */
export function noNumbers(): Numbers {
  const numbers = new Float64Array(total)
  for (const name of names) {
    const family: Family = families[name]
    if (family.type === 'gauge') numbers.fill(Number.NaN, placeOf(name), placeOf(name) + seriesOf(family))
  }
  return numbers
}

/** Sets a figure that is read when somebody asks; undefined: it is not known. */
export type Setter = (name: FamilyName, value: number | undefined, ...labels: readonly string[]) => void

export function setterOf(numbers: Numbers): Setter {
  return (name, value, ...labels) => {
    numbers[seriesAt(name, ...labels)] = value ?? Number.NaN
  }
}

/**
 * Notes a value in a histogram.
 *
 * @param at of the series (`seriesAt`)
 * @param buckets those of its family
 */
export function observe(numbers: Numbers, at: number, buckets: readonly number[], value: number): void {
  let bucket = 0
  while (bucket < buckets.length && value > (buckets[bucket] ?? 0)) bucket++
  add(numbers, at + bucket, 1)
  add(numbers, at + buckets.length + 1, value)
}

export function add(numbers: Numbers, at: number, by: number): void {
  numbers[at] = (numbers[at] ?? 0) + by
}

/** The numbers of several processes as those of one. The first of them is the one that answers. */
export function together(all: readonly Numbers[]): Numbers {
  const [first = noNumbers(), ...others] = all
  const sum = first.slice()
  for (const name of names) {
    const family: Family = families[name]
    const from = placeOf(name)
    const to = from + seriesOf(family) * widthOf(family)
    for (const other of others)
      for (let at = from; at < to; at++)
        sum[at] = joined(family, sum[at] ?? Number.NaN, other[at] ?? Number.NaN)
  }
  return sum
}

function joined({ across }: Family, one: number, other: number): number {
  if (across === 'same' || Number.isNaN(other)) return one
  if (Number.isNaN(one)) return other
  switch (across) {
    case 'sum':
      return one + other
    case 'max':
      return Math.max(one, other)
    case 'min':
      return Math.min(one, other)
  }
}

/** What stays of a process that has ended: what it has counted. */
export function counted(numbers: Numbers): Numbers {
  const kept = numbers.slice()
  for (const name of names) {
    const family: Family = families[name]
    if (family.type === 'gauge') kept.fill(Number.NaN, placeOf(name), placeOf(name) + seriesOf(family))
  }
  return kept
}

/** Numbers as they travel to another process. @returns undefined for what are none of this version */
export function numbersFrom(sent: unknown): Numbers | undefined {
  if (!Array.isArray(sent) || sent.length !== total) return undefined
  return Float64Array.from(sent, value => (typeof value === 'number' ? value : Number.NaN))
}

/** JSON has no NaN. */
export function toSend(numbers: Numbers): readonly (number | null)[] {
  return Array.from(numbers, value => (Number.isNaN(value) ? null : value))
}

/** One series of a family, with its numbers. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>
  readonly numbers: Numbers
}

/** The families in the order of the table, each with its series. */
export function* seriesOfAll(numbers: Numbers): Generator<readonly [Family, readonly Series[]]> {
  for (const name of names) {
    const family: Family = families[name]
    const width = widthOf(family)
    const combinations = combinationsOf(family)
    yield [
      family,
      combinations.map((labels, index) => {
        const from = placeOf(name) + index * width
        return { labels, numbers: numbers.subarray(from, from + width) }
      }),
    ]
  }
}

function combinationsOf({ labels }: Family): readonly Readonly<Record<string, string>>[] {
  return labels.reduce<readonly Readonly<Record<string, string>>[]>(
    (all, { name, values }) => all.flatMap(one => values.map(value => ({ ...one, [name]: value }))),
    [{}],
  )
}
