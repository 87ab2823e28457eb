import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, onRequestHookHandler, preValidationHookHandler } from 'fastify'
import { AppError, jsonPointer, validationFailed } from '../errors.ts'
import { mediaTypeHint } from './problem.ts'
import { type BodyRules, readBody } from './read-body.ts'
import { repeatedMember } from './repeated-member.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every field of the body is optional, and so is the body. */
    bodyMayBeLeftOut?: true
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * The routes of this scope read JSON only: 415 for other content types, 400 for a body that is no JSON. A body without
 * bytes is none, whatever its content type says: many clients add one to every request.
 */
export function readJsonBodies(scope: FastifyInstance, rules: BodyRules): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    ({ headers }, payload, done) => {
      readBody(rules, payload, (error, body) => {
        if (body === undefined) {
          done(error)
          return
        }
        try {
          refuseCoding(headers['content-encoding'])
          done(null, parseJson(body))
        } catch (fault) {
          done(fault instanceof Error ? fault : new Error(String(fault)))
        }
      })
    },
  )
  scope.addHook('onRequest', passAnyContentType)
  scope.addHook('preValidation', checkPresence)
  scope.addContentTypeParser('*', (request, _payload, done) => {
    const { 'content-length': length = '0', 'transfer-encoding': coding } = request.headers
    if (length === '0' && coding === undefined) return done(null)
    done(unsupportedMediaType(request.raw))
  })
}

/**
 * A route with a schema for its body needs a body, unless its `config` says otherwise. One without takes no fields: what is
 * given all the same is refused, so that it does not pass for a setting.
 */
const checkPresence: preValidationHookHandler = (request, _reply, done) => {
  const { schema, config } = request.routeOptions
  if (schema?.body === undefined) return done(isNothing(request.body) ? undefined : superfluous(request.body))
  if (request.body !== undefined) return done()
  if (!config.bodyMayBeLeftOut)
    return done(new AppError('malformed_json', 'The body is empty. Send a JSON object.'))
  request.body = {}
  done()
}

function isNothing(body: unknown): boolean {
  return body === undefined || body === null || (isObject(body) && Object.keys(body).length === 0)
}

function isObject(body: unknown): body is object {
  return typeof body === 'object' && body !== null && !Array.isArray(body)
}

function superfluous(body: unknown): AppError {
  const detail = 'Nothing is to be set here. Leave it out.'
  const names = isObject(body) ? Object.keys(body) : []
  if (names.length === 0) return validationFailed([{ pointer: '', detail }])
  return validationFailed(names.map(name => ({ pointer: jsonPointer(name), detail })))
}

/** The routes of this scope get the bytes of the body as they came, whatever the content type. */
export function readRawBodies(scope: FastifyInstance, rules: BodyRules): void {
  scope.removeAllContentTypeParsers()
  scope.addHook('onRequest', passAnyContentType)
  scope.addContentTypeParser('*', (request, payload, done) => {
    readBody(rules, payload, (error, body) => {
      restoreContentType(request.raw)
      done(error, body)
    })
  })
}

/** The routes of this scope read no body; Node discards it. So an unknown path is a 404, whatever its body is. */
export function ignoreBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
}

const anyContentType = 'application/octet-stream'
const mediaType = /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(?:;|$)/

/**
 * Fastify refuses a content type that is no media type: `json`, an empty one, two in one header. Who sends such a one often
 * cannot change it, so Fastify is shown another one until it has chosen who reads the body.
 */
const passAnyContentType: onRequestHookHandler = ({ raw: { headers } }, _reply, done) => {
  const { 'content-type': type } = headers
  if (type !== undefined && !mediaType.test(type)) headers['content-type'] = anyContentType
  done()
}

function unsupportedMediaType({ rawHeaders }: IncomingMessage): AppError {
  const given = givenContentType(rawHeaders)
    ?.slice(0, 100)
    .replace(/[^\x20-\x7e]/g, '?')
  // curl says of a body that it is a form, unless it is told.
  const detail = `A body with Content-Type: ${given} is not read here. Say that it is JSON: Content-Type: application/json.`
  return new AppError('unsupported_media_type', given?.trim() ? detail : mediaTypeHint)
}

function givenContentType(rawHeaders: readonly string[]): string | undefined {
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'content-type')
  return at === -1 ? undefined : rawHeaders[at + 1]
}

function restoreContentType({ headers, rawHeaders }: IncomingMessage): void {
  if (headers['content-type'] !== anyContentType) return
  headers['content-type'] = givenContentType(rawHeaders) ?? anyContentType
}

/** @throws AppError unsupported_media_type for a compressed body, where the service has to understand it */
export function refuseCoding(coding: string | undefined): void {
  if (coding === undefined || /^(identity)?$/i.test(coding.trim())) return
  throw new AppError(
    'unsupported_media_type',
    'A compressed body is not read here. Send it without Content-Encoding.',
  )
}

function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch (cause) {
    throw new AppError('malformed_json', 'The body is not valid UTF-8, which JSON must be.', { cause })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const where = cause instanceof Error ? ` (${cause.message.toWellFormed()})` : ''
    throw new AppError('malformed_json', `The body is not valid JSON${where}.`, { cause })
  }
  const twice = repeatedMember(text)
  if (twice !== undefined)
    throw validationFailed([{ pointer: twice, detail: 'This field is there twice. Give it once.' }])
  return value
}
