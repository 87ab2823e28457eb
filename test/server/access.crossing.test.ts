import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { recordFinalAttempts } from '../../src/log/store.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import { access } from '../../src/server/access.ts'
import { textOf } from '../support/answer-text.ts'
import { sampleOf } from '../support/bounds.ts'
import { type Operation, operationsOfDocument } from '../support/document.ts'
import { eventually } from '../support/eventually.ts'
import { aKey, aPortalToken, aTenant } from '../support/keys.ts'
import { owe } from '../support/rows.ts'
import { testService } from '../support/service.ts'

// Two tenants, a key of each scope, and every route of the table, against the whole service. The requests are made from the
// table and from openapi.json, so that a new route is tried as soon as it has an entry.

// What is sent for a test of a subscription goes nowhere.
const world = await testService({ AUTH: 'keys', ROLE: 'api', EGRESS_PROXY: 'http://127.0.0.1:9' })
const { database } = world.world
after(() => world[Symbol.asyncDispose]())

const newId = uuidV7Source(systemClock())

/** What is red's says so, and blue must never read it. */
const mark = 'seen-by-nobody-else'

for (const tenant of ['blue', 'red']) await aTenant(database, tenant)
const keys = {
  admin: await aKey(database, 'admin'),
  'read of all': await aKey(database, 'read'),
  tenant: await aKey(database, 'tenant', 'blue'),
  publish: await aKey(database, 'publish', 'blue'),
  read: await aKey(database, 'read', 'blue'),
  portal: (await aPortalToken(database, 'blue')).token,
  'portal to read': (await aPortalToken(database, 'blue', true)).token,
}
type Holder = keyof typeof keys
const holders = Object.keys(keys) as readonly Holder[] // the keys of the object above

/** Those that are for blue only. */
const ofBlue = ['tenant', 'publish', 'read', 'portal', 'portal to read'] as const

/** Who may call what, as the documentation says it. */
const allowed: Readonly<Record<string, readonly Holder[]>> = {
  any: holders,
  publish: ['admin', 'tenant', 'publish', 'portal'],
  read: ['admin', 'read of all', 'tenant', 'read', 'portal', 'portal to read'],
  write: ['admin', 'tenant', 'portal'],
  keys: ['admin', 'tenant'],
  read_all: ['admin', 'read of all'],
  admin: ['admin'],
}

async function aSubscription(tenant: string): Promise<number> {
  const answer = await send('POST', '/subscriptions/', keys.admin, {
    json: { target_url: `https://example.com/${mark}`, paused: true, tenant },
  })
  assert.equal(answer.status, 201, answer.text)
  return Object(JSON.parse(answer.text)).id
}

async function anEvent(tenant: string): Promise<string> {
  return owe(database, {
    webhookId: newId(),
    tenant,
    eventType: mark,
    subscriptionIds: [await aSubscription(tenant)],
  })
}

async function anAttempt(tenant: string): Promise<string> {
  const id = newId()
  const at = { id, timestamp: Date.now(), nextAt: null, durationMs: 1, attempt: 1 }
  const badly = { status: 'failed', verdict: 'given_up', httpStatus: 500, error: mark } as const
  const of = { subscriptionId: await aSubscription(tenant), webhookId: newId() }
  await recordFinalAttempts(database, [{ ...at, ...badly, ...of }])
  return id
}

let tenants = 0
let types = 0

/** Another one each time, since some are deleted. */
async function anotherTenant(): Promise<string> {
  const id = `green-${++tenants}`
  await aTenant(database, id)
  return id
}

async function aKeyOf(tenant: string): Promise<number> {
  await aKey(database, 'read', tenant, mark)
  const { rows } = await database.query<{ id: number }>({ text: 'select max(id) as id from api_keys' })
  return rows[0]?.id ?? 0
}

async function aReplay(tenant: string): Promise<string> {
  const answer = await send('POST', '/replays', keys.admin, {
    json: { filter: { tenant, event_type: mark } },
  })
  assert.equal(answer.status, 202, answer.text)
  const { id } = Object(JSON.parse(answer.text))
  // What runs in the background has come to its end, so that what changes afterwards was changed by a request.
  await eventually(async () => {
    const { rows } = await database.query({ text: 'select from replays where finished_at is null' })
    return rows.length === 0
  })
  return id
}

