import { type AppError, type FieldError, validationFailed } from '../errors.ts'
import { eventTypeFault } from '../ingest/envelope.ts'

/** What a sender may say of an event that it publishes, and how much. */
export const publishLimits = {
  eventTypeChars: 128,
  channels: 20,
  channelChars: 128,
  eventIdChars: 255,
  toChars: 255,
  metadataEntries: 50,
  metadataNameChars: 100,
  metadataValueChars: 500,
  /** A year with its leap day. */
  deliverInMsMax: 366 * 24 * 3_600_000,
} as const

/** A name of a channel, or of an event: visible ASCII characters. A channel has no comma, which stands between channels. */
const channelPattern = /^[\x21-\x2b\x2d-\x7e]+$/
const eventIdPattern = /^[\x21-\x7e]+$/

// One function for each field, for a header, a query parameter and a field of a batch alike. `name` is how the sender
// named it, for the answer that says what is wrong. An empty type, and an empty list of channels, is the same as none. What
// would lose a promise by it, or reach others than were meant, has to say something where it is given.

/** @throws AppError validation_failed */
export function readEventType(text: string | undefined, name: string): string | null {
  if (text === undefined || text === '') return null
  const fault = eventTypeFault(text)
  if (fault !== undefined) throw unfit(name, `Must be ${fault}.`)
  return text
}

/** @param text names with commas between them. @throws AppError validation_failed */
export function readChannels(text: string | undefined, name: string): readonly string[] {
  if (text === undefined || text === '') return []
  return checkChannels(text.split(/ *, */), name)
}

/** @returns each of the channels once. @throws AppError validation_failed */
export function checkChannels(given: readonly string[], name: string): readonly string[] {
  const channels = [...new Set(given)]
  if (channels.length > publishLimits.channels)
    throw unfit(name, `Give at most ${publishLimits.channels} channels.`)
  const isWrong = (channel: string) =>
    channel.length > publishLimits.channelChars || !channelPattern.test(channel)
  if (channels.some(isWrong)) {
    throw unfit(
      name,
      `A channel is a name of 1 to ${publishLimits.channelChars} visible ASCII characters without a comma or a space; commas stand between channels.`,
    )
  }
  return channels
}

/** The sender's own name for the event. @throws AppError validation_failed */
export function readEventId(text: string | undefined, name: string): string | null {
  if (text === undefined) return null
  if (text.length > publishLimits.eventIdChars || !eventIdPattern.test(text)) {
    throw unfit(name, `Must be 1 to ${publishLimits.eventIdChars} visible ASCII characters without spaces.`)
  }
  return text
}

/** A date and a time of day with its offset (RFC 3339). */
const timePattern =
  /^\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/**
 * When a scheduled event is due (Unix milliseconds); null for one that is due now: no time was given, or one that is over.
 *
 * @throws AppError validation_failed, also for a time that is more than a year ahead
 */
export function readDeliverAt(text: string | undefined, name: string, now: number): number | null {
  if (text === undefined) return null
  const at = timePattern.test(text) ? timeOf(text) : Number.NaN
  if (Number.isNaN(at)) {
    throw unfit(name, 'Must be a time with its offset (RFC 3339), such as 2030-01-31T08:00:00Z.')
  }
  if (at > now + publishLimits.deliverInMsMax) throw unfit(name, 'Must be at most a year (366 days) ahead.')
  return at <= now ? null : at
}

/** NaN for a day that does not exist, of which Date makes one of the next month. */
function timeOf(text: string): number {
  const day = text.slice(0, 10)
  const midnight = Date.parse(`${day}T00:00:00Z`)
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return Number.NaN
  return Date.parse(text.toUpperCase())
}

/** Of a header name: what follows is the name of an entry. */
const metadataPrefix = 'x-metadata-'

/**
 * What the headers `X-Metadata-*` say, by the rest of their names in lower case; null when there are none.
 *
 * @param headers by their names in lower case
 * @throws AppError validation_failed
 */
export function readMetadata(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Readonly<Record<string, string>> | null {
  let entries: [string, string][] | undefined
  for (const header in headers) {
    if (!header.startsWith(metadataPrefix)) continue
    entries ??= []
    entries.push([header.slice(metadataPrefix.length), String(headers[header])])
  }
  return entries === undefined ? null : checkMetadata(entries, name => `X-Metadata-${name}`)
}

/** @param pointer how the sender has named an entry. @throws AppError validation_failed */
export function checkMetadata(
  entries: readonly (readonly [name: string, value: string])[],
  pointer: (name: string) => string,
): Readonly<Record<string, string>> | null {
  const { metadataEntries, metadataNameChars, metadataValueChars } = publishLimits
  if (entries.length === 0) return null
  const faults: FieldError[] = []
  for (const [name, value] of entries) {
    const say = (detail: string) => faults.push({ pointer: pointer(name), detail })
    if (name === '' || !isText(name, metadataNameChars))
      say(`Its name must have 1 to ${metadataNameChars} characters.`)
    if (!isText(value, metadataValueChars))
      say(`Its value must have at most ${metadataValueChars} characters.`)
  }
  if (entries.length > metadataEntries) throw unfit(pointer('*'), `Give at most ${metadataEntries} entries.`)
  if (faults.length > 0) throw validationFailed(faults)
  return Object.fromEntries(entries)
}

/**
 * Whether a text has at most this many characters and can be stored: PostgreSQL takes no U+0000, and no half of a
 * surrogate pair.
 */
export function isText(text: string, charsMax: number): boolean {
  if (text.length > charsMax && Array.from(text.slice(0, 2 * charsMax + 1)).length > charsMax) return false
  return !text.includes('\u0000') && text.isWellFormed()
}

export function unfit(pointer: string, detail: string): AppError {
  return validationFailed([{ pointer, detail }])
}
