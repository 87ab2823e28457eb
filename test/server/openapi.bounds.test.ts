import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, test } from 'node:test'
import { textOf as textFrom } from '../support/answer-text.ts'
import { type BoundaryValue, boundaryValues, sampleOf } from '../support/bounds.ts'
import { makeCertificate } from '../support/certificate.ts'
import { type Operation, operationsOfDocument, type Parameter } from '../support/document.ts'
import { atLength } from '../support/length.ts'
import { testService } from '../support/service.ts'

// What openapi.json says of each value is what the service does: values at each bound pass, those just over it do not.

// What is sent for a test of a subscription goes nowhere.
const world = await testService({ ROLE: 'api', EGRESS_PROXY: 'http://127.0.0.1:9' })
after(() => world[Symbol.asyncDispose]())

// With this scheme any text can be the signing secret, as the document says. With v1 it must be a key.
const signing = { scheme: 'hub-sha256' }
const target = { target_url: 'https://example.com/hooks' }

async function create(): Promise<number> {
  const answer = await send('POST', '/subscriptions/', { ...target, signing })
  return Object(await answer.json()).id
}

let tenants = 0

async function createTenant(): Promise<string> {
  const id = `tenant-${++tenants}`
  await send('POST', '/tenants', { id, name: id })
  return id
}

function send(
  method: string,
  path: string,
  json?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const given = json === undefined ? headers : { 'content-type': 'application/json', ...headers }
  return fetch(world.url + path, {
    method,
    headers: given,
    body: json === undefined ? null : JSON.stringify(json),
  })
}

/** An operation with one value in it that is to be looked at; all else is right. */
interface Trial {
  readonly boundary: BoundaryValue
  readonly json?: unknown
  readonly parameter?: Parameter
}

/** What trials of an operation are about that leave it as it was for the next: to make it takes as long as a trial. */
const shared = new Map<Operation, Promise<string | number>>()

function subjectOf(
  operation: Operation,
  { boundary: { isAllowed } }: Trial,
  make: () => Promise<string | number>,
): Promise<string | number> {
  if (operation.method === 'DELETE' || (operation.method === 'PATCH' && isAllowed)) return make()
  const subject = shared.get(operation) ?? make()
  shared.set(operation, subject)
  return subject
}

async function ask(operation: Operation, trial: Trial): Promise<Response> {
  const { method, path, body, parameters } = operation
  const { boundary, parameter } = trial
  const isOfTenant = path.startsWith('/tenants/')
  const isNamed = parameters.some(one => one.in === 'path' && one.schema.format !== 'uuid')
  const subscription = isNamed && !isOfTenant ? await subjectOf(operation, trial, create) : ''
  const tenant = isOfTenant ? await subjectOf(operation, trial, createTenant) : ''
  const textOf = (one: Parameter) => {
    if (one === parameter) return String(boundary.value)
    if (isOfTenant) return tenant
    return one.schema.format === 'uuid' ? String(sampleOf(one.schema)) : String(subscription)
  }
  const url = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const one = parameters.find(candidate => candidate.in === 'path' && candidate.name === name)
    return encodeURIComponent(one === undefined ? '' : textOf(one))
  })
  const query =
    parameter?.in === 'query' ? `?${new URLSearchParams({ [parameter.name]: String(boundary.value) })}` : ''
  const headers: Record<string, string> =
    parameter?.in === 'header' ? { [parameter.name]: String(boundary.value) } : {}
  if (path === '/events/batch') return send(method, url + query, [], headers)
  const needsBody = path.startsWith('/ingest/') || (body?.required ?? []).length > 0 || method === 'PATCH'
  const right = path.endsWith('/recover')
    ? { since: '2026-01-01T00:00:00Z' }
    : path === '/sources/{id}/rotate-secret'
      ? { secret: 'x' }
      : path.startsWith('/test-receivers/') || path.startsWith('/sources/')
        ? {}
        : target
  return send(method, url + query, 'json' in trial ? trial.json : needsBody ? right : undefined, headers)
}

/** The whole body with one value at or over a bound in it. */
function bodyOf({ method, path }: Operation, { way, value }: BoundaryValue): unknown {
  if (way.length === 0) return value
  if (path === '/keys' || path === '/portal-tokens') {
    const given = Object(value)
    return given.scope === 'admin' || given.scope === 'read' ? given : { tenant: 'default', ...given }
  }
  if (path === '/sources' || path === '/sources/{id}') return bodyOfSource(Object(value), way)
  if (path === '/replays' && way[0] !== 'filter') return { ...Object(value), filter: { state: 'failed' } }
  if (!path.startsWith('/subscriptions/')) return value
  if (way[0] === 'inbound' && way.length > 1) {
    const { inbound, ...rest } = Object(value)
    return { ...rest, inbound: { preset: 'github', secrets: ['a secret'], ...inbound } }
  }
  const isCreate = method === 'POST' && ['/subscriptions/', '/subscriptions/test'].includes(path)
  if (way[0] === 'auth' && way.length > 1) return { ...Object(value), auth: authWith(Object(value).auth) }
  if (way[0] === 'signing' && way.length > 1)
    return { ...Object(value), signing: signingWith(Object(value).signing) }
  return isCreate && way[0] === 'signing_secret' ? { signing, ...Object(value) } : value
}

/** With a secret that can be used as the body says; a way to sign of one's own is for the preset `hmac`. */
function bodyOfSource(given: Record<string, unknown>, [field]: readonly string[]): unknown {
  if (field === undefined || field === 'secrets' || field === 'preset') return given
  const { signature } = given
  if (field !== 'signature' || signature === null) return { secrets: ['a secret'], ...given }
  const secret = Object(signature).algorithm === 'ecdsa-sha256' ? ecdsaKey : '0'.repeat(64)
  return { ...given, preset: 'hmac', secrets: [secret] }
}

const ecdsaKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .publicKey.export({ format: 'der', type: 'spki' })
  .toString('base64')

const certificate = await makeCertificate('client.test')
const whole: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  basic: { username: 'a', password: 'b' },
  bearer: { token: 'a' },
  oauth2: { token_url: 'https://auth.example.com/token', client_id: 'a', client_secret: 'b' },
  mtls: { certificate: certificate.cert, key: certificate.key },
}

/** What the other fields have to be, so that one of them can be any value. */
function authWith(given: Readonly<Record<string, unknown>>): object {
  const { type } = given
  if (type !== undefined) return { ...whole[String(type)], ...given }
  const [name = ''] = Object.keys(given)
  const ofOAuth = ['client_auth', 'scope', 'audience'].includes(name) ? 'oauth2' : 'none'
  const found = Object.keys(whole).find(one => name in (whole[one] ?? {})) ?? ofOAuth
  // Null takes a field away: then it needs none of the others either.
  const isTaken = given[name] === null && name in (whole[found] ?? {})
  return isTaken ? given : { type: found, ...whole[found], ...given }
}

function signingWith(given: Readonly<Record<string, unknown>>): object {
  const { custom } = given
  if (custom !== undefined && (typeof custom !== 'object' || Array.isArray(custom))) return given
  return { ...given, custom: { content: '{body}', header: 'X-Signature', ...Object(custom) } }
}

/** What HTTP itself changes or cannot carry in a place says nothing about the service. */
function canBeSent(place: Parameter['in'], { what, value }: BoundaryValue): boolean {
  if (what.startsWith('type ') || value === null) return false
  return place !== 'header' || /^[\x21-\xff]+$/.test(String(value))
}

/** Operations that read their body by the schema of `POST /subscriptions/`, where each of 900 values is tried. */
const sameBody = ['POST /subscriptions/test', 'PUT /subscriptions/{id}']

function trialsOf(operation: Operation): readonly Trial[] {
  const all = operation.body === undefined ? [] : boundaryValues(operation.body)
  const index = sameBody.indexOf(`${operation.method} ${operation.path}`)
  const step = index < 0 ? 1 : atLength(1, 4)
  const ofBody = all.filter((_, n) => (n - index) % step === 0)
  return [
    ...ofBody.map(boundary => ({ boundary, json: bodyOf(operation, boundary) })),
    ...operation.parameters.flatMap(parameter =>
      boundaryValues(parameter.schema)
        .filter(boundary => canBeSent(parameter.in, boundary))
        .map(boundary => ({ boundary, parameter })),
    ),
  ]
}

/** Not found, another version: what a value that is no right one may be answered with besides 422. */
const refusals: Readonly<Record<string, readonly number[]>> = {
  body: [422],
  query: [422],
  header: [412, 422],
  path: [404, 422],
}
/** What a value that is right in itself may meet: nothing is there, its id is taken, it is a version or a cursor of something else. */
const answers: Readonly<Record<string, readonly number[]>> = {
  body: [200, 201, 202, 404, 409],
  query: [200, 202, 400, 404],
  header: [200, 202, 204, 412],
  path: [200, 202, 204, 404],
}

/** The same value was there in another trial, it is a cursor of nothing, or other trials run. */
const isOfAnother =
  /"code":"(idempotency_key_reused|idempotency_in_progress|event_id_taken|invalid_cursor|too_many_tests)"/

/** It names the type, which was right, and not what was wrong. */
const saysNothing = /"detail":"[^"]*(Give a text|Give an array|This value is not allowed here)[.]"/

/** What is wrong with the answer; undefined: nothing. */
async function fault(operation: Operation, trial: Trial): Promise<string | undefined> {
  const { boundary, parameter } = trial
  const answer = await ask(operation, trial)
  const text = await textFrom(answer)
  const expected = (boundary.isAllowed ? answers : refusals)[parameter?.in ?? 'body'] ?? []
  const isDocumented = operation.statuses.includes(String(answer.status))
  if (!boundary.isAllowed && !boundary.what.includes('type ') && saysNothing.test(text))
    return `${parameter?.name ?? boundary.way.join('/')}, over ${boundary.what}: ${text.slice(0, 300)}`
  if (expected.includes(answer.status) && isDocumented) return undefined
  if (boundary.isAllowed && isDocumented && isOfAnother.test(text)) return undefined
  const where = parameter?.name ?? `/${boundary.way.join('/')}`
  return `${where}, ${boundary.isAllowed ? 'at' : 'over'} ${boundary.what}: ${answer.status} ${text.slice(0, 300)}`
}

for (const operation of operationsOfDocument()) {
  const trials = trialsOf(operation)
  if (trials.length === 0) continue
  test(`${operation.method} ${operation.path} keeps to the bounds that its document says`, async () => {
    const wrong: string[] = []
    for (let from = 0; from < trials.length; from += 16) {
      const found = await Promise.all(trials.slice(from, from + 16).map(trial => fault(operation, trial)))
      wrong.push(...found.flatMap(one => one ?? []))
    }
    assert.deepEqual(wrong, [])
  })
}

test('the document says bounds, and many of them', () => {
  const trials = operationsOfDocument().flatMap(trialsOf)
  assert.ok(trials.filter(({ boundary }) => boundary.isAllowed).length > 200)
  assert.ok(trials.filter(({ boundary }) => !boundary.isAllowed).length > 400)
})
