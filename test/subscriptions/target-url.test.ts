import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTargetUrl } from '../../src/subscriptions/target-url.ts'

function href(text: string): string | undefined {
  const parsed = parseTargetUrl(text)
  return parsed.kind === 'valid' ? parsed.url.href : undefined
}

test('an address is stored as it will be requested', () => {
  assert.equal(href('HTTPS://Example.com:443/a/../b?x=ü'), 'https://example.com/b?x=%C3%BC')
  assert.equal(href('http://localhost:9000'), 'http://localhost:9000/')
  assert.equal(href('http://[::1]:9000/x'), 'http://[::1]:9000/x')
  assert.equal(href('http://münchen.example/'), 'http://xn--mnchen-3ya.example/')
  assert.equal(href('http://my_host:/'), 'http://my_host/')
})

for (const text of [
  '',
  'example.com/hooks',
  '/hooks',
  'ftp://example.com/',
  'javascript:alert(1)',
  'file:///etc/passwd',
  'http:example.com',
  'http:///example.com',
  'http://',
  'http://?x',
  'http://user@example.com/',
  'http://user:word@example.com/',
  'http://@example.com/',
  'http://example.com/#part',
  'http://example.com/#',
  'http://example.com\\@other.example/',
  ' http://example.com/',
  'http://exa\tmple.com/',
  'http://example.com/a b',
  'http://example.com/\u0000',
  'http://example.com/\u2028',
  'http://example.com:0/',
  'http://example.com:65536/',
  'http://exa%00mple.com/',
  'http://exa%6Dple.com/',
  'https://example.com*/',
  "http://exam'ple.com/",
  'http://example.com:80a/',
  `http://example.com/${'x'.repeat(2048)}`,
  `http://example.com/${'ü'.repeat(700)}`, // longer once it is encoded
]) {
  test(`${JSON.stringify(text.slice(0, 40))} is refused with a sentence`, () => {
    const parsed = parseTargetUrl(text)
    assert.equal(parsed.kind, 'invalid')
    assert.match(parsed.kind === 'invalid' ? parsed.detail : '', /^[A-Z].*\.$/)
  })
}
