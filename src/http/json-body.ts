import type { FastifyInstance } from 'fastify'
import { AppError } from '../errors.ts'

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Lets the routes of this scope read JSON, and nothing else: 415 for other types, 400 for what is not JSON. */
export function readJsonBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'buffer' },
    // Typed as string | Buffer by Fastify; `parseAs` says which.
    (_request, body, done) => {
      try {
        done(null, parseJson(Buffer.from(body)))
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)))
      }
    },
  )
}

/** Hands the routes of this scope the bytes of the body as they came, of any content type. */
export function readRawBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
}

/** Reads no body: an unknown path is told so, whatever was sent to it. Node discards the bytes. */
export function ignoreBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
}

function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) throw new AppError('malformed_json', 'The body is empty. Send a JSON object.')
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch (cause) {
    throw new AppError('malformed_json', 'The body is not valid UTF-8, which JSON must be.', { cause })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    const where = cause instanceof Error ? ` (${cause.message.toWellFormed()})` : ''
    throw new AppError('malformed_json', `The body is not valid JSON${where}.`, { cause })
  }
}
