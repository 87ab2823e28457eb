import assert from 'node:assert/strict'
import { createHmac, createSecretKey } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { AdmissionDeps } from '../../src/ingest/admission.ts'
import type { Ingest } from '../../src/ingest/ingest.ts'
import type { Once } from '../../src/ingest/once.ts'
import { ingestRoutes } from '../../src/ingest/routes.ts'
import { localOperator } from '../../src/model/caller.ts'
import { parseUuid } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { eventually } from '../support/eventually.ts'
import { type TestServer, testServer } from '../support/server.ts'
import { aSubscription } from '../support/subscription.ts'

const secret = createSecretKey(Buffer.from('mysecret'))
const sign = (body: string, by = 'mysecret') =>
  `sha256=${createHmac('sha256', by).update(body).digest('hex')}`
const key = { authorization: 'Bearer whk_good' }
const webhookId = parseUuid('0193e0a4-6d3c-7d0e-9d0a-3f4a5b6c7d8e')

interface Changes {
  readonly withKeys?: boolean
  readonly secondLookMs?: number
  /** The body that the provider of a subscription with `inbound` sends, and how long it takes to tell. */
  readonly provider?: { readonly body: string; readonly judgeMs: number }
  /** Its certificate, without which nothing is verified; a request names it by a header. */
  readonly certificate?: { readonly fetching: Promise<void>; isThere: boolean }
}

