import { type FieldError, jsonPointer } from '../errors.ts'

/**
 * What one check of a value may take. A step is about 0.1 µs: the evaluation of a schema at a place, a field, or some
 * characters of a text.
 */
export const runLimits = { steps: 500_000, depth: 400, errors: 20 } as const

/** A check came to its limits: the schema, or the value, makes too much work. */
export class TooMuchWork extends Error {}

/** A keyword at work on a value. `seen` collects what it has evaluated; undefined: nobody asks. */
export type Check = (value: unknown, run: Run, seen: Seen | undefined) => boolean

/** One check of one value: where it is, what it found, and what it may still take. */
export class Run {
  readonly errors: FieldError[] = []
  /** Names and indices that lead from the whole value to the place that is looked at. */
  readonly path: (string | number)[] = []
  #steps: number = runLimits.steps
  #depth = 0
  /** Greater than 0 while it is tried whether something fits: then a fault is no error. */
  #trials = 0

  /** @throws TooMuchWork */
  spend(steps: number): void {
    this.#steps -= steps
    if (this.#steps < 0) throw new TooMuchWork()
  }

  /** One level deeper, until `leave`. @throws TooMuchWork */
  enter(): void {
    this.spend(1)
    if (++this.#depth > runLimits.depth) throw new TooMuchWork()
  }

  leave(): void {
    this.#depth--
  }

  /** Whether something fits, without an error when it does not. */
  tries(node: SchemaNode, value: unknown, seen: Seen | undefined): boolean {
    this.#trials++
    const fits = node.evaluate(value, this, seen)
    this.#trials--
    return fits
  }

  /** Records a fault of the present place. @returns false */
  fail(detail: string): false {
    if (this.#trials === 0 && this.errors.length < runLimits.errors) {
      this.errors.push({ pointer: jsonPointer(...this.path.map(String)), detail })
    }
    return false
  }

  /** Whether a further fault would be recorded. */
  get wantsMore(): boolean {
    return this.#trials === 0 && this.errors.length < runLimits.errors
  }

  /** Evaluates what is in a field or at an index. */
  inside(name: string | number, node: SchemaNode, value: unknown): boolean {
    this.path.push(name)
    const fits = node.evaluate(value, this, undefined)
    this.path.pop()
    return fits
  }
}

/** Fields and items of one object or array that schemas have evaluated, for `unevaluatedProperties` and `-Items`. */
export class Seen {
  readonly names = new Set<string>()
  readonly items = new Set<number>()
  /** All items before this index. */
  upTo = 0

  add(other: Seen): void {
    for (const name of other.names) this.names.add(name)
    for (const item of other.items) this.items.add(item)
    this.upTo = Math.max(this.upTo, other.upTo)
  }
}

/** A schema or subschema, compiled. */
export class SchemaNode {
  readonly checks: Check[] = []
  /** They come last, and look at what the others have seen. */
  readonly unevaluated: Check[] = []
  /** Nodes that it evaluates for the same value. */
  readonly inPlace: SchemaNode[] = []

  evaluate(value: unknown, run: Run, outer: Seen | undefined): boolean {
    run.enter()
    const seen = outer === undefined && this.unevaluated.length === 0 ? undefined : new Seen()
    let fits = true
    for (const check of this.checks) {
      if (check(value, run, seen)) continue
      fits = false
      if (!run.wantsMore) break
    }
    if (fits) for (const check of this.unevaluated) fits = check(value, run, seen) && fits
    if (fits && outer !== undefined && seen !== undefined) {
      run.spend(5 * (seen.names.size + seen.items.size))
      outer.add(seen)
    }
    run.leave()
    return fits
  }
}

/**
 * A text that two values have in common exactly when they are equal in the sense of JSON Schema.
 *
 * @throws TooMuchWork
 */
export function canonical(value: unknown, run: Run): string {
  if (typeof value === 'string') run.spend(Math.ceil(value.length / 100))
  if (typeof value !== 'object' || value === null) {
    run.spend(2)
    return value === 0 ? '0' : JSON.stringify(value)
  }
  run.enter()
  run.spend(3)
  const text = Array.isArray(value)
    ? `[${value.map(item => canonical(item, run)).join(',')}]`
    : `{${Object.entries(value)
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([name, inner]) => `${canonical(name, run)}:${canonical(inner, run)}`)
        .join(',')}}`
  run.leave()
  return text
}
