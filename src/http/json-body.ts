import type { FastifyInstance } from 'fastify'
import { AppError } from '../errors.ts'
import { type BodyRules, readBody } from './read-body.ts'

const decoder = new TextDecoder('utf-8', { fatal: true })

/** The routes of this scope read JSON only: 415 for other content types, 400 for a body that is no JSON. */
export function readJsonBodies(scope: FastifyInstance, rules: BodyRules): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    (_request, payload, done) => {
      readBody(rules, payload, (error, body) => {
        if (body === undefined) {
          done(error)
          return
        }
        try {
          done(null, parseJson(body))
        } catch (fault) {
          done(fault instanceof Error ? fault : new Error(String(fault)))
        }
      })
    },
  )
}

/** The routes of this scope get the bytes of the body as they came, whatever the content type. */
export function readRawBodies(scope: FastifyInstance, rules: BodyRules): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, payload, done) => readBody(rules, payload, done))
}

/** The routes of this scope read no body; Node discards it. So an unknown path is a 404, whatever its body is. */
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
