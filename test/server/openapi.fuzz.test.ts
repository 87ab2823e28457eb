import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { Compile } from 'typebox/schema'
import { textOf } from '../support/answer-text.ts'
import { boundaryValues, sampleOf } from '../support/bounds.ts'
import { type Operation, operationsOfDocument, type Schema } from '../support/document.ts'
import { atLength } from '../support/length.ts'
import { testService } from '../support/service.ts'

// Requests made from openapi.json by chance, right and wrong in all their parts: each answer has a status that the document
// names and a body that fits its schema there, and none is a fault of the service.

// What is sent for a test of a subscription goes nowhere.
const world = await testService({ ROLE: 'api', EGRESS_PROXY: 'http://127.0.0.1:9' })
after(() => world[Symbol.asyncDispose]())

/** Requests per operation. `FUZZ_RUNS` makes it longer. */
const runs = Number(process.env.FUZZ_RUNS ?? atLength(25, 8))
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)

interface DescribedResponse {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
}
interface Document {
  readonly paths: Readonly<
    Record<string, Record<string, { readonly responses: Record<string, DescribedResponse> }>>
  >
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}
const file = new URL('../../openapi.json', import.meta.url)
const document = JSON.parse(readFileSync(file, 'utf8')) as Document // checked by test/server/docs.test.ts

/** The schema with what it refers to in its place. */
function whole(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(whole)
  if (value === null || typeof value !== 'object') return value
  if ('$ref' in value) return whole(document.components.schemas[String(value.$ref).split('/').at(-1) ?? ''])
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, whole(inner)]))
}

const checks = new Map<string, ReturnType<typeof Compile>>()

/** What is wrong with an answer by the document; undefined: nothing. */
function fault({ method, path }: Operation, answer: Response, text: string): string | undefined {
  const said = `${answer.status} ${text.slice(0, 300)}`
  if (answer.status >= 500) return `a fault: ${said}`
  const described = document.paths[path]?.[method.toLowerCase()]?.responses[answer.status]
  if (described === undefined) return `a status that is not in the document: ${said}`
  const type = answer.headers.get('content-type')?.split(';')[0] ?? ''
  const schema = described.content?.[type]?.schema
  if (schema === undefined || !type.endsWith('json')) return undefined
  const key = `${method} ${path} ${answer.status} ${type}`
  const check = checks.get(key) ?? Compile(whole(schema) as object)
  checks.set(key, check)
  const value: unknown = JSON.parse(text)
  return check.Check(value) ? undefined : `a body that does not fit its schema: ${said}`
}

/** A value for a place: a right one, one at or over a bound, or anything. */
function valueFor(schema: Schema): fc.Arbitrary<unknown> {
  const atBounds = boundaryValues(schema, sampleOf(schema)).map(({ value }) => value)
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(sampleOf(schema)) },
    { weight: 3, arbitrary: atBounds.length > 0 ? fc.constantFrom(...atBounds) : fc.jsonValue() },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  )
}

function bodyFor(schema: Schema): fc.Arbitrary<unknown> {
  const fields = Object.fromEntries(
    Object.entries(schema.properties ?? {}).map(([name, property]) => [name, valueFor(property)]),
  )
  const required = [...(schema.required ?? [])]
  return fc.oneof(
    { weight: 6, arbitrary: fc.record(fields, { requiredKeys: required }) },
    { weight: 1, arbitrary: fc.record(fields, { requiredKeys: [] }) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  )
}

interface SentRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

const ids = fc.constantFrom(
  '1',
  '2',
  '3',
  'uid:none',
  'default',
  '01936b6e-0000-7000-8000-000000000000',
  'order.paid',
)

function requestFor({ path, parameters, body }: Operation): fc.Arbitrary<SentRequest> {
  const places = fc.tuple(
    ...parameters.map(({ schema, in: place }) =>
      place === 'path'
        ? fc.oneof({ weight: 4, arbitrary: ids }, { weight: 1, arbitrary: valueFor(schema) })
        : fc.option(valueFor(schema), { freq: 2, nil: undefined }),
    ),
  )
  const json = body === undefined ? fc.option(fc.jsonValue({ maxDepth: 2 }), { freq: 3 }) : bodyFor(body)
  return fc.tuple(places, json).map(([values, given]) => {
    let url = path
    const query = new URLSearchParams()
    const headers: Record<string, string> = {}
    for (const [index, { in: place, name }] of parameters.entries()) {
      const value = values[index]
      if (value === undefined || value === null) {
        if (place === 'path') url = url.replace(`{${name}}`, '1')
        continue
      }
      const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
      if (place === 'path')
        url = url.replace(`{${name}}`, encodeURIComponent(text.slice(0, 300).replace(/^\.+$/, 'x')) || 'x')
      else if (place === 'query') query.set(name, text.toWellFormed())
      else if (/^[\x21-\x7e]{1,2000}$/.test(text)) headers[name] = text
    }
    const body = given === null || given === undefined ? null : JSON.stringify(given)
    if (body !== null) headers['content-type'] ??= 'application/json'
    return { url: query.size > 0 ? `${url}?${query}` : url, headers, body }
  })
}

for (const operation of operationsOfDocument()) {
  const { method, path } = operation
  test(`${method} ${path} answers whatever it is sent as its document says`, async () => {
    await fc.assert(
      fc.asyncProperty(requestFor(operation), async ({ url, headers, body }) => {
        const init = method === 'GET' ? { method, headers } : { method, headers, body }
        const answer = await fetch(world.url + url, init)
        assert.equal(fault(operation, answer, await textOf(answer)), undefined)
      }),
      { numRuns: runs, seed, endOnFailure: true },
    )
  })
}