/** Ingest with subscription 1, which has a secret, 2, which has none, and others that only the database knows. */
async function world(changes: Changes = {}) {
  const { withKeys = true, secondLookMs = 50, provider, certificate } = changes
  const known = new Map<number, Subscription>([
    [1, aSubscription({ id: 1, secret, uid: 'one' })],
    [2, aSubscription({ id: 2, secret: null, uid: 'two' })],
  ])
  const elsewhere = new Map<number, Subscription>()
  const lookedFor: number[] = []
  const uidsLookedFor: string[] = []
  const accepted: number[] = []
  const refusals: [number, string][] = []
  const withUid = (all: ReadonlyMap<number, Subscription>, tenant: string, uid: string) =>
    [...all.values()].find(one => one.tenant === tenant && one.uid === uid)
  const deps: Omit<AdmissionDeps, 'callers'> = {
    hasInbound: () => provider !== undefined,
    judgeInbound: async (_, { body }) => {
      if (certificate?.isThere === false)
        return {
          ...{ kind: 'refused', reason: 'certificate_unavailable', detail: 'It is not there.' },
          fetching: certificate.fetching,
        }
      await new Promise(resolve => setTimeout(resolve, provider?.judgeMs))
      if (body.toString() === provider?.body)
        return { kind: 'verified', eventType: null, repeatId: undefined }
      return { kind: 'refused', reason: 'signature_mismatch', detail: '' }
    },
    namesCertificate: headers => headers['x-certificate'] !== undefined,
    onInboundRefused: ({ id }, _request, reason) => void refusals.push([id, reason]),
    subscription: id => known.get(id),
    subscriptionWithUid: (tenant, uid) => withUid(known, tenant, uid),
    findIdOfUid: async (tenant, uid) => {
      uidsLookedFor.push(uid)
      return withUid(elsewhere, tenant, uid)?.id
    },
    findSubscription: async id => {
      lookedFor.push(id)
      const found = elsewhere.get(id)
      if (found) known.set(id, found)
      return found
    },
  }
  const ingest = {
    accept: async ({ subscriptions }: { subscriptions: readonly Subscription[] }) => {
      accepted.push(...subscriptions.map(({ id }) => id))
      return webhookId
    },
  } as unknown as Ingest // what routes use of it
  const once = {} as Once // nobody sends a key here
  const eventTypes = { check: () => undefined } // none is checked
  const server = await testServer({
    keys: withKeys
      ? { identify: given => (given === key.authorization ? localOperator : undefined) }
      : undefined,
    registerIngest: (scope, edge) =>
      ingestRoutes(scope, {
        ...deps,
        ...edge,
        ingest,
        once,
        eventTypes,
        logger: silentLogger(),
        secondLookMs,
        certificateLookMs: 10 * secondLookMs,
      }),
  })
  const send = (id: number | string, headers: Record<string, string> = {}, body = 'event') =>
    server.request(`/ingest/${id}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'text/plain', ...headers },
    })
  return {
    ...{ server, known, elsewhere, lookedFor, uidsLookedFor, accepted, refusals, send },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** All of an answer but what differs between any two. */
async function seen(answer: Promise<Awaited<ReturnType<TestServer['request']>>>) {
  const { status, headers, text } = await answer
  const names = [...headers].map(([name, value]) =>
    /^(date|x-request-id)$/.test(name) ? name : `${name}: ${value}`,
  )
  return { status, names, text: text.replace(/urn:uuid:[0-9a-f-]{36}/, '') }
}

test('a stranger gets one answer, whether there is such a subscription and whether it has a secret', async () => {
  await using w = await world()
  const answers = []
  for (const headers of [
    {},
    { signature: 'sha256:deadbeef' },
    { signature: sign('event', 'another') },
    { signature: sign('event', 'another'), authorization: 'Bearer whk_wrong' },
    { authorization: 'Basic eDp5' },
  ]) {
    for (const id of [1, 2, 3, 2_147_483_647, '99999999999']) answers.push(await seen(w.send(id, headers)))
    // With a wrong key none: too many of them are answered otherwise.
    const names = headers.authorization === undefined ? ['uid:one', 'uid:two', 'uid:none'] : []
    for (const name of names) answers.push(await seen(w.send(name, headers)))
  }
  const [first] = answers
  assert.equal(first?.status, 401)
  for (const answer of answers) assert.deepEqual(answer, first)
  assert.deepEqual([w.lookedFor, w.uidsLookedFor], [[], []], 'the database is not asked')
  assert.deepEqual(w.accepted, [])
})

test('a wrong signature takes as long, whatever it is for', async () => {
  await using w = await world({ secondLookMs: 400 })
  const headers = { signature: sign('event', 'another') }
  const tookMs = await Promise.all(
    [1, 2, 3].map(async id => {
      const sentAt = performance.now()
      await w.send(id, headers)
      return performance.now() - sentAt
    }),
  )
  assert.ok(Math.min(...tookMs) >= 399, `${tookMs}`)
})

const inbound = {
  ...{ preset: 'mailgun', secrets: ['s'], toleranceSeconds: null, dedupe: null },
  requireSignature: true,
}

test('where a subscription is verified as its provider signs, a stranger waits as long for the same, whatever the id', async () => {
  await using w = await world({ secondLookMs: 1000, provider: { body: 'signed', judgeMs: 200 } })
  w.known.set(4, aSubscription({ id: 4, inbound, uid: 'four' }))
  const asked = [{}, { signature: 'x' }, { signature: sign('event', 'another') }].flatMap(headers =>
    [1, 2, 3, 4, 'uid:four', 'uid:none', '99999999999'].map(id => ({ id, headers })),
  )
  const askAll = async () => {
    const answers = await Promise.all(
      asked.map(async ({ id, headers }) => {
        const sentAt = performance.now()
        const answer = await seen(w.send(id, headers))
        return { answer, tookMs: performance.now() - sentAt }
      }),
    )
    const [first] = answers
    assert.equal(first?.answer.status, 401)
    for (const { answer } of answers) assert.deepEqual(answer, first?.answer)
    const tookMs = answers.map(one => one.tookMs)
    assert.ok(Math.min(...tookMs) >= 999, `${tookMs}`)
    return Math.max(...tookMs) - Math.min(...tookMs)
  }
  // To look twice takes 400 ms where there is something to judge, each time; another program takes as long now and then.
  await eventually(askAll, apartMs => apartMs < 300, 20_000)
  assert.deepEqual([w.lookedFor, w.uidsLookedFor, w.accepted], [[], [], []])
  assert.equal((await w.send(4, {}, 'signed')).status, 202)
})

test('where the certificate of a provider cannot be fetched, a stranger hears and waits for the same, whatever the id', async () => {
  for (const fetching of [Promise.resolve(), new Promise<void>(() => {})]) {
    const certificate = { fetching, isThere: false }
    await using w = await world({ provider: { body: 'signed', judgeMs: 0 }, certificate })
    w.known.set(4, aSubscription({ id: 4, inbound }))
    const ask = async (id: number, headers: Record<string, string>) => {
      const sentAt = performance.now()
      const answer = await seen(w.send(id, headers, 'signed'))
      return { answer, tookMs: performance.now() - sentAt }
    }
    const named = { 'x-certificate': 'c' }
    const [unknown, known, secret, unnamed] = await Promise.all([
      ask(3, named),
      ask(4, named),
      ask(1, named),
      ask(4, {}),
    ])
    assert.equal(unknown.answer.status, 401)
    for (const { answer } of [known, secret, unnamed]) assert.deepEqual(answer, unknown.answer)
    assert.ok(Math.min(unknown.tookMs, known.tookMs, secret.tookMs) >= 499, 'the time for a certificate')
    assert.ok(
      unnamed.tookMs < Math.min(unknown.tookMs, known.tookMs, secret.tookMs),
      'less than with a certificate',
    )
    const unavailable = [4, 'certificate_unavailable'] as const
    assert.deepEqual(w.refusals, [unavailable, unavailable], 'its owner is told, once of each')
  }
})

test('a provider whose certificate comes in time is let in then; who has a key waits for it, and is told', async () => {
  const fetched = Promise.withResolvers<void>()
  const certificate = { fetching: fetched.promise, isThere: false }
  await using w = await world({ secondLookMs: 10_000, provider: { body: 'signed', judgeMs: 0 }, certificate })
  w.known.set(4, aSubscription({ id: 4, inbound }))
  const sent = w.send(4, { 'x-certificate': 'c' }, 'signed')
  const asked = w.send(4, key, 'signed')
  setTimeout(() => {
    certificate.isThere = true
    fetched.resolve()
  }, 50)
  assert.equal((await sent).status, 202)
  assert.equal((await asked).status, 202)
  certificate.isThere = false
  const told = await w.send(4, key, 'signed')
  assert.deepEqual([told.status, Object(told.json).code], [503, 'certificate_unavailable'])
})

test('a provider is right when the news of the subscription comes a moment later', async () => {
  await using w = await world({ secondLookMs: 300, provider: { body: 'signed', judgeMs: 0 } })
  const sent = w.send(4, {}, 'signed')
  await new Promise(resolve => setTimeout(resolve, 50)) // it is refused by then, and waits for the news
  w.known.set(4, aSubscription({ id: 4, inbound }))
  assert.equal((await sent).status, 202)
})

test('what the headers are enough for is decided before the body comes', async () => {
  await using w = await world()
  for (const [id, headers] of [
    [1, ''],
    [2, ''],
    [3, 'Signature: sha256=00\r\n'],
    [3, `Authorization: ${key.authorization}\r\n`],
  ] as const) {
    const socket = connect(w.server.port, '127.0.0.1').setEncoding('utf8')
    socket.write(`POST /ingest/${id} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n${headers}\r\n`)
    const [answer] = await once(socket, 'data')
    assert.match(String(answer), headers.startsWith('Auth') ? /^HTTP\/1\.1 404 / : /^HTTP\/1\.1 401 /)
    socket.destroy()
  }
})

test('the signature lets an event in where there is a secret, else a key does', async () => {
  await using w = await world()
  assert.equal((await w.send(1, { signature: sign('event') })).status, 202)
  assert.equal((await w.send(2, key)).status, 202)
  assert.equal((await w.send(2, { ...key, signature: sign('event', 'another') })).status, 202)
  assert.equal((await w.send(1, { authorization: 'Basic eDp5', signature: sign('event') })).status, 202)
  assert.deepEqual(w.accepted, [1, 2, 2, 1])
})

test('a uid names a subscription as its id does, also one that another process has just made', async () => {
  await using w = await world()
  assert.equal((await w.send('uid:one', { signature: sign('event') })).status, 202)
  assert.equal((await w.send('uid:two', key)).status, 202)
  assert.deepEqual(w.uidsLookedFor, [])
  w.elsewhere.set(7, aSubscription({ id: 7, uid: 'seven' }))
  assert.equal((await w.send('uid:seven', key)).status, 202)
  assert.equal((await w.send('uid:none', key)).status, 404)
  assert.deepEqual(w.accepted, [1, 2, 7])
})

test('who has a key is told what is wrong', async () => {
  for (const [withKeys, headers] of [
    [true, key],
    [false, {}],
  ] as const) {
    await using w = await world({ withKeys })
    const code = async (id: number, more: Record<string, string>) => {
      const { status, json } = await w.send(id, { ...headers, ...more })
      return [status, Object(json).code, Object(json).detail]
    }
    assert.deepEqual(await code(3, {}), [404, 'not_found', 'There is no subscription 3.'])
    const [, , missing] = await code(1, {})
    assert.match(missing, /takes signed events only/)
    const [, , malformed] = await code(1, { signature: 'sha256:deadbeef' })
    assert.match(malformed, /must have the form/)
    const [status, invalid, wrong] = await code(1, { signature: sign('event', 'another') })
    assert.deepEqual([status, invalid], [401, 'invalid_signature'])
    assert.match(wrong, /does not match the body/)
  }
})

test('a subscription that another process has just made is found for who has a key', async () => {
  await using w = await world()
  w.elsewhere.set(4, aSubscription({ id: 4, secret: null }))
  w.elsewhere.set(5, aSubscription({ id: 5, secret }))
  assert.equal((await w.send(4, key)).status, 202)
  assert.equal((await w.send(5, { ...key, signature: sign('event') })).status, 202)
  assert.equal((await w.send(5, { ...key })).status, 401)
})

test('a signature is right when the news of the subscription, or of its secret, comes a moment later', async () => {
  await using w = await world({ secondLookMs: 300 })
  const sent = [
    w.send(1, { signature: sign('event', 'new') }),
    w.send(6, { signature: sign('event', 'new') }),
  ]
  await new Promise(resolve => setTimeout(resolve, 50)) // both are refused by then, and wait for the news
  const secretNow = createSecretKey(Buffer.from('new'))
  for (const id of [1, 6]) w.known.set(id, aSubscription({ id, secret: secretNow }))
  for (const answer of await Promise.all(sent)) assert.equal(answer.status, 202)
  assert.deepEqual(w.lookedFor, [])
})

test('a secret that is removed while the body comes lets no stranger in', async () => {
  await using w = await world()
  const body = 'event'
  const socket = connect(w.server.port, '127.0.0.1').setEncoding('utf8')
  socket.write(
    `POST /ingest/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nSignature: ${sign(body)}\r\n\r\nev`,
  )
  await w.send(2, key) // so the headers of the other have been read
  w.known.set(1, aSubscription({ id: 1, secret: null }))
  const answered = once(socket, 'data')
  socket.write('ent')
  assert.match(String(await answered), /^HTTP\/1\.1 401 /)
  socket.destroy()
  assert.deepEqual(w.accepted, [2])
})
