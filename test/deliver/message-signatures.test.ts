import assert from 'node:assert/strict'
import { createHash, createSecretKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { createVerifier, httpbis } from 'http-message-signatures'
import { messageSignatures } from '../../src/deliver/message-signatures.ts'
import {
  type MessageSignatureFields,
  type MessageSignatureKey,
  messageSignatureAnswer,
} from '../../src/subscriptions/message-signature.ts'
import { noon } from '../support/clock.ts'
import { fields } from '../support/message.ts'

const secret = Buffer.alloc(32, 7)
const pair = generateKeyPairSync('ed25519')
const hmac: MessageSignatureKey = {
  ...{ algorithm: 'hmac-sha256', key: createSecretKey(secret) },
  ...{ keyId: 'one', expiresAt: null },
}
const ed25519: MessageSignatureKey = {
  ...{ algorithm: 'ed25519', key: pair.privateKey, keyId: 'whpk_"\\', expiresAt: null },
}
const url = new URL('https://Example.com:443/hooks/a%20b?x=1&y=')
const headers = ['content-type', 'application/json', 'webhook-id', 'msg_1', 'webhook-timestamp', '1']
const body = Buffer.from('{"a":1}')

function signed(keys: readonly MessageSignatureKey[], wanted: MessageSignatureFields = {}, now = noon) {
  const names = { id: 'webhook-id', timestamp: 'webhook-timestamp' }
  const rules = { ...messageSignatureAnswer(wanted, names), keys }
  return fields([...headers, ...messageSignatures(rules, { url, headers, body }, now)])
}

/** By a library that is not ours. */
async function verifies(sent: Record<string, string>, at: URL = url): Promise<boolean | null> {
  return httpbis.verifyMessage(
    {
      keyLookup: async ({ keyid }) => {
        if (keyid === 'one')
          return { id: keyid, algs: ['hmac-sha256'], verify: createVerifier(secret, 'hmac-sha256') }
        const verify = createVerifier(pair.publicKey, 'ed25519')
        return keyid === ed25519.keyId ? { id: keyid, algs: ['ed25519'], verify } : null
      },
      requiredParams: ['created', 'keyid', 'alg'],
      requiredFields: ['content-digest'],
      notAfter: new Date(Math.max(noon, Date.now()) + 60_000),
    },
    { method: 'POST', url: at, headers: sent },
  )
}

test('an independent implementation of RFC 9421 verifies both algorithms, one by one and together', async () => {
  for (const keys of [[hmac], [ed25519], [hmac, ed25519]]) {
    const sent = signed(keys)
    assert.equal(await verifies(sent), true)
    const digest = createHash('sha256').update(body).digest('base64')
    assert.equal(sent['content-digest'], `sha-256=:${digest}:`)
  }
})

test('what was signed and is changed on the way is noticed', async () => {
  const sent = signed([ed25519])
  for (const [name, value] of [
    ['content-digest', 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:'],
    ['content-type', 'text/plain'],
    ['webhook-id', 'msg_2'],
  ] as const) {
    assert.equal(await verifies({ ...sent, [name]: value }), false, name)
  }
  assert.equal(await verifies(sent, new URL('https://example.com/other')), false)
})

test('every component of a request can be signed, and a header that it has not is left out', async () => {
  const components = [
    ...['@method', '@target-uri', '@authority', '@scheme', '@request-target', '@path', '@query'],
    ...['content-digest', 'content-type', 'x-event-type'],
  ]
  const now = Date.now() // the library knows no other
  const wanted = { components, label: 'acme', tag: 'a "tag"', expires_seconds: 300 }
  const sent = signed([hmac], wanted, now)
  assert.equal(await verifies(sent), true)
  const created = Math.floor(now / 1000)
  assert.equal(
    sent['signature-input'],
    'acme1=("@method" "@target-uri" "@authority" "@scheme" "@request-target" "@path" "@query" "content-digest" "content-type")' +
      `;created=${created};expires=${created + 300};keyid="one";alg="hmac-sha256";tag="a \\"tag\\""`,
  )
})

test('a key that has ended does not sign', () => {
  const ended = { ...hmac, keyId: 'old', expiresAt: noon }
  assert.match(signed([hmac, ended])['signature-input'] ?? '', /^sig1=[^,]*keyid="one"[^,]*$/)
  assert.deepEqual(signed([ended]).signature, undefined)
  const beforeItEnds = signed([hmac, ended], {}, noon - 1)
  assert.match(beforeItEnds['signature-input'] ?? '', /^sig1=.*keyid="one".*, sig2=.*keyid="old"/)
})
