import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withdrawAccess } from '../../src/keys/keys.ts'
import { localOperator, Reach } from '../../src/model/caller.ts'
import { checkTenant, Tenants } from '../../src/tenants/tenants.ts'
import { testDatabase } from '../support/database.ts'
import { aTenant } from '../support/keys.ts'
import { type TestServer, testServer } from '../support/server.ts'

const create = (server: TestServer, json: object) => server.request('/tenants', { method: 'POST', json })
const patch = (server: TestServer, id: string, json: object) =>
  server.request(`/tenants/${id}`, { method: 'PATCH', json })
const remove = (server: TestServer, id: string) => server.request(`/tenants/${id}`, { method: 'DELETE' })

test('a tenant is made, read, changed and deleted', async () => {
  await using server = await testServer()
  const made = await create(server, { id: 'acme', name: 'Acme Inc.', metadata: { plan: 'gold', seats: '7' } })
  assert.equal(made.status, 201)
  assert.equal(made.headers.get('location'), '/tenants/acme')
  const { created_at: at, ...rest } = Object(made.json)
  assert.deepEqual(rest, {
    id: 'acme',
    name: 'Acme Inc.',
    metadata: { plan: 'gold', seats: '7' },
    retention: {
      payload_hours: null,
      log_hours: null,
      details_hours: null,
      audit_days: null,
      stats_days: null,
    },
    ownership_check: null,
    portal: { name: null, accent: null, logo: null },
    updated_at: at,
  })
  assert.deepEqual((await server.request('/tenants/acme')).json, made.json)

  const changed = await patch(server, 'acme', { name: 'Acme Ltd.', metadata: { seats: null, region: 'eu' } })
  assert.equal(changed.status, 200)
  assert.deepEqual(Object(changed.json).metadata, { plan: 'gold', region: 'eu' })
  assert.equal(Object(changed.json).name, 'Acme Ltd.')
  assert.deepEqual(Object((await patch(server, 'acme', { metadata: null })).json).metadata, {})

  assert.equal((await remove(server, 'acme')).status, 204)
  for (const answer of [
    await server.request('/tenants/acme'),
    await patch(server, 'acme', {}),
    await remove(server, 'acme'),
  ]) {
    assert.equal(answer.status, 404)
  }
  assert.doesNotMatch((await server.request('/tenants')).text, /acme/)
})

const svg = `data:image/svg+xml;base64,${Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>').toString('base64')}`

