import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { EventType, EventTypeImport } from '../../src/event-types/schema.ts'
import type { KeyCheck } from '../../src/http/auth.ts'
import { type Caller, Reach } from '../../src/model/caller.ts'
import { type TestAnswer, testServer } from '../support/server.ts'

const caller = (name: string, scope: Caller['scope'], tenant: string | null): Caller => ({
  actor: { kind: 'key', id: name, name },
  scope,
  reach: tenant === null ? Reach.all : Reach.of(tenant),
  expiresAt: null,
})
const callers: Readonly<Record<string, Caller>> = {
  admin: caller('admin', 'admin', null),
  acme: caller('acme', 'tenant', 'acme'),
  other: caller('other', 'tenant', 'other'),
  reader: caller('reader', 'read', 'acme'),
}
const keys: KeyCheck = { identify: authorization => callers[authorization ?? ''] }

const server = await testServer({ keys })
after(() => server[Symbol.asyncDispose]())
await server.world.database.query({
  text: "insert into tenants (id, name) values ('acme', 'Acme'), ('other', 'Other')",
})

const schema = Compile(EventType)
const ask = (who: string, method: string, path: string, json?: unknown) =>
  server.request(`/event-types${path}`, {
    method,
    headers: { authorization: who },
    ...(json === undefined ? {} : { json }),
  })

function typeOf(answer: TestAnswer, status = 200): EventType {
  assert.equal(answer.status, status, answer.text)
  assert.ok(schema.Check(answer.json), answer.text)
  return answer.json
}

const put = async (who: string, name: string, json: object, status = 201) =>
  typeOf(await ask(who, 'PUT', `/${encodeURIComponent(name)}`, json), status)

async function names(who: string, query = ''): Promise<readonly string[]> {
  const answer = await ask(who, 'GET', query)
  assert.equal(answer.status, 200, answer.text)
  return (answer.json as EventType[]).map(({ name, tenant }) => `${tenant ?? 'all'} ${name}`)
}

function faults(answer: TestAnswer): readonly string[] {
  assert.equal(answer.status, 422, answer.text)
  return Object(answer.json).errors.map(({ pointer }: { pointer: string }) => pointer)
}

async function actions(name: string): Promise<readonly string[]> {
  const answer = await server.request(`/audit?subject=event_type:${encodeURIComponent(name)}`, {
    headers: { authorization: 'admin' },
  })
  return (answer.json as { action: string }[]).map(({ action }) => action)
}

const order = { type: 'object', required: ['id'], properties: { id: { type: 'string' } } }

test('a type is made, read, replaced and deleted, and each change is recorded', async () => {
  const made = await put('admin', 'order/paid', {
    description: 'Paid',
    schema: order,
    examples: [{ id: 'a' }],
    validate: 'reject',
  })
  assert.deepEqual(made, await typeOf(await ask('admin', 'GET', '/order%2Fpaid/')))
  assert.deepEqual([made.tenant, made.schema, made.deprecated], [null, order, false])
  const replaced = await put('admin', 'order/paid', { deprecated: true }, 200)
  const { description, schema: none, examples, deprecated, validate } = replaced
  assert.deepEqual([description, none, examples, deprecated, validate], [null, null, [], true, 'off'])
  assert.equal((await ask('admin', 'DELETE', '/order%2Fpaid')).status, 204)
  assert.equal((await ask('admin', 'DELETE', '/order%2Fpaid')).status, 404)
  assert.equal((await ask('admin', 'GET', '/order%2Fpaid')).status, 404)
  assert.deepEqual(await actions('order/paid'), [
    'event_type.deleted',
    'event_type.updated',
    'event_type.created',
  ])
})

