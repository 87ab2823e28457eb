import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EchoedSecrets } from '../../../src/destinations/http/echoed-secrets.ts'

const token = 'sk_live-4/9+Zq="é'.replace('é', '&')
const signature = 'v1,K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols='
const headers = [
  ...['content-type', 'application/json', 'webhook-id', 'evt_0123456789', 'x-time', '1700000000'],
  ...['webhook-signature', signature, 'authorization', `Bearer ${token}`, 'x-tier', 'gold'],
]

function removed(text: string, isCut = false, of = headers): string {
  return new EchoedSecrets(of, ['x-time']).removedFromBytes(Buffer.from(text), isCut).toString()
}

test('a secret is taken out wherever it stands, as often as it comes, and the rest stays', () => {
  assert.equal(removed(`no: ${token}, ${token}!`), 'no: [redacted], [redacted]!')
  assert.equal(removed(`${token}`), '[redacted]')
  assert.equal(removed('é 500: it broke'), 'é 500: it broke')
  assert.equal(new EchoedSecrets(headers, []).removedFrom(`HTTP 500 ${signature}`), 'HTTP 500 v1,[redacted]')
})

test('it is found with and without the name of its scheme, in upper and lower case', () => {
  assert.equal(removed(`Bearer ${token}`), 'Bearer [redacted]')
  assert.equal(removed(token.toUpperCase()), '[redacted]')
  assert.equal(removed(signature.slice(3)), '[redacted]')
  assert.equal(removed('Bearer is not a secret'), 'Bearer is not a secret')
})

test('it is found as it is written in JSON, HTML, URLs, base64 and hex', () => {
  const forms: readonly string[] = [
    JSON.stringify({ token }),
    JSON.stringify({ token }).replaceAll('/', '\\/'),
    JSON.stringify({ token })
      .replaceAll('=', '\\u003d')
      .replaceAll('&', '\\u0026')
      .replaceAll('\\"', '\\u0022'),
    token.replaceAll('&', '&amp;').replaceAll('"', '&quot;'),
    token.replaceAll('&', '&#38;').replaceAll('"', '&#34;'),
    encodeURIComponent(token),
    String(new URLSearchParams({ token })),
    Buffer.from(token).toString('hex').toUpperCase(),
  ]
  for (const form of forms) {
    const text = removed(form)
    assert.match(text, /\[redacted\]/, form)
    assert.doesNotMatch(text, /live|6c697665/i, form)
  }
})

test('it is found where only some of its signs are escaped, and each in a way of its own', () => {
  for (const form of [
    token.replaceAll('"', '&quot;'), // for an attribute
    token.replaceAll('&', '&amp;').replaceAll('"', '&#x22;'),
    token.replaceAll('/', '&#x2F;').replaceAll('=', '&#x3D;'), // Mustache
    token.replaceAll('+', '&#43;').replaceAll('"', '&#034;'), // Go
    token.replaceAll('&', '&amp;').replaceAll('+', '&plus;').replaceAll('=', '&equals;'),
    token.replaceAll('"', '\\"').replaceAll('+', '\\x2b'),
    token.replaceAll('/', '%2f'),
  ])
    assert.equal(removed(`<p>${form}</p>`), '<p>[redacted]</p>', form)
  assert.equal(
    removed('<li>K7gNU3sdo&#43;OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols&#x3D;</li>'),
    '<li>[redacted]</li>',
  )
})

test('however many signs are escaped, or could be, a look takes no longer than the text is long', () => {
  const beganAt = performance.now()
  for (const [secret, said] of [
    [`u:${'\\'.repeat(60)}X`, `${'\\'.repeat(90)}Y`],
    [`${'\\/'.repeat(800)}X`, '\\/'.repeat(8000)],
    [`${'/'.repeat(4095)}X`, '/'.repeat(65_536)],
    [`${'&#38;'.repeat(500)}X`, '&#38;'.repeat(10_000)],
  ] as const) {
    const secrets = new EchoedSecrets(['x-token', secret], [])
    assert.equal(secrets.removedFrom(said), said)
    assert.equal(secrets.removedFrom(`it was ${JSON.stringify(secret)}.`), 'it was "[redacted]".')
  }
  assert.ok(performance.now() - beganAt < 10_000, 'with a pattern of all ways of each sign it does not end')
})

test('in base64 it is found at every place of a longer text, in both alphabets', () => {
  for (const before of ['', 'a', 'ab', 'abc', '{"authorization":"Bearer ']) {
    for (const alphabet of ['base64', 'base64url'] as const) {
      const text = removed(Buffer.from(`${before}${token} and more`).toString(alphabet))
      assert.match(text, /\[redacted\]/)
      const left = text
        .split('[redacted]')
        .map(part => Buffer.from(part, 'base64').toString())
        .join(' ')
      assert.doesNotMatch(left, /live|sk_|Zq/, `${before} ${alphabet}`)
    }
  }
})

test('of Basic credentials the pair and the password are found, too', () => {
  const basic = ['authorization', `Basic ${Buffer.from('shop:correct-horse').toString('base64')}`]
  assert.equal(removed('bad login shop:correct-horse', false, basic), 'bad login [redacted]')
  assert.equal(removed('bad password correct-horse.', false, basic), 'bad password [redacted].')
})

test('each of several signatures is found, and what is named by a scheme', () => {
  const several = ['stripe-signature', 't=1700000000,v1=0123456789abcdef,v1=fedcba9876543210']
  assert.equal(removed('got fedcba9876543210', false, several), 'got [redacted]')
  const hub = ['x-hub-signature-256', 'sha256=0123456789abcdef0123456789abcdef']
  assert.equal(removed('expected 0123456789abcdef0123456789abcdef', false, hub), 'expected [redacted]')
})

test('where a text was cut, the beginning of a secret at its end is taken out', () => {
  assert.equal(removed(`said ${token.slice(0, 9)}`, true), 'said [redacted]')
  assert.equal(removed(`said ${token.slice(0, 9)}`, false), `said ${token.slice(0, 9)}`)
  assert.equal(removed('said nothing', true), 'said nothing')
})

test('a value in which short parts hold the secret is taken out whole', () => {
  const parts = ['x-login', 'shop;1234;red']
  assert.equal(removed('no such login: shop;1234;red', false, parts), 'no such login: [redacted]')
  const words = ['authorization', 'Secret one two ten correct-horse']
  assert.equal(removed('Secret one two ten correct-horse', false, words), '[redacted]')
  assert.equal(removed('a correct-horse', false, words), 'a [redacted]')
})

test('what is no secret stays: id, time and type of the event, and values too short to be told from others', () => {
  const text = 'evt_0123456789 at 1700000000, application/json, gold'
  assert.equal(removed(text), text)
  assert.equal(removed('without headers', false, []), 'without headers')
})
