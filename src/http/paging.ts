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
        description: 'How many at most',
      }),
    ),
    cursor: Type.Optional(
      Type.String({ maxLength: 200, description: 'Where to go on: `X-Next-Cursor` of the page before' }),
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
 * A cursor is the key of the last row of a page, and says which list it belongs to. Opaque on purpose, so that the
 * key may change; not signed, for it gives nothing that a caller could not ask for anyway.
 */
export function encodeCursor(list: string, key: string | number): string {
  return Buffer.from(`${list}:${key}`).toString('base64url')
}

/** @param parse turns the key's text into the key, or undefined when it is none */
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

/** Rows are read one more than asked for; that one only tells that there is a next page. */
export function sendPage<Row>(
  request: FastifyRequest,
  reply: FastifyReply,
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => string,
): Row[] {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  if (rows.length > limit && last !== undefined) {
    const cursor = cursorOf(last)
    // A path without a host: right behind any proxy.
    const url = new URL(request.url, 'http://localhost')
    url.searchParams.set('limit', String(limit))
    url.searchParams.set('cursor', cursor)
    reply.header('link', `<${url.pathname}${url.search}>; rel="next"`).header('x-next-cursor', cursor)
  }
  return page
}