test('a tenant sees those of the installation and its own, which come first, and changes only its own', async () => {
  await put('admin', 'a.shared', { description: 'of all' })
  await put('admin', 'b.shared', {})
  await put('acme', 'a.shared', { description: 'of acme' })
  await put('acme', 'c.own', {})
  await put('admin', 'd.other?tenant=other'.split('?')[0] ?? '', {}, 201)
  assert.deepEqual(await names('acme'), ['all d.other', 'acme c.own', 'acme a.shared', 'all b.shared'])
  assert.deepEqual(await names('reader'), await names('acme'))
  assert.deepEqual(await names('other'), ['all d.other', 'all b.shared', 'all a.shared'])
  assert.deepEqual(await names('admin'), ['all d.other', 'all b.shared', 'all a.shared'])
  assert.deepEqual(await names('admin', '?tenant=acme'), await names('acme'))
  assert.equal(typeOf(await ask('acme', 'GET', '/a.shared')).description, 'of acme')
  assert.equal(typeOf(await ask('other', 'GET', '/a.shared')).description, 'of all')
  assert.equal((await ask('other', 'GET', '/c.own')).status, 404)
  assert.equal((await ask('acme', 'DELETE', '/b.shared')).status, 404)
  assert.equal((await ask('acme', 'GET', '?tenant=other')).status, 403)
  assert.equal((await ask('acme', 'PUT', '/x?tenant=other', {})).status, 403)
  assert.equal((await ask('reader', 'PUT', '/x', {})).status, 403)
  assert.equal((await ask('acme', 'DELETE', '/a.shared')).status, 204)
  assert.equal(typeOf(await ask('acme', 'GET', '/a.shared')).description, 'of all')
  assert.deepEqual(faults(await ask('admin', 'PUT', '/x?tenant=nobody', {})), ['tenant'])
})

