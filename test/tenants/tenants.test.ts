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
  assert.match(later.text, /was deleted, and events and log still name it/)
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