async function anExpunge(tenant: string): Promise<string> {
  const answer = await send('POST', '/events/expunge', keys.admin, {
    json: { tenant, before: '2020-01-01T00:00:00Z' },
  })
  assert.equal(answer.status, 202, answer.text)
  const { id } = Object(JSON.parse(answer.text))
  await eventually(async () => {
    const { rows } = await database.query({ text: 'select from expunges where finished_at is null' })
    return rows.length === 0
  })
  return id
}

async function aTestReceiver(tenant: string): Promise<number> {
  // Those of the tests before, of which a tenant can have twenty.
  await database.query({ text: 'delete from test_receivers where tenant = $1', values: [tenant] })
  const answer = await send('POST', '/test-receivers', keys.admin, { json: { tenant, name: mark } })
  assert.equal(answer.status, 201, answer.text)
  return Object(JSON.parse(answer.text)).id
}

async function aSource(tenant: string): Promise<number> {
  const json = { tenant, name: mark, preset: 'github', secrets: [mark], metadata: { mark } }
  const answer = await send('POST', '/sources', keys.admin, { json })
  assert.equal(answer.status, 201, answer.text)
  return Object(JSON.parse(answer.text)).id
}

/** How a thing is made that the parameter of a path names, and an id of its kind that is nobody's. */
interface Thing {
  make(tenant: string): Promise<string | number>
  readonly unknown: string
  /** How an operator, who is for all tenants, says that red's is meant; the id alone unless given. */
  readonly ofRed?: string
}
const nobodysUuid = '01936b6e-0000-7000-8000-000000000000'
const subscription: Thing = { make: aSubscription, unknown: '2000000000' }
const event: Thing = { make: anEvent, unknown: nobodysUuid }

/** By the path up to the parameter. A route with a parameter that is not here fails: say how to make one. */
const things: Readonly<Record<string, Thing>> = {
  '/subscriptions/:id': subscription,
  '/logs/:subscription_id': {
    ...subscription,
    // With something in its log.
    async make(tenant) {
      const attempt = await anAttempt(tenant)
      const { rows } = await database.query<{ id: number }>({
        text: 'select subscription_id as id from delivery_logs where id = $1',
        values: [attempt],
      })
      return rows[0]?.id ?? 0
    },
  },
  '/ingest/:id': subscription,
  '/status/:webhook_id': event,
  '/events/:webhook_id': event,
  '/replays/:id': { make: aReplay, unknown: nobodysUuid },
  '/attempts/:id': { make: anAttempt, unknown: nobodysUuid },
  '/event-types/:name': {
    async make(tenant) {
      const name = `theirs.${++types}`
      const answer = await send('PUT', `/event-types/${name}`, keys.admin, {
        json: { description: mark },
        query: `?tenant=${tenant}`,
      })
      assert.ok(answer.status < 300, answer.text)
      return name
    },
    // Another one each time: a PUT makes it.
    get unknown() {
      return `nobodys.${++types}`
    },
    ofRed: '?tenant=red',
  },
  '/events/expunges/:id': { make: anExpunge, unknown: nobodysUuid },
  '/test-receivers/:id': { make: aTestReceiver, unknown: '2000000000' },
  '/sources/:id': { make: aSource, unknown: '2000000000' },
  '/tenants/:id': { make: anotherTenant, unknown: 'nobody' },
  '/keys/:id': { make: aKeyOf, unknown: '2000000000' },
  '/portal-tokens/:id': {
    make: async tenant => (await aPortalToken(database, tenant)).id,
    unknown: '2000000000',
  },
}

interface Route {
  readonly entry: string
  readonly method: string
  /** As in the table: `/subscriptions/:id`. */
  readonly path: string
  readonly kind: string
  /** Undefined: a page that is not in the document. */
  readonly operation: Operation | undefined
}

const operations = operationsOfDocument()
const routes: readonly Route[] = Object.entries(access)
  .filter(([entry]) => !entry.endsWith('*'))
  .map(([entry, kind]) => {
    const [method = '', path = ''] = entry.split(' ')
    const documented = path.replaceAll(/:(\w+)/g, '{$1}')
    return { entry, method, path, kind, operation: operations.find(isAt) }
    function isAt(one: Operation): boolean {
      return one.method === method && one.path === documented
    }
  })
