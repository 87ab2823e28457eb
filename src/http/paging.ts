import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'

/** The query parameters every list takes. */
export function pageQuery(defaultLimit: number) {
  return {
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: pageSizeMax,
        default: defaultLimit,
        description: 'At most this many rows',
      }),
    ),
    cursor: Type.Optional(
      Type.String({ maxLength: 200, description: '`X-Next-Cursor` of the previous page' }),
    ),
  }
}

export const pageSizeMax = 250

/** The headers of a page for the OpenAPI document. */
export const pageHeaders = {
  Link: { type: 'string', description: 'The next page, with rel="next"; absent on the last one' },
  'X-Next-Cursor': { type: 'string', description: 'The cursor of the next page; absent on the last one' },
}

/**
 * A cursor holds the name of its list and the key of the last row of a page. It is opaque, so that the key may change. It
 * is not signed: a made-up cursor shows nothing that the caller could not read anyway.
 */
export function encodeCursor(list: string, key: string | number): string {
  return Buffer.from(`${list}:${key}`).toString('base64url')
}

/** @param parse turns the text of a key into the key; undefined when the text is no key */
export function decodeCursor<Key>(
  list: string,
  cursor: string | undefined,
  parse: (text: string) => Key | undefined,
): Key | undefined {
  if (cursor === undefined) return undefined
  const text = Buffer.from(cursor, 'base64url').toString()
  const key = text.startsWith(`${list}:`) ? parse(text.slice(list.length + 1)) : undefined
  if (key === undefined) {
    throw new AppError(
      'invalid_cursor',
      'This cursor was not made by this list. Start again without one, or use X-Next-Cursor as it is.',
    )
  }
  return key
}

/** The key of a list in the order of ids, or of numbers like these, which are of PostgreSQL's type integer. */
export function parseIdCursor(text: string): number | undefined {
  const id = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY
  return id < 2 ** 31 ? id : undefined
}

/**
 * Sends the first `limit` rows, with headers that lead to the next page.
 *
 * @param rows one more than `limit` where there are more: that there is a next page
 */
export function sendPage<Row>(
  request: FastifyRequest,
  reply: FastifyReply,
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => string,
): Row[] {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  if (rows.length > limit && last !== undefined) linkNextPage(request, reply, limit, cursorOf(last))
  return page
}

/** Adds the headers that lead to the next page, for a list that knows by itself where it begins. */
export function linkNextPage(
  request: FastifyRequest,
  reply: FastifyReply,
  limit: number,
  cursor: string,
): void {
  // A path without a host, which is right behind any proxy.
  const url = new URL(request.url, 'http://localhost')
  url.searchParams.set('limit', String(limit))
  url.searchParams.set('cursor', cursor)
  reply.header('link', `<${url.pathname}${url.search}>; rel="next"`).header('x-next-cursor', cursor)
}
