import { Type } from 'typebox'
import { AppError, validationFailed } from '../errors.ts'
import { defaultTenant } from '../model/caller.ts'
import { parseUuid, type Uuid } from '../platform/id.ts'
import { documentedKey, sentenceKey } from './validation.ts'

/** The largest id the column `subscriptions.id` can hold. */
const int4Max = 2_147_483_647

/** What a caller can call a subscription: characters that a path takes as they are. */
export const uidPattern = '^[a-zA-Z0-9_.:-]{1,255}$'

const subscriptionSentence =
  'The id of a subscription is a whole number, such as 1. In its place you can give uid: and its uid.'

/** The schema of what names a subscription in a path. */
export const subscriptionIdParameter = Type.Unsafe<string>({
  anyOf: [
    { type: 'integer', minimum: 1, maximum: int4Max, [sentenceKey]: subscriptionSentence },
    { type: 'string', pattern: uidPattern.replace('^', '^uid:'), [sentenceKey]: subscriptionSentence },
  ],
  description:
    'The id of a subscription, or `uid:` and its uid. The uid is one of the tenant that the key is for, else of `tenant` in ' +
    'the query, else of the tenant `default`',
  examples: [1],
})

/** The schema of the id of a tenant, as a parameter or a field. */
export const tenantParameter = Type.String({
  pattern: '^[a-z0-9][a-z0-9_-]{0,62}$',
  [sentenceKey]: 'Give the id of a tenant: 1 to 63 lower-case letters, digits, _ and -.',
  description: 'The id of a tenant; a key that is for one tenant needs none',
  examples: ['default'],
})

/**
 * The subscription id of a path.
 *
 * @throws AppError validation_failed for a text that is no whole number; not_found for 0 and for numbers above the column
 */
export function parseSubscriptionId(text: string, parameter = 'id'): number {
  const id = parseWholeNumber(text, parameter)
  if (id < 1 || id > int4Max) throw unknownSubscription(text)
  return id
}

/** The number in a path, where none is too large. @throws AppError validation_failed for a text that is no whole number */
export function parseWholeNumber(text: string, parameter = 'id'): number {
  if (/^[0-9]{1,20}$/.test(text)) return Number(text)
  throw validationFailed([{ pointer: parameter, detail: subscriptionSentence }])
}

/** The uid in a path that names a subscription by one; undefined: it names it by its id. */
export function uidIn(text: string): string | undefined {
  return text.startsWith('uid:') ? text.slice('uid:'.length) : undefined
}

export function unknownSubscription(id: number | string): AppError {
  return new AppError('not_found', `There is no subscription ${id}.`)
}

/** For a caller who sees all tenants, and named none: a uid is one of a tenant. */
export function unknownUid(text: string): AppError {
  return new AppError(
    'not_found',
    `There is no subscription ${text} in the tenant ${defaultTenant}. If it is another tenant's, name that too (the parameter tenant), or give the number of the subscription.`,
  )
}

export function unknownEvent(webhookId: string): AppError {
  return new AppError(
    'not_found',
    `There is no event ${webhookId}, or its retention is over and it was removed.`,
  )
}

/** The webhook id of a path, in canonical form. @throws AppError validation_failed when it is no UUID */
export function parseWebhookId(text: string): Uuid {
  const id = parseUuid(text)
  if (id !== undefined) return id
  throw validationFailed([
    { pointer: 'webhook_id', detail: 'A webhook id is a UUID, as the 202 answer gave it.' },
  ])
}

/** The id of an attempt in a path, in canonical form. @throws AppError validation_failed when it is no UUID */
export function parseAttemptId(text: string): Uuid {
  const id = parseUuid(text)
  if (id !== undefined) return id
  throw validationFailed([{ pointer: 'id', detail: 'The id of an attempt is a UUID, as the log gives it.' }])
}

const timeSentence = 'Give a time with its offset from UTC, such as 2026-01-31T12:00:00Z.'

/** A moment (RFC 3339). */
export const timePattern =
  '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$'

/** The schema of one or several of some words, with commas between. */
export const wordsParameter = (words: readonly string[], description: string, example: string) =>
  Type.String({
    pattern: `^(${words.join('|')})(,(${words.join('|')})){0,${words.length - 1}}$`,
    [sentenceKey]: `Give one or several of ${words.join(', ')}, with commas between.`,
    description,
    examples: [example],
  })

/** The schema of a moment, as a parameter. */
export const timeParameter = (description: string) =>
  Type.String({
    pattern: timePattern,
    [sentenceKey]: timeSentence,
    [documentedKey]: { format: 'date-time' },
    description,
    examples: ['2026-01-31T12:00:00Z'],
  })

/** Unix milliseconds of a moment that fits its schema. @throws AppError validation_failed when there is no such moment */
export function parseTime(text: string, parameter: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw validationFailed([{ pointer: parameter, detail: timeSentence }])
  return ms
}

/**
 * Unix milliseconds of the moments between which a list is asked for.
 *
 * @throws AppError validation_failed for what is no moment, and for an end before the beginning
 */
export function parseRange({ since, until }: { readonly since?: string; readonly until?: string }) {
  const from = since === undefined ? undefined : parseTime(since, 'since')
  const to = until === undefined ? undefined : parseTime(until, 'until')
  if (from !== undefined && to !== undefined && from > to)
    throw validationFailed([{ pointer: 'until', detail: 'Give a time after since.' }])
  return { since: from, until: to }
}

/** The id of a replay in a path, in canonical form. @throws AppError validation_failed when it is no UUID */
export function parseReplayId(text: string): Uuid {
  const id = parseUuid(text)
  if (id !== undefined) return id
  throw validationFailed([
    { pointer: 'id', detail: 'The id of a replay is a UUID, as the 202 answer gave it.' },
  ])
}

/** The schema of the headers of a request that changes a subscription. */
export const ifMatchHeader = Type.Object({
  'if-match': Type.Optional(
    Type.String({
      description: 'The ETag of the version to change, or *. Another version by now, or no version: 412',
    }),
  ),
})

/**
 * The version that `If-Match` asks for; undefined for `*` or no header.
 *
 * @throws AppError version_conflict for a text that is no version, because it matches none
 */
export function parseIfMatch(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  const match = /^(?:W\/)?"?([0-9]{1,9})"?$/.exec(header.trim())
  if (match !== null) return Number(match[1])
  throw new AppError(
    'version_conflict',
    'If-Match holds no version of this subscription. Give its ETag, such as "3".',
  )
}