/** The dashboard signs in with a key in the body, and out with its session: test/keys/sessions.test.ts. */
const ofDashboard = ['POST /ui/session', 'DELETE /ui/session']
/** Those that ask who calls. A path of `own` takes a signature instead of a key; with a key it is as `publish`. */
const asking = routes.filter(({ kind, entry }) => kind !== 'open' && !ofDashboard.includes(entry))

interface Answer {
  readonly status: number
  readonly text: string
}

async function send(
  method: string,
  path: string,
  key: string | undefined,
  { json, query = '' }: { readonly json?: unknown; readonly query?: string } = {},
): Promise<Answer> {
  const headers: Record<string, string> = {}
  if (key !== undefined) headers.authorization = `Bearer ${key}`
  if (json !== undefined) headers['content-type'] = 'application/json'
  const body = json === undefined ? null : JSON.stringify(json)
  const answer = await fetch(`${world.url}${path}${query}`, { method, headers, body })
  return { status: answer.status, text: await textOf(answer) }
}

/** A body with what is required, of values that are right. */
function bodyOf({ operation, method }: Route): object | undefined {
  const schema = operation?.body
  if (schema === undefined) return method === 'GET' || method === 'DELETE' ? undefined : {}
  const { properties = {}, required = [] } = schema
  return Object.fromEntries(required.map(name => [name, sampleOf(properties[name] ?? {})]))
}

function thingOf({ entry, path }: Route): Thing {
  const until = path.slice(0, path.search(/:\w+/)) + (/:\w+/.exec(path)?.[0] ?? '')
  const thing = things[until]
  assert.ok(thing, `${entry}: say in this test how to make what ${until} names`)
  return thing
}

const isOfOne = ({ path }: Route) => path.includes(':')
const withId = (path: string, id: string | number) => path.replace(/:\w+/, String(id))

test('every route of the table that asks for a key is in the document, so that it can be tried', () => {
  assert.ok(asking.length > 10)
  const missing = asking.filter(({ operation }) => operation === undefined).map(({ entry }) => entry)
  assert.deepEqual(missing, [])
})

for (const route of asking) {
  const { entry, method, path, kind } = route

  test(`${entry}: nobody without a key`, async () => {
    const at = isOfOne(route) ? withId(path, thingOf(route).unknown) : path
    assert.equal((await send(method, at, undefined, { json: bodyOf(route) })).status, 401)
  })

  test(`${entry}: as the table says, which is "${kind}"`, async () => {
    const who = allowed[kind === 'own' ? 'publish' : kind]
    assert.ok(who, `say in this test who may call what is "${kind}"`)
    const at = isOfOne(route) ? withId(path, thingOf(route).unknown) : path
    for (const holder of holders) {
      const { status, text } = await send(method, at, keys[holder], { json: bodyOf(route) })
      if (who.includes(holder)) {
        assert.ok(![401, 403].includes(status) && status < 500, `${holder}: ${status} ${text}`)
      } else {
        assert.equal(status, 403, `${holder}: ${text}`)
        assert.match(text, /"code":"forbidden"/)
      }
    }
  })
}

/** A body without the id of this request, and without the id that was asked for. */
const asIfNobodys = (text: string, id: string | number) =>
  text.replace(/"urn:uuid:[^"]+"/, '""').replace(new RegExp(`\\b${id}\\b`, 'g'), 'ID')

for (const route of asking.filter(isOfOne)) {
  test(`${route.entry}: what is another tenant's is answered as what does not exist, and stays as it is`, async () => {
    const thing = thingOf(route)
    const id = await thing.make('red')
    const before = await contentsOf('red')
    for (const holder of ofBlue) {
      const ask = (one: string | number) =>
        send(route.method, withId(route.path, one), keys[holder], { json: bodyOf(route) })
      const nobody = thing.unknown
      const [theirs, nobodys] = [await ask(id), await ask(nobody)]
      // Where a PUT makes what is not there, both have made one of their own.
      if (route.method === 'PUT' && theirs.status < 300 && nobodys.status < 300) continue
      assert.equal(theirs.status, nobodys.status, theirs.text)
      assert.equal(asIfNobodys(theirs.text, id), asIfNobodys(nobodys.text, nobody))
      const isAllowed = allowed[route.kind === 'own' ? 'publish' : route.kind]?.includes(holder)
      assert.equal(theirs.status, isAllowed ? 404 : 403, `${holder}: ${theirs.text}`)
    }
    assert.equal(await contentsOf('red'), before)
    // Without this all of the above could be for want of the thing itself.
    const own = await send(route.method, withId(route.path, id), keys.admin, {
      json: bodyOf(route),
      query: thing.ofRed ?? '',
    })
    assert.ok(own.status !== 404 && own.status < 500, own.text)
  })
}

