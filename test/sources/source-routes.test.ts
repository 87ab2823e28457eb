import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, test } from 'node:test'
import type { KeyCheck } from '../../src/http/auth.ts'
import { keyScopes, Reach } from '../../src/model/caller.ts'
import { sourceLimits } from '../../src/sources/schema.ts'
import { testServer } from '../support/server.ts'

// A key's text is its scope.
const keys: KeyCheck = {
  identify: authorization => {
    const scope = keyScopes.find(one => one === authorization)
    if (scope === undefined) return undefined
    const reach = scope === 'admin' ? Reach.all : Reach.of('default')
    return { actor: { kind: 'key', id: scope, name: scope }, scope, reach, expiresAt: null }
  },
}
const server = await testServer({ keys })
after(() => server[Symbol.asyncDispose]())
const { database } = server.world

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

async function call(method: Method, url: string, payload?: object, authorization = 'admin') {
  const answer = await server.app.inject({
    method,
    url,
    headers: { authorization, host: 'hooks.test' },
    ...(payload && { payload }),
  })
  return {
    status: answer.statusCode,
    json: answer.body === '' ? undefined : answer.json(),
    text: answer.body,
    headers: answer.headers,
  }
}

const github = { name: 'our repositories', preset: 'github', secrets: ['a secret'] }

async function made(body: object = github) {
  const answer = await call('POST', '/sources', body)
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}

/** The fields that were refused, with what was said of them. */
async function faults(body: object, at = '/sources', method: Method = 'POST') {
  const { status, json } = await call(method, at, body)
  assert.equal(status, 422, JSON.stringify(json))
  assert.equal(json.code, 'validation_failed')
  return Object.fromEntries(
    (json.errors as { pointer: string; detail: string }[]).map(({ pointer, detail }) => [pointer, detail]),
  )
}

test('a source has an address of its own, and all that is not given as it usually is', async () => {
  const answer = await call('POST', '/sources', github)
  assert.equal(answer.status, 201, answer.text)
  const { id, url, created_at: at, ...rest } = answer.json
  assert.equal(answer.headers.location, `/sources/${id}`)
  assert.match(url, /^http:\/\/hooks\.test\/in\/[A-Za-z0-9_-]{43}$/)
  assert.match(at, /Z$/)
  assert.deepEqual(rest, {
    tenant: 'default',
    name: 'our repositories',
    preset: 'github',
    enabled: true,
    secrets: ['********'],
    secrets_expire_at: [null],
    event_type: null,
    public_url: null,
    tolerance_seconds: null,
    dedupe: null,
    signature: null,
    channels: [],
    metadata: {},
    forward_headers: [],
    forward_prefix: 'x-original-',
    answer: null,
    received: {
      ...{ accepted: 0, repeated: 0, refused: 0, refused_in_a_row: 0 },
      ...{ last_accepted_at: null, last_refused_at: null, refusing_since: null, last_reason: null },
    },
    updated_at: at,
  })
  assert.deepEqual((await call('GET', `/sources/${id}`)).json, answer.json)
  const listed = (await call('GET', '/sources?limit=1')).json
  assert.deepEqual(listed, [answer.json])
})

test('neither secrets nor the address are in the database in the clear', async () => {
  const { id, url } = await made({ ...github, secrets: ['correct-horse-battery'] })
  const { rows } = await database.query<{ text: string }>({
    text: 'select to_jsonb(s)::text as text from sources s where id = $1',
    values: [id],
  })
  assert.equal(rows.length, 1)
  assert.doesNotMatch(rows[0]?.text ?? '', /correct-horse-battery/)
  assert.ok(!rows[0]?.text.includes(url.split('/in/')[1]))
  const { text } = await call('GET', '/audit?limit=5')
  assert.doesNotMatch(text, /correct-horse-battery/)
  assert.match(text, /"action":"source.created"/)
  assert.match(text, /"field":"secrets","before":null,"after":null,"secret":"set"/)
})