test('the look of its page is its own where it is given, and as for all where it is not', async () => {
  await using server = await testServer()
  const portal = { name: 'Acme', accent: '#0055ff', logo: svg }
  const made = await create(server, { id: 'acme', name: 'Acme Inc.', portal })
  assert.deepEqual(Object(made.json).portal, portal)
  const listed = (await server.request('/tenants')).json as { id: string; portal: object }[]
  assert.deepEqual(listed.find(({ id }) => id === 'acme')?.portal, { name: 'Acme', accent: '#0055ff' })
  const changed = await patch(server, 'acme', { portal: { accent: null } })
  assert.deepEqual(Object(changed.json).portal, { ...portal, accent: null })
  assert.deepEqual((await server.request('/tenants/acme')).json, changed.json)
  const none = await patch(server, 'acme', { portal: null })
  assert.deepEqual(Object(none.json).portal, { name: null, accent: null, logo: null })

  const entries = (await server.request('/audit?subject=tenant:acme')).json as { changes: object[] }[]
  const text = JSON.stringify(entries)
  assert.ok(!text.includes(svg), 'a picture would fill the audit log')
  assert.match(text, /image\/svg\+xml, SHA-256 [0-9a-f]{16}/)

  for (const [wrong, sentence] of [
    [{ accent: 'blue' }, /Give a colour such as #0055ff/],
    [{ logo: 'https://example.com/logo.png' }, /Give a picture .PNG, JPEG, WebP or SVG./],
    [{ logo: svg.replace('svg+xml', 'png') }, /these bytes are no image\/png/],
    [{ logo: `data:image/png;base64,${'A'.repeat(16_400)}` }, /at most 16384 characters/],
    [{ name: 'two\nlines' }, /Give a name of 1 to 60 characters on one line/],
    [{ colour: '#0055ff' }, /colour/],
  ] as const) {
    const answer = await patch(server, 'acme', { portal: wrong })
    assert.equal(answer.status, 422, answer.text)
    assert.match(answer.text, sentence)
  }
})

test('an id is given once: not to two tenants, and not while something names a deleted one', async () => {
  await using server = await testServer()
  assert.equal((await create(server, { id: 'acme', name: 'a' })).status, 201)
  const again = await create(server, { id: 'acme', name: 'b' })
  assert.equal(again.status, 409)
  assert.match(again.text, /"code":"tenant_taken"/)
  assert.match(again.text, /There is a tenant acme already/)
  await remove(server, 'acme')
  const later = await create(server, { id: 'acme', name: 'c' })
  assert.equal(later.status, 409)
  assert.match(later.text, /was deleted, and what is kept of it still names it/)
})

test('the tenants of the service itself stay', async () => {
  await using server = await testServer()
  for (const id of ['default', 'system']) {
    const answer = await remove(server, id)
    assert.equal(answer.status, 409)
    assert.match(answer.text, /"code":"tenant_stays"/)
    assert.equal((await create(server, { id, name: 'x' })).status, 409)
  }
})

test('what is no id or no metadata is refused, and changes nothing', async () => {
  await using server = await testServer()
  for (const id of ['', 'Acme', '-a', '_a', 'a b', 'ä', 'a'.repeat(64)]) {
    assert.equal((await create(server, { id, name: 'x' })).status, 422, id)
  }
  assert.equal((await create(server, { id: 'a'.repeat(63), name: 'x' })).status, 201)
  assert.equal((await create(server, { id: 'b', name: '' })).status, 422)
  assert.equal((await create(server, { id: 'b', name: 'x', metadata: { '': 'y' } })).status, 422)
  assert.equal((await create(server, { id: 'b', name: 'x', plan: 'gold' })).status, 422)
  assert.equal((await server.request('/tenants/b')).status, 404)
  for (const odd of ['%00', 'Acme', '..%2F', 'a'.repeat(80)]) {
    assert.equal((await server.request(`/tenants/${odd}`)).status, 404, odd)
  }
})

test('metadata that would be too much when it is merged is refused', async () => {
  await using server = await testServer()
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`n${n}`, 'x']))
  assert.equal((await create(server, { id: 'acme', name: 'x', metadata: many })).status, 201)
  assert.equal((await patch(server, 'acme', { metadata: { more: 'x' } })).status, 422)
  assert.equal((await patch(server, 'acme', { metadata: { more: 'x', n1: null } })).status, 200)
})

test('the list is newest first, page by page, and finds a text in id and name whatever its case', async () => {
  await using server = await testServer()
  for (const [id, name] of [
    ['one', 'Eins'],
    ['two', 'Zwei'],
    ['three', '100% Drei_'],
  ])
    await create(server, { id: id ?? '', name: name ?? '' })
  const ids: string[] = []
  for (let path: string | undefined = '/tenants?limit=2'; path !== undefined; ) {
    const answer = await server.request(path)
    for (const { id } of answer.json as { id: string }[]) ids.push(id)
    path = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]
  }
  assert.deepEqual(ids, ['three', 'two', 'one', 'system', 'default'])
  const found = async (q: string) =>
    ((await server.request(`/tenants?q=${encodeURIComponent(q)}`)).json as { id: string }[]).map(
      one => one.id,
    )
  assert.deepEqual(await found('ZWEI'), ['two'])
  assert.deepEqual(await found('on'), ['one'])
  assert.deepEqual(await found('0% d'), ['three'])
  assert.deepEqual(await found('%'), ['three'])
})

test('a key of one tenant sees that tenant only', async t => {
  const world = await testDatabase()
  t.after(world.close)
  const tenants = new Tenants({ database: world.database, withdrawAccess })
  for (const id of ['blue', 'red']) await tenants.create(localOperator, { id, name: id })
  const seen = await tenants.list(Reach.of('blue'), { limit: 10 })
  assert.deepEqual(
    seen.map(({ id }) => id),
    ['blue'],
  )
  assert.equal(await tenants.read(Reach.of('blue'), 'red'), undefined)
  assert.equal((await tenants.read(Reach.of('blue'), 'blue'))?.id, 'blue')
})

test('which tenants there are is known in memory, and asked for when another process has made one', async t => {
  const world = await testDatabase()
  t.after(world.close)
  const tenants = new Tenants({ database: world.database, withdrawAccess })
  await tenants.load()
  assert.equal(tenants.exists('default'), true)
  await aTenant(world.database, 'acme')
  assert.equal(await tenants.exists('acme'), true)
  assert.equal(tenants.exists('acme'), true)
  assert.equal(await tenants.exists('nobody'), false)
  assert.equal(tenants.isDeleted('acme'), false)
  await tenants.remove(localOperator, 'acme')
  assert.equal(tenants.exists('acme'), false)
  assert.equal(tenants.isDeleted('acme'), true)
  assert.deepEqual(tenants.toEmpty, ['acme'])
})