/** All that a tenant has, in every table that says whose a row is. */
async function contentsOf(tenant: string): Promise<string> {
  const { rows: tables } = await database.query<{ name: string }>({
    text: `select table_name as name from information_schema.columns join information_schema.tables using (table_schema, table_name)
           where column_name = 'tenant' and table_schema = 'public' and table_type = 'BASE TABLE' order by 1`,
  })
  const texts = await Promise.all(
    tables.map(async ({ name }) => {
      const { rows } = await database.query<{ row: string }>({
        text: `select (to_jsonb(t) - 'last_used_at')::text as row from "${name}" t where tenant = $1 order by 1`,
        values: [tenant],
      })
      return [name, ...rows.map(({ row }) => row)].join('\n')
    }),
  )
  return texts.join('\n')
}

for (const route of asking) {
  const named = (route.operation?.parameters ?? []).filter(one => /^(x-)?tenant$/i.test(one.name))
  for (const parameter of named) {
    test(`${route.entry}: another tenant in the ${parameter.in} is refused`, async () => {
      for (const holder of ofBlue.filter(isLetIn)) {
        const headers: Record<string, string> = { authorization: `Bearer ${keys[holder]}` }
        if (parameter.in === 'header') headers[parameter.name] = 'red'
        const query = parameter.in === 'query' ? `?${parameter.name}=red` : ''
        const path = isOfOne(route) ? withId(route.path, thingOf(route).unknown) : route.path
        const json = bodyOf(route)
        if (json !== undefined) headers['content-type'] = 'application/json'
        const body = json === undefined ? null : JSON.stringify(json)
        const answer = await fetch(`${world.url}${path}${query}`, { method: route.method, headers, body })
        assert.equal(answer.status, 403, `${holder}: ${await textOf(answer)}`)
      }
    })
  }
  if (route.operation?.body?.properties?.tenant && !route.operation.body.properties.tenant.readOnly) {
    test(`${route.entry}: another tenant in the body is refused`, async () => {
      for (const holder of ofBlue.filter(isLetIn)) {
        const json = { ...bodyOf(route), tenant: 'red' }
        const { status, text } = await send(route.method, route.path, keys[holder], { json })
        assert.equal(status, 403, `${holder}: ${text}`)
      }
    })
  }

  function isLetIn(holder: Holder): boolean {
    return allowed[route.kind]?.includes(holder) ?? false
  }
}

for (const route of asking.filter(one => one.method === 'GET' && !isOfOne(one))) {
  test(`${route.entry}: shows nothing of another tenant`, async () => {
    for (const { make } of Object.values(things)) await make('red')
    for (const holder of ofBlue) {
      const { text } = await send('GET', route.path, keys[holder])
      assert.ok(!text.includes(mark), text)
      assert.ok(!text.includes('"red"'), text)
    }
  })
}

/** What is no object of texts and numbers. */
const rightBodies: Readonly<Record<string, unknown>> = {
  'POST /replays': { filter: { state: 'failed' } },
  'POST /events/batch': [],
}

/** Whoever collects figures may be set up to send parameters. */
for (const route of asking.filter(({ kind, path }) => kind !== 'own' && path !== '/metrics')) {
  test(`${route.entry}: a parameter that it does not know is refused, and not taken for none`, async () => {
    const path = isOfOne(route) ? withId(route.path, thingOf(route).unknown) : route.path
    const { status, text } = await send(route.method, path, keys.admin, {
      json: rightBodies[route.entry] ?? bodyOf(route),
      query: '?tenamt=red',
    })
    assert.equal(status, 422, text)
    assert.match(text, /"pointer":"tenamt"/)
  })
}
