import type { IncomingHttpHeaders } from 'node:http'
import { validationFailed } from '../errors.ts'

/** The most channels of one event. */
export const eventChannelsMax = 20

/** As events that are published have them: visible ASCII without a comma. */
const channel = /^[\x21-\x2b\x2d-\x7e]{1,128}$/

/**
 * The channels of an event, each once, from a text such as `project-7, beta`.
 *
 * @param parameter where the text was given, for the error
 * @throws AppError validation_failed
 */
export function readChannels(text: string | undefined, parameter = 'X-Channels'): readonly string[] {
  if (text === undefined || text.trim() === '') return []
  const channels = [...new Set(text.split(',').map(one => one.trim()))]
  if (channels.length <= eventChannelsMax && channels.every(one => channel.test(one))) return channels
  const detail = `Give at most ${eventChannelsMax} channels with commas between them, each of 1 to 128 visible ASCII characters.`
  throw validationFailed([{ pointer: parameter, detail }])
}

const prefix = 'x-metadata-'

/** What the headers `X-Metadata-*` say, by their names in lower case without that beginning. */
export function readMetadata(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  const given = Object.entries(headers).filter(([name]) => name.startsWith(prefix) && name !== prefix)
  return Object.fromEntries(given.map(([name, value]) => [name.slice(prefix.length), String(value)]))
}
