import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { recordChange } from '../../src/audit/audit.ts'
import { AuditEntry } from '../../src/audit/schema.ts'
import type { KeyCheck } from '../../src/http/auth.ts'
import { type Caller, Reach } from '../../src/model/caller.ts'
import { type TestAnswer, testServer } from '../support/server.ts'

const caller = (name: string, scope: Caller['scope'], tenant: string | null): Caller => ({
  actor: { kind: 'key', id: name, name: `key of ${name}` },
  scope,
  reach: tenant === null ? Reach.all : Reach.of(tenant),
  expiresAt: null,
})
const callers: Readonly<Record<string, Caller>> = {
  admin: caller('admin', 'admin', null),
  acme: caller('acme', 'tenant', 'acme'),
  reader: caller('reader', 'read', 'acme'),
  publisher: caller('publisher', 'publish', 'acme'),
}
const keys: KeyCheck = { identify: authorization => callers[authorization ?? ''] }

const server = await testServer({ keys })
after(() => server[Symbol.asyncDispose]())
const { database } = server.world
await database.query({ text: "insert into tenants (id, name) values ('acme', 'Acme'), ('other', 'Other')" })

const schema = Compile(AuditEntry)
const ask = (who: string, path: string, init: Parameters<typeof server.request>[1] = {}) =>
  server.request(path, { ...init, headers: { authorization: who } })

function entriesOf(answer: TestAnswer): readonly AuditEntry[] {
  assert.equal(answer.status, 200, answer.text)
  const entries = answer.json as AuditEntry[] // checked in the next line
  for (const entry of entries) assert.ok(schema.Check(entry), JSON.stringify(entry))
  return entries
}
const list = async (who: string, query = '') => entriesOf(await ask(who, `/audit${query}`))

async function create(who: string, tenant?: string): Promise<number> {
  const json = { target_url: 'https://example.com/hooks', ...(tenant === undefined ? {} : { tenant }) }
  const answer = await ask(who, '/subscriptions/', { method: 'POST', json })
  assert.equal(answer.status, 201, answer.text)
  return Object(answer.json).id
}

test('operators see all entries, and a tenant those of its own things, whoever did it', async () => {
  const [own, byAdmin, others] = [
    await create('acme'),
    await create('admin', 'acme'),
    await create('admin', 'other'),
  ]
  const idsOf = (entries: readonly AuditEntry[]) => entries.map(({ subject }) => Number(subject.id))
  assert.deepEqual(idsOf(await list('acme')), [byAdmin, own])
  assert.deepEqual(idsOf(await list('reader')), [byAdmin, own])
  assert.deepEqual(idsOf(await list('admin')), [others, byAdmin, own])
  assert.deepEqual(idsOf(await list('admin', '?tenant=acme')), [byAdmin, own])
  assert.equal((await ask('acme', '/audit?tenant=other')).status, 403)
  assert.equal((await ask('publisher', '/audit')).status, 403)
  assert.equal((await ask('nobody', '/audit')).status, 401)
  const [entry] = await list('acme')
  assert.deepEqual(entry?.actor, { kind: 'key', id: 'admin', name: 'key of admin' })
  assert.equal(entry?.action, 'subscription.created')
  assert.ok(Math.abs(Date.parse(entry?.at ?? '') - Date.now()) < 60_000)
})

test('a tenant does not see what was done for a former one of its name', async () => {
  const change = { action: 'tenant.deleted', subjectId: 'again', tenant: 'again' } as const
  await recordChange(database, callers.admin?.actor ?? { kind: 'operator', id: null, name: '' }, change)
  await database.query({ text: "insert into tenants (id, name) values ('again', 'Again')" })
  const id = await create('admin', 'again')
  const again = { authorization: 'again' }
  Object.assign(callers, { again: caller('again', 'tenant', 'again') })
  const seen = entriesOf(await server.request('/audit', { headers: again }))
  assert.deepEqual(
    seen.map(({ subject }) => subject.id),
    [String(id)],
  )
  assert.equal((await list('admin', '?tenant=again')).length, 2)
})

test('each filter keeps what it names, and all of them hold together', async () => {
  const id = await create('acme')
  await ask('acme', `/subscriptions/${id}/pause`, { method: 'POST' })
  await ask('admin', `/subscriptions/${id}/resume`, { method: 'POST' })
  const of = async (query: string) =>
    (await list('admin', `?${query}`)).map(({ action }) => action.split('.')[1])
  const subject = `subject=subscription:${id}`
  assert.deepEqual(await of(subject), ['resumed', 'paused', 'created'])
  assert.deepEqual(await of(`${subject}&action=subscription.paused`), ['paused'])
  assert.deepEqual(await of(`${subject}&actor=key:acme`), ['paused', 'created'])
  assert.deepEqual(await of(`${subject}&actor=operator`), [])
  assert.deepEqual(await of(`${subject}&tenant=other`), [])
  const [, paused] = await list('admin', `?${subject}`)
  const at = encodeURIComponent(paused?.at ?? '')
  const since = await of(`${subject}&since=${at}`)
  const until = await of(`${subject}&until=${at}`)
  assert.ok(since.includes('paused') && since.includes('resumed'), `since: ${since}`)
  assert.ok(until.includes('created') && !until.includes('resumed'), `until: ${until}`)
  assert.ok((await of('subject=subscription')).length >= 3)
})

test('a page leads to the next one, and no entry is missed or shown twice', async () => {
  for (let index = 0; index < 5; index++) await create('acme')
  const all = (await list('acme')).map(({ id }) => id)
  const paged: string[] = []
  let path: string | undefined = '/audit?limit=3'
  while (path !== undefined) {
    const answer = await ask('acme', path)
    paged.push(...entriesOf(answer).map(({ id }) => id))
    path = /<([^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1]
  }
  assert.deepEqual(paged, all)
  const cursor = encodeURIComponent(Buffer.from('audit:nonsense').toString('base64url'))
  assert.equal((await ask('acme', `/audit?cursor=${cursor}`)).status, 400)
})

test('what is no filter is refused with its name', async () => {
  for (const [name, value] of [
    ['action', 'everything'],
    ['subject', 'lane:1'],
    ['actor', 'key'],
    ['since', 'yesterday'],
    ['until', '2026-13-01T00:00:00Z'],
    ['tenant', 'No Tenant'],
    ['limit', '0'],
    ['who', 'me'],
  ] as const) {
    const answer = await ask('admin', `/audit?${new URLSearchParams({ [name]: value })}`)
    assert.equal(answer.status, 422, `${name}: ${answer.text}`)
    assert.equal(Object(answer.json).errors[0].pointer, name)
  }
})
