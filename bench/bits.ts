/** Which sequence numbers were seen, one bit each, small enough to be sent from process to process. */
export class Bits {
  readonly #bytes: Uint8Array
  count = 0

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(Math.ceil(capacity / 8))
  }

  static from(base64: string): Bits {
    const bytes = Buffer.from(base64, 'base64')
    const bits = new Bits(bytes.length * 8)
    bits.#bytes.set(bytes)
    for (let index = 0; index < bits.capacity; index++) if (bits.has(index)) bits.count += 1
    return bits
  }

  get capacity(): number {
    return this.#bytes.length * 8
  }

  has(index: number): boolean {
    return ((this.#bytes[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
  }

  /** Marks the number; false if it was marked before or lies outside. */
  add(index: number): boolean {
    if (this.has(index) || index < 0 || index >= this.capacity) return false
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) | (1 << (index & 7))
    this.count += 1
    return true
  }

  /** How many of these the other one lacks. */
  missingFrom(other: Bits): number {
    let missing = 0
    for (let index = 0; index < this.capacity; index++) if (this.has(index) && !other.has(index)) missing += 1
    return missing
  }

  toBase64(): string {
    return Buffer.from(this.#bytes.buffer, 0, this.#bytes.length).toString('base64')
  }
}