test('a tenant that is being deleted gets nothing new: whoever makes something waits, and is refused', async t => {
  const world = await testDatabase()
  t.after(world.close)
  const { database } = world
  await aTenant(database, 'acme')
  const making = Promise.withResolvers<void>()
  const made = database.transaction(async tx => {
    await checkTenant(tx, 'acme')
    await making.promise
  })
  const tenants = new Tenants({ database, withdrawAccess })
  let isDeleted = false
  const deleting = tenants.remove(localOperator, 'acme').then(() => {
    isDeleted = true
  })
  await tenants.read(Reach.all, 'acme') // a round trip later
  assert.equal(isDeleted, false)
  making.resolve()
  await made
  await deleting
  await assert.rejects(
    database.transaction(tx => checkTenant(tx, 'acme')),
    /There is no tenant acme/,
  )
})

test('a tenant has times of its own for what is kept, which the audit log shows', async () => {
  await using server = await testServer()
  const own = { log_hours: 720, payload_hours: 24 }
  const made = await create(server, { id: 'acme', name: 'Acme', retention: own })
  assert.deepEqual(Object(made.json).retention, {
    ...own,
    details_hours: null,
    audit_days: null,
    stats_days: null,
  })
  const changed = await patch(server, 'acme', {
    retention: { payload_hours: null, audit_days: 30, stats_days: 7 },
  })
  const { retention } = Object(changed.json)
  const now = { payload_hours: null, log_hours: 720, details_hours: null, audit_days: 30, stats_days: 7 }
  assert.deepEqual(retention, now)
  assert.deepEqual(Object((await patch(server, 'acme', { name: 'Acme Ltd.' })).json).retention, retention)
  const none = { ...now, log_hours: null, audit_days: null, stats_days: null }
  assert.deepEqual(Object((await patch(server, 'acme', { retention: null })).json).retention, none)
  const { rows } = await server.world.database.query<{ changes: readonly { readonly field: string }[] }>({
    text: `select changes from audit_log where action = 'tenant.updated' order by id limit 1`,
  })
  const changes = rows[0]?.changes.toSorted((one, other) => (one.field < other.field ? -1 : 1))
  assert.deepEqual(changes, [
    { field: 'retention.audit_days', before: null, after: 30 },
    { field: 'retention.payload_hours', before: 24, after: null },
    { field: 'retention.stats_days', before: null, after: 7 },
  ])
})

test('a time that cannot be is refused with a sentence', async () => {
  await using server = await testServer()
  await create(server, { id: 'acme', name: 'Acme', retention: { log_hours: 100 } })
  const refused: readonly (readonly [retention: unknown, words: RegExp])[] = [
    [{ log_hours: 0 }, /whole number from 1 to 87600/],
    [{ log_hours: 1.5 }, /whole number from 1 to 87600/],
    [{ details_hours: 87_601 }, /whole number from 1 to 87600/],
    [{ audit_days: 36_501 }, /whole number from 1 to 36500/],
    [{ stats_days: 6 }, /whole number from 7 to 3650/],
    [
      { payload_hours: 101 },
      /"pointer":"\/retention\/payload_hours","detail":"Give at most the 100 hours of log_hours/,
    ],
    [{ details_hours: 50, log_hours: 49 }, /"pointer":"\/retention\/details_hours"/],
    [{ names_hours: 1 }, /names_hours/],
    [7, /retention/],
  ]
  for (const [retention, words] of refused) {
    const answer = await patch(server, 'acme', { retention })
    assert.equal(answer.status, 422, JSON.stringify(retention))
    assert.match(answer.text, words)
  }
})

test('what a tenant keeps for another time is known in memory', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const [one, other] = [new Tenants({ database, withdrawAccess }), new Tenants({ database, withdrawAccess })]
  await one.create(localOperator, { id: 'acme', name: 'Acme', retention: { log_hours: 5 } })
  await other.load()
  for (const tenants of [one, other]) assert.deepEqual(tenants.retentionOf('acme'), { log_hours: 5 })
  await one.patch(localOperator, 'acme', { retention: { log_hours: 6 } })
  assert.deepEqual(one.retentionOf('acme'), { log_hours: 6 })
  await one.patch(localOperator, 'acme', { retention: null })
  await other.refresh('acme')
  for (const tenants of [one, other]) assert.equal(tenants.retentionOf('acme'), undefined)
})
