import { Rows } from './rows.ts'

const uses = 0

/** A number for each text in use, from 1, so that texts can stand in rows of numbers. */
export class TextNumbers {
  readonly #numbers = new Map<string, number>()
  readonly #texts: string[] = []
  readonly #rows = new Rows(1)

  /** The number of a text; 0: it is not in use. */
  of(text: string): number {
    return this.#numbers.get(text) ?? 0
  }

  /** The number of a text, which is in use once more. */
  take(text: string): number {
    const known = this.of(text)
    if (known !== 0) {
      this.#rows.add(known, uses, 1)
      return known
    }
    const made = this.#rows.allocate()
    this.#rows.set(made, uses, 1)
    this.#numbers.set(text, made)
    this.#texts[made] = text
    return made
  }

  /** It is in use once less. After the last use the number may stand for another text. */
  drop(number: number): void {
    this.#rows.add(number, uses, -1)
    if (this.#rows.get(number, uses) > 0) return
    this.#rows.release(number)
    this.#numbers.delete(this.#texts[number] ?? '')
    this.#texts[number] = ''
  }

  /** How many texts are in use. */
  get size(): number {
    return this.#numbers.size
  }

  /** Bytes of its table, without the texts. */
  get tableBytes(): number {
    return this.#rows.bytes
  }
}
