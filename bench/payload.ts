// All fields have a fixed place and a fixed width. So the generator overwrites bytes instead of building JSON, and the
// receiver reads digits instead of parsing. Both share two cores with what is measured.
const TEMPLATE = '{"phase":"0000","seq":"0000000000","sent_us":"0000000000000000","data":"'
const CLOSING = '"}'
const PHASE = { at: 10, width: 4 }
const SEQUENCE = { at: 23, width: 10 }
const SENT = { at: 46, width: 16 }

/** The smallest payload that has room for what the receiver needs. */
export const PAYLOAD_BYTES_MIN = TEMPLATE.length + CLOSING.length

/** What an event of the benchmark says about itself. `sentUs` is on the clock of `nowUs`. */
export interface Stamp {
  readonly phase: number
  readonly sequence: number
  readonly sentUs: number
}

/** A JSON payload of exactly `size` bytes, to be stamped before every send. */
export function blankPayload(size: number): Buffer {
  if (size < PAYLOAD_BYTES_MIN) throw new Error(`A payload needs ${PAYLOAD_BYTES_MIN} bytes, not ${size}.`)
  return Buffer.from(TEMPLATE.padEnd(size - CLOSING.length, 'x') + CLOSING, 'latin1')
}

/** Writes the stamp into a payload that starts at `offset` of `bytes`. */
export function writeStamp(bytes: Buffer, offset: number, stamp: Stamp): void {
  writeDigits(bytes, offset + PHASE.at, PHASE.width, stamp.phase)
  writeDigits(bytes, offset + SEQUENCE.at, SEQUENCE.width, stamp.sequence)
  writeDigits(bytes, offset + SENT.at, SENT.width, Math.floor(stamp.sentUs))
}

/** The stamp of a payload that starts at `offset` of a latin1 text; undefined if it isn't one of ours. */
export function readStamp(text: string, offset: number): Stamp | undefined {
  if (!text.startsWith('{"phase":"', offset)) return undefined
  return {
    phase: readDigits(text, offset + PHASE.at, PHASE.width),
    sequence: readDigits(text, offset + SEQUENCE.at, SEQUENCE.width),
    sentUs: readDigits(text, offset + SENT.at, SENT.width),
  }
}

function writeDigits(bytes: Buffer, at: number, width: number, value: number): void {
  let rest = value
  for (let index = at + width - 1; index >= at; index--) {
    const next = Math.floor(rest / 10)
    bytes[index] = 48 + (rest - next * 10)
    rest = next
  }
}

function readDigits(text: string, at: number, width: number): number {
  let value = 0
  for (let index = at; index < at + width; index++) value = value * 10 + text.charCodeAt(index) - 48
  return value
}
