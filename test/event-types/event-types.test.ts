import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Notices } from '../../src/cluster/notices.ts'
import { AppError } from '../../src/errors.ts'
import { EventTypes, eventTypeNotice } from '../../src/event-types/event-types.ts'
import { type Caller, localOperator, Reach } from '../../src/model/caller.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

const world = await testDatabase()
after(() => world.close())
const { database } = world
await database.query({ text: "insert into tenants (id, name) values ('acme', 'Acme'), ('other', 'Other')" })

const newCatalogue = (schemaCharsMax?: number) =>
  new EventTypes({ database, log: silentLogger(), ...(schemaCharsMax && { schemaCharsMax }) })
const types = newCatalogue()
const acme: Caller = { ...localOperator, reach: Reach.of('acme') }

const wantsId = { type: 'object', required: ['id'] }
const good = Buffer.from('{"id":1}')
const bad = Buffer.from('{"no":1}')

/** The code of the refusal; undefined: it may be published. */
async function verdict(tenant: string, type: string | null, payload: Uint8Array, of = types) {
  return (await of.check(tenant, type, payload))?.code
}

test('an event of a type that is checked has to fit its schema, and others need not', async () => {
  await types.put(localOperator, 'order.paid', { schema: wantsId, validate: 'reject' })
  await types.put(localOperator, 'order.seen', { schema: wantsId })
  assert.equal(await verdict('default', 'order.paid', good), undefined)
  assert.equal(await verdict('default', 'order.paid', bad), 'payload_refused')
  for (const type of ['order.seen', 'order.unknown', null])
    assert.equal(await verdict('default', type, bad), undefined, String(type))
})

test('the refusal names the places of the payload', async () => {
  const refusal = await types.check('default', 'order.paid', bad)
  assert.ok(refusal instanceof AppError)
  assert.deepEqual(refusal.errors, [{ pointer: '/id', detail: 'This field is required.' }])
  assert.match(refusal.message, /order\.paid/)
})

test('what is no JSON in UTF-8 is refused, whatever the schema', async () => {
  await types.put(localOperator, 'any.json', { validate: 'reject' })
  for (const text of ['', 'text', '{"a":1', '\ufeff{}'])
    assert.equal(
      await verdict('default', 'any.json', Buffer.from(text)),
      'payload_refused',
      JSON.stringify(text),
    )
  assert.equal(await verdict('default', 'any.json', Buffer.from([0x22, 0xff, 0x22])), 'payload_refused')
  assert.equal(await verdict('default', 'any.json', Buffer.from('null')), undefined)
})

test('where nothing of that name is checked the answer is there at once', async () => {
  assert.equal(types.check('default', 'order.unknown', bad), undefined)
  await verdict('default', 'order.paid', good)
  assert.equal(types.check('default', 'order.paid', good), undefined, 'and so it is once the schema was used')
})

test('a type of a tenant takes the place of the one of the installation, for this tenant alone', async () => {
  await types.put(acme, 'order.paid', { validate: 'off' })
  assert.equal(await verdict('acme', 'order.paid', bad), undefined)
  assert.equal(await verdict('other', 'order.paid', bad), 'payload_refused')
  await types.put(acme, 'acme.own', { schema: wantsId, validate: 'reject' })
  assert.equal(await verdict('acme', 'acme.own', bad), 'payload_refused')
  assert.equal(await verdict('other', 'acme.own', bad), undefined)
  assert.equal(await types.remove(acme, 'order.paid'), true)
  assert.equal(await verdict('acme', 'order.paid', bad), 'payload_refused')
})

test('a change of the schema holds from its answer on', async () => {
  await types.put(localOperator, 'changing', { schema: wantsId, validate: 'reject' })
  assert.equal(await verdict('default', 'changing', bad), 'payload_refused')
  await types.put(localOperator, 'changing', { schema: { required: ['no'] }, validate: 'reject' })
  assert.equal(await verdict('default', 'changing', bad), undefined)
  assert.equal(await verdict('default', 'changing', good), 'payload_refused')
  await types.remove(localOperator, 'changing')
  assert.equal(await verdict('default', 'changing', good), undefined)
})

test('other processes hear of a change, also of one that a deleted tenant leaves behind', async () => {
  const other = newCatalogue()
  const notices = new Notices(database)
  const loads: Promise<void>[] = []
  notices.on(
    eventTypeNotice,
    () => {
      loads.push(other.load())
    },
    () => other.load(),
  )
  await notices.keepListening()
  const on = (tenant: string, payload: Buffer) => () => verdict(tenant, 'heard', payload, other)
  await types.put(localOperator, 'heard', { schema: wantsId, validate: 'reject' })
  await eventually(on('other', bad), code => code === 'payload_refused')
  await database.query({ text: "insert into tenants (id, name) values ('brief', 'Brief')" })
  await types.put({ ...localOperator, reach: Reach.of('brief') }, 'heard', { validate: 'off' })
  await eventually(on('brief', bad), code => code === undefined)
  await database.query({ text: "delete from tenants where id = 'brief'" })
  await eventually(on('brief', bad), code => code === 'payload_refused')
  assert.ok(loads.length >= 3)
  await notices.connection.close() // changes that other tests make are none of it
  await Promise.all(loads)
})

test('a type whose entry in the audit log cannot be written is not made, and nothing of an import that fails', async () => {
  await database.query({ text: 'alter table audit_log rename to audit_log_away' })
  const document = { openapi: '3.1.0', webhooks: { 'not.made': { post: {} } } }
  await assert.rejects(types.put(localOperator, 'not.made', {}), /audit_log/)
  await assert.rejects(types.import(localOperator, document), /audit_log/)
  await assert.rejects(types.remove(localOperator, 'order.paid'), /audit_log/)
  await database.query({ text: 'alter table audit_log_away rename to audit_log' })
  assert.equal(await types.read(null, 'not.made'), undefined)
  assert.ok(await types.read(null, 'order.paid'))
})

test('schemas that were not used for long are read again when they are needed', async () => {
  const small = newCatalogue(240_000)
  const large = (index: number) => ({
    schema: { ...wantsId, description: 'x'.repeat(60_000) + index },
    validate: 'reject' as const,
  })
  const names = ['large.0', 'large.1']
  const tenants = ['acme', 'other']
  for (const tenant of tenants)
    for (const [index, name] of names.entries())
      await small.put({ ...localOperator, reach: Reach.of(tenant) }, name, large(index))
  for (const name of names)
    for (const tenant of tenants) assert.equal(await verdict(tenant, name, bad, small), 'payload_refused')
  assert.ok(small.check('acme', 'large.0', good) instanceof Promise, 'the first was forgotten for the last')
  assert.equal(small.check('other', 'large.0', good), undefined, 'and no other one')
  assert.equal(small.check('other', 'large.1', good), undefined)
  assert.equal(await verdict('acme', 'large.0', bad, small), 'payload_refused')
})

test('a schema that cannot be used any more refuses no event', async () => {
  await types.put(localOperator, 'broken', { schema: wantsId, validate: 'reject' })
  await database.query({
    text: `update event_types set schema = '{"type": "strin"}', version = 9 where name = 'broken'`,
  })
  await types.load()
  assert.equal(await verdict('default', 'broken', bad), undefined)
})
