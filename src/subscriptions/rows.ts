/**
 * A table of whole numbers of 32 bits, whose rows are made and released one by one. Rows are numbered from 1, so that 0 can
 * stand for none. It never gets smaller; released rows are used again.
 */
export class Rows {
  readonly #width: number
  #data: Int32Array
  /** Rows that were ever made, and the number 0. */
  #made = 1
  /** The row that was released last; its first column has the one before it. */
  #released = 0
  #count = 0

  constructor(width: number) {
    this.#width = width
    this.#data = new Int32Array(width * 64)
  }

  /** How many are in use. */
  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#data.byteLength
  }

  /** A row with anything in it. */
  allocate(): number {
    this.#count++
    if (this.#released !== 0) {
      const row = this.#released
      this.#released = this.get(row, 0)
      return row
    }
    if ((this.#made + 1) * this.#width > this.#data.length) this.#grow()
    return this.#made++
  }

  release(row: number): void {
    this.#count--
    this.set(row, 0, this.#released)
    this.#released = row
  }

  get(row: number, column: number): number {
    return this.#data[row * this.#width + column] ?? 0
  }

  set(row: number, column: number, value: number): void {
    this.#data[row * this.#width + column] = value
  }

  add(row: number, column: number, value: number): void {
    this.set(row, column, this.get(row, column) + value)
  }

  /** By a quarter: doubling would leave a third unused on average. */
  #grow(): void {
    const larger = new Int32Array(this.#width * Math.ceil(this.#made * 1.25 + 64))
    larger.set(this.#data)
    this.#data = larger
  }
}