test('who may only read does not see the part of the address that lets in', async () => {
  const { id, url } = await made()
  assert.equal((await call('GET', `/sources/${id}`, undefined, 'tenant')).json.url, url)
  for (const path of [`/sources/${id}`, '/sources']) {
    const { text } = await call('GET', path, undefined, 'read')
    assert.match(text, /hooks\.test\/in\/\*{8}"/)
    assert.ok(!text.includes(url))
  }
  for (const [method, path] of [
    ['POST', '/sources'],
    ['PATCH', `/sources/${id}`],
    ['DELETE', `/sources/${id}`],
  ] as const)
    assert.equal((await call(method, path, method === 'DELETE' ? undefined : github, 'read')).status, 403)
  assert.equal((await call('GET', '/sources', undefined, 'publish')).status, 403)
})

test('a change takes what it names; null puts a field back; an address stays', async () => {
  const { id, url } = await made({ ...github, event_type: 'github.{type}', tolerance_seconds: 60 })
  const changed = await call('PATCH', `/sources/${id}`, {
    ...{ name: 'others', preset: 'gitea', tolerance_seconds: null, enabled: false },
    ...{
      forward_headers: ['X-Gitea-*'],
      answer: { body: 'ok' },
      metadata: { team: 'a' },
      channels: ['c', 'c'],
    },
  })
  assert.equal(changed.status, 200, changed.text)
  assert.partialDeepStrictEqual(changed.json, {
    ...{ url, name: 'others', preset: 'gitea', tolerance_seconds: null, enabled: false },
    ...{
      event_type: 'github.{type}',
      forward_headers: ['x-gitea-*'],
      channels: ['c'],
      metadata: { team: 'a' },
    },
    answer: { status: 200, content_type: 'text/plain', body: 'ok' },
  })
  const { json: audit } = await call('GET', '/audit?limit=1')
  assert.equal(audit[0].action, 'source.updated')
  const fields = audit[0].changes.map(({ field }: { field: string }) => field)
  for (const field of ['name', 'preset', 'enabled', 'tolerance_seconds'])
    assert.ok(fields.includes(field), field)
  assert.ok(!fields.includes('secrets'))
  assert.equal((await call('PATCH', '/sources/999999', { name: 'x' })).status, 404)
  assert.equal((await call('DELETE', `/sources/${id}`)).status, 204)
  assert.equal((await call('GET', `/sources/${id}`)).status, 404)
  assert.equal((await call('DELETE', `/sources/${id}`)).status, 404)
})

test('secrets are replaced as a list, in which a mask keeps the one at its place', async () => {
  const { id } = await made({ ...github, secrets: ['one', 'two'] })
  const sealed = async () => {
    const { rows } = await database.query<{ secrets: { sealed: string }[] }>({
      text: 'select secrets from sources where id = $1',
      values: [id],
    })
    return rows[0]?.secrets.map(secret => secret.sealed) ?? []
  }
  const before = await sealed()
  const changed = await call('PATCH', `/sources/${id}`, { secrets: ['********', '********', 'three'] })
  assert.deepEqual(changed.json.secrets, ['********', '********', '********'])
  assert.deepEqual((await sealed()).slice(0, 2), before)
  assert.deepEqual(await faults({ secrets: ['********', 'a', 'b', '********'] }, `/sources/${id}`, 'PATCH'), {
    '/secrets/3': '******** keeps the secret at its place, and there is none. Give a real one.',
  })
  assert.deepEqual(Object.keys(await faults({ ...github, secrets: ['********'] })), ['/secrets/0'])
})

test('a new secret comes in front, and those before it end after the overlap', async () => {
  const { id } = await made()
  const at = Date.now()
  const rotated = await call('POST', `/sources/${id}/rotate-secret`, { secret: 'new', overlap_seconds: 3600 })
  assert.equal(rotated.status, 200, rotated.text)
  assert.equal(rotated.json.secrets.length, 2)
  const [newest, older] = rotated.json.secrets_expire_at
  assert.equal(newest, null)
  assert.ok(Math.abs(Date.parse(older) - at - 3_600_000) < 60_000, older)
  for (const secret of ['a', 'b', 'c']) await call('POST', `/sources/${id}/rotate-secret`, { secret })
  const tooMany = await call('POST', `/sources/${id}/rotate-secret`, { secret: 'd' })
  assert.equal(tooMany.json.code, 'too_many_secrets')
  const now = await call('POST', `/sources/${id}/rotate-secret`, { secret: 'd', overlap_seconds: 0 })
  assert.deepEqual(now.json.secrets_expire_at, [null])
  assert.equal((await call('GET', '/audit?limit=1')).json[0].action, 'source.secret_rotated')
})

test('a secret that its preset cannot use is refused where it is given, with what to give', async () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
  for (const [preset, wrong, right] of [
    ['discord', 'no key', '0'.repeat(64)],
    ['sendgrid', 'no key', key],
    ['adyen', 'no hex', 'AB12'],
    ['standard-webhooks', 'whsec_!', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    ['basic', 'without a colon', 'ann:secret'],
  ] as const) {
    assert.match((await faults({ name: 'x', preset, secrets: [wrong] }))['/secrets/0'] ?? '', /Give this: /)
    await made({ name: 'x', preset, secrets: [right] })
  }
  const { id } = await made()
  assert.deepEqual(Object.keys(await faults({ preset: 'discord' }, `/sources/${id}`, 'PATCH')), [
    '/secrets/0',
  ])
  assert.match((await faults({ name: 'x', preset: 'github' }))['/secrets'] ?? '', /at least one: The secret/)
  assert.match((await faults({ name: 'x', preset: 'none', secrets: ['a'] }))['/secrets'] ?? '', /asks for no/)
  await made({ name: 'x', preset: 'none' })
})

test('what makes no sense is refused with what to do about it', async () => {
  const wrong = await faults({
    ...github,
    ...{ event_type: 'a b', public_url: 'https://a.example/?x=1', dedupe: ['header:x', 'nowhere'] },
    ...{
      channels: ['a,b'],
      forward_headers: ['Authorization', 'x y'],
      answer: { content_type: 'text/html' },
    },
    signature: { algorithm: 'hmac-sha1', at: 'header:x' },
  })
  assert.deepEqual(Object.keys(wrong).sort(), [
    '/answer/content_type',
    '/channels/0',
    '/dedupe/1',
    '/event_type',
    '/forward_headers/0',
    '/forward_headers/1',
    '/public_url',
    '/signature',
  ])
  assert.match(wrong['/forward_headers/0'] ?? '', /credential/)
  const own = await faults({
    ...github,
    forward_prefix: '',
    forward_headers: ['webhook-id', 'content-length'],
  })
  assert.deepEqual(Object.keys(own), ['/forward_headers/0', '/forward_headers/1'])
  assert.match((await faults({ ...github, preset: 'GitHub' }))['/preset'] ?? '', /GET \/sources\/presets/)
  for (const template of ['{', 'a{b}', '{}', 'x}', '{field:}', '{'.repeat(600)])
    assert.deepEqual(
      Object.keys(await faults({ ...github, event_type: template })),
      ['/event_type'],
      template,
    )
  assert.deepEqual(Object.keys(await faults({ ...github, secret: 'x' })), ['/secret'])
  assert.equal((await call('GET', '/sources/x')).status, 422)
  assert.equal((await call('GET', '/sources/0')).status, 404)
})

test('a way to sign of one’s own is checked piece by piece', async () => {
  const own = (signature: object) => faults({ name: 'x', preset: 'hmac', secrets: ['s'], signature })
  assert.deepEqual(Object.keys(await own({ algorithm: 'hmac-sha1', at: 'x' })), ['/signature/at'])
  assert.deepEqual(await own({ algorithm: 'hmac-sha1', at: 'header:x', signed: '{timestamp}.{id}' }), {
    '/signature/signed':
      'Nothing of the body is signed like that. Name {body}, {sorted form} or a field of it.',
    '/signature/signed_at': '{timestamp} is signed, so say where it stands.',
    '/signature/id_at': '{id} is signed, so say where it stands.',
  })
  assert.deepEqual(Object.keys(await own({ algorithm: 'hmac-sha1', at: 'header:x', signed: '{nothing}' })), [
    '/signature/signed',
  ])
  const made256 = await made({
    ...{ name: 'x', preset: 'hmac', secrets: ['00ff'] },
    signature: {
      ...{
        algorithm: 'hmac-sha512',
        encoding: 'base64',
        key: 'hex',
        at: 'header:x-sig',
        prefix: 'v1=',
        split: ',',
      },
      ...{
        signed: '{id}|{timestamp}|{body}',
        signed_at: 'header:x-time',
        signed_at_unit: 'ms',
        id_at: 'header:x-id',
      },
    },
  })
  assert.equal(made256.signature.signed, '{id}|{timestamp}|{body}')
})

test('a tenant has a bounded number of sources', async () => {
  await database.query({
    text: `insert into sources (tenant, name, preset, token, secrets, settings, enabled)
           select 'full', 'x', 'none', 'x', '[]', '{}', true from generate_series(1, $1)`,
    values: [sourceLimits.ofTenant],
  })
  await database.query({ text: `insert into tenants (id, name) values ('full', 'full')` })
  const answer = await call('POST', '/sources', { name: 'x', preset: 'none', tenant: 'full' })
  assert.equal(answer.status, 409)
  assert.equal(answer.json.code, 'sources_full')
  await database.query({ text: `delete from sources where tenant = 'full'` })
})
