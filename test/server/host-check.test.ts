import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { HostCheck } from '../../src/server/host-check.ts'

interface Sent {
  readonly method?: string
  readonly url?: string
  readonly localAddress?: string
}

/** What a request with these headers is told: a code, or 'in'. */
function asker(settings: { readonly boundTo?: string; readonly allowed?: readonly string[] } = {}) {
  const check = new HostCheck({ boundTo: '127.0.0.1', allowed: [], ...settings })
  return (headers: Readonly<Record<string, string>>, sent: Sent = {}): string => {
    const { method = 'POST', url = '/subscriptions/1/pause', localAddress = '127.0.0.1' } = sent
    const request = { headers, method, url, socket: { localAddress } }
    return check.refusal(request as unknown as IncomingMessage)?.code ?? 'in' // what of it is looked at
  }
}

test('loopback names are answered, with and without a port', () => {
  const ask = asker()
  for (const host of [
    'localhost',
    'localhost:8000',
    'LOCALHOST:8000',
    'localhost.:8000',
    'app.localhost:8000',
    '127.0.0.1:8000',
    '127.1.2.3',
    '[::1]:8000',
    '[::1]',
  ]) {
    assert.equal(ask({ host }), 'in', host)
  }
})

test('a name that leads here by DNS is refused, whatever it looks like', () => {
  const ask = asker()
  for (const host of [
    'evil.example',
    'evil.example:8000',
    'localhost.evil.example',
    'evillocalhost',
    '127.0.0.1.evil.example',
    '127.evil.example',
    '192.168.1.5:8000',
    '0.0.0.0:8000',
    '[::2]',
    'a b',
    '',
  ]) {
    assert.equal(ask({ host }), 'host_not_allowed', host)
    assert.equal(ask({ host }), 'host_not_allowed', `${host} again`)
  }
  assert.equal(ask({}), 'host_not_allowed')
  assert.equal(ask({ host: 'localhost' }), 'in')
  assert.equal(ask({}), 'host_not_allowed', 'nothing is remembered of a request without a name')
})

test('the address that it is bound to, or connected to by, is answered', () => {
  assert.equal(asker({ boundTo: '192.168.1.5' })({ host: '192.168.1.5:8000' }), 'in')
  assert.equal(asker({ boundTo: 'fd00::5' })({ host: '[fd00::5]:8000' }), 'in')
  const everywhere = asker({ boundTo: '0.0.0.0' })
  assert.equal(everywhere({ host: '192.168.1.5:8000' }, { localAddress: '::ffff:192.168.1.5' }), 'in')
  assert.equal(everywhere({ host: '192.168.1.6:8000' }, { localAddress: '192.168.1.5' }), 'host_not_allowed')
})

test('the operator lists names, and names below one', () => {
  const ask = asker({ allowed: ['app', '*.example.com'] })
  for (const host of ['app:8000', 'App', 'a.example.com', 'a.b.example.com:443']) {
    assert.equal(ask({ host }), 'in', host)
  }
  for (const host of ['example.com', 'evilexample.com', 'app.evil.example', 'apps']) {
    assert.equal(ask({ host }), 'host_not_allowed', host)
  }
})

test('a page of another origin is refused, also of another port on this machine', () => {
  const ask = asker()
  const host = 'localhost:8000'
  for (const origin of [
    'https://evil.example',
    'http://localhost:3000',
    'http://127.0.0.1:8000',
    'http://localhost:8000.evil.example',
    'null',
    'nonsense',
    '',
  ]) {
    assert.equal(ask({ host, origin }), 'origin_not_allowed', origin)
  }
  for (const [own, page] of [
    [host, 'http://localhost:8000'],
    ['LOCALHOST:8000', 'http://localhost:8000'],
    ['localhost', 'http://localhost'],
    ['localhost:80', 'http://localhost'],
    ['[::1]:8000', 'http://[::1]:8000'],
  ] as const) {
    assert.equal(ask({ host: own, origin: page }), 'in', page)
  }
})

test('a page that a proxy shows under a listed name may send', () => {
  const ask = asker({ allowed: ['hooks.example.com'] })
  const origin = 'https://hooks.example.com'
  assert.equal(ask({ host: 'localhost:8000', origin, 'sec-fetch-site': 'same-origin' }), 'in')
  assert.equal(ask({ host: 'localhost:8000', origin, 'sec-fetch-site': 'cross-site' }), 'origin_not_allowed')
})

test('what a browser says comes from another site is refused, also without an origin', () => {
  const ask = asker()
  for (const site of ['cross-site', 'same-site', 'anything']) {
    for (const method of ['GET', 'POST']) {
      assert.equal(ask({ host: 'localhost', 'sec-fetch-site': site }, { method }), 'origin_not_allowed', site)
    }
  }
  for (const site of ['same-origin', 'none']) {
    assert.equal(ask({ host: 'localhost', 'sec-fetch-site': site }), 'in', site)
  }
})

test('health checks are answered under any name; what looks like one is not', () => {
  const ask = asker()
  const foreign = { host: 'evil.example', origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  for (const url of ['/livez', '/readyz', '/healthz', '/readyz/', '/readyz?x=1']) {
    for (const method of ['GET', 'HEAD']) assert.equal(ask(foreign, { method, url }), 'in', url)
    assert.equal(ask(foreign, { method: 'POST', url }), 'host_not_allowed', url)
  }
  for (const url of ['/', '/system', '/livez/x', '/livezz', '/subscriptions/?/livez']) {
    assert.equal(ask(foreign, { method: 'GET', url }), 'host_not_allowed', url)
  }
})

test('a link to a page of documentation can be followed, and to nothing else', () => {
  const ask = asker()
  const followed = {
    host: 'localhost',
    'sec-fetch-site': 'cross-site',
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
  }
  for (const url of ['/', '/docs', '/docs/', '/redoc', '/errors/forbidden']) {
    assert.equal(ask(followed, { method: 'GET', url }), 'in', url)
    assert.equal(ask(followed, { method: 'POST', url }), 'origin_not_allowed', url)
    const framed = { ...followed, 'sec-fetch-dest': 'iframe' }
    assert.equal(ask(framed, { method: 'GET', url }), 'origin_not_allowed', url)
    assert.equal(ask({ ...followed, host: 'evil.example' }, { method: 'GET', url }), 'host_not_allowed', url)
  }
  for (const url of ['/subscriptions/', '/logs/1', '/docsx']) {
    assert.equal(ask(followed, { method: 'GET', url }), 'origin_not_allowed', url)
  }
})

test('the sentence names the setting and the name that was asked for, and repeats nothing else', () => {
  const check = new HostCheck({ boundTo: '127.0.0.1', allowed: [] })
  const tell = (host: string) =>
    check.refusal({ headers: { host }, socket: {} } as unknown as IncomingMessage)?.message ?? '' // as above
  assert.match(
    tell('app:8000'),
    /^Without API keys .* was for app\. To allow a name, set ALLOWED_HOSTS=app\.$/,
  )
  assert.doesNotMatch(tell('<script>'), /script/)
})