test('a page leads to the next one', async () => {
  const all = await names('acme')
  const paged: string[] = []
  let query: string | undefined = '?limit=2'
  while (query !== undefined) {
    const answer = await ask('acme', 'GET', query)
    paged.push(...(answer.json as EventType[]).map(({ name, tenant }) => `${tenant ?? 'all'} ${name}`))
    query = /<\/event-types([^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1]
  }
  assert.deepEqual(paged, all)
})

test('what is wrong is refused with its place, and nothing is changed', async () => {
  for (const [body, pointer] of [
    [{ schema: { type: 'strin' } }, '/schema/type'],
    [{ schema: { properties: { a: { pattern: '(?=x)' } } } }, '/schema/properties/a/pattern'],
    [{ schema: 'text' }, '/schema'],
    [{ schema: order, examples: [{ id: 'a' }, { id: 1 }] }, '/examples/1/id'],
    [{ examples: Array.from({ length: 11 }, () => 1) }, '/examples'],
    [{ validate: 'maybe' }, '/validate'],
    [{ validates: 'off' }, '/validates'],
    [{ description: 'x\u0000' }, '/description'],
    [{ description: 'x'.repeat(5001) }, '/description'],
  ] as const) {
    assert.deepEqual(faults(await ask('admin', 'PUT', '/wrong', body)), [pointer], JSON.stringify(pointer))
  }
  for (const name of ['a%20b', 'x'.repeat(129), 'openapi.json', '%F0%9F%99%82']) {
    assert.deepEqual(faults(await ask('admin', 'PUT', `/${name}`, {})), ['name'], name)
  }
  for (const [body, pointer] of [
    [`{"examples":${'['.repeat(5000)}${']'.repeat(5000)}}`, '/examples'],
    [`{"schema":${'{"items":'.repeat(5000)}{}${'}'.repeat(5000)}}`, '/schema'],
  ] as const) {
    const headers = { authorization: 'admin', 'content-type': 'application/json' }
    const answer = await server.request('/event-types/wrong', { method: 'PUT', headers, body })
    assert.deepEqual(faults(answer), [pointer])
  }
  assert.equal((await ask('admin', 'GET', '/wrong')).status, 404)
  assert.deepEqual(await actions('wrong'), [])
})

test('a catalogue does not grow without end', async () => {
  const { database } = server.world
  await database.query({
    text: "insert into event_types (tenant, name) select 'other', 'type.' || n from generate_series(1, 999) n",
  })
  await put('other', 'one.more', {})
  const full = await ask('other', 'PUT', '/too.many', {})
  assert.equal(full.status, 409)
  assert.equal(Object(full.json).code, 'catalogue_full')
  await put('other', 'one.more', { description: 'can still be changed' }, 200)
  await database.query({ text: "delete from event_types where tenant = 'other'" })
  await database.query({
    text: `insert into event_types (tenant, name, examples) select 'other', 'type.' || n, to_json(array[repeat('x', 60000)])
           from generate_series(1, 69) n`,
  })
  assert.equal((await ask('other', 'PUT', '/large', { examples: ['x'.repeat(60_000)] })).status, 409)
  await database.query({ text: "delete from event_types where tenant = 'other'" })
})

test('a document is imported: what is new, changed, as before, or cannot be used', async () => {
  const check = Compile(EventTypeImport)
  const webhook = (more: object, operation: object = {}) => ({
    post: { ...operation, requestBody: { content: { 'application/json': more } } },
  })
  const document = (webhooks: object) => ({
    openapi: '3.1.0',
    info: {},
    webhooks,
    components: { schemas: { Order: order } },
  })
  const run = async (body: object) => {
    const answer = await ask('acme', 'POST', '/import', body)
    assert.equal(answer.status, 200, answer.text)
    assert.ok(check.Check(answer.json), answer.text)
    return answer.json
  }
  await put('acme', 'i.kept', { description: 'as it was', validate: 'reject' })
  const webhooks = {
    'i.new': webhook(
      { schema: { $ref: '#/components/schemas/Order' }, example: { id: 'a' } },
      { summary: 'New', 'x-validate': 'reject' },
    ),
    'i.kept': webhook({}, { description: 'as it is' }),
    'i.wrong': webhook({ schema: { type: 'strin' } }),
    'i.lost': webhook({ schema: { $ref: '#/components/schemas/Nothing' } }),
    'not a name': webhook({}),
    'i.none': { get: {} },
  }
  const first = await run(document(webhooks))
  assert.deepEqual([first.created, first.updated, first.unchanged], [['i.new'], ['i.kept'], []])
  assert.deepEqual(
    first.refused.map(({ name, errors }) => [name, errors[0]?.pointer]),
    [
      ['i.wrong', '/schema/type'],
      ['i.lost', '/schema'],
      ['not a name', ''],
      ['i.none', '/post'],
    ],
  )
  const made = typeOf(await ask('acme', 'GET', '/i.new'))
  assert.deepEqual(
    [made.description, made.schema, made.examples, made.validate],
    ['New', order, [{ id: 'a' }], 'reject'],
  )
  assert.equal(typeOf(await ask('acme', 'GET', '/i.kept')).validate, 'reject', 'without x-validate as it was')
  assert.deepEqual(await actions('i.kept'), ['event_type.updated', 'event_type.created'])
  const again = await run(document(webhooks))
  assert.deepEqual([again.created, again.updated, again.unchanged], [[], [], ['i.new', 'i.kept']])
  assert.equal((await actions('i.kept')).length, 2, 'what is as before leaves no entry')
  const exported = (await ask('acme', 'GET', '/openapi.json')).json as object
  assert.deepEqual((await run(exported)).updated, [])
})

test('a document that is none is refused as a whole', async () => {
  const many = Object.fromEntries(Array.from({ length: 201 }, (_, index) => [`t.${index}`, {}]))
  const deep = JSON.parse(`${'{"a":'.repeat(200)}{}${'}'.repeat(200)}`)
  for (const [body, pointer] of [
    [{ openapi: '3.0.3', webhooks: {} }, '/openapi'],
    [{ openapi: '3.1.0' }, '/webhooks'],
    [{ openapi: '3.1.0', webhooks: [] }, '/webhooks'],
    [{ openapi: '3.1.0', webhooks: many }, '/webhooks'],
    [{ openapi: '3.1.0', webhooks: { a: deep } }, ''],
  ] as const) {
    assert.deepEqual(faults(await ask('admin', 'POST', '/import', body)), [pointer])
  }
})
