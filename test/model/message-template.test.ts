import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  attemptPlaceholders,
  compileTemplate,
  eventPlaceholders,
  fitForHeader,
  headerText,
  render,
  renderHeader,
  signedPlaceholders,
  type ValueOf,
} from '../../src/model/message-template.ts'
import { anyCodePoint } from '../support/any-text.ts'

const compiled = (
  text: string,
  allowed = attemptPlaceholders as readonly (typeof attemptPlaceholders)[number][],
) => {
  const result = compileTemplate(text, allowed)
  assert.equal(result.kind, 'template', JSON.stringify(result))
  return result.kind === 'template' ? result.template : { pieces: [] }
}
const values: ValueOf = placeholder =>
  placeholder.name === 'metadata' ? `<${placeholder.of}>` : placeholder.name === 'tenant' ? null : 'v'

test('placeholders are replaced by values, doubled braces by braces', () => {
  assert.equal(render(compiled('a {id}-{event_type} {{id}} }}{{'), values), 'a v-v {id} }{')
  assert.equal(render(compiled('{metadata.Order-Id}{tenant}'), values), '<order-id>')
  assert.equal(render(compiled(''), values), '')
})

test('what is no placeholder here is refused, with those that there are', () => {
  for (const text of [
    '{body}',
    '{}',
    '{metadata}',
    '{metadata.}',
    '{ id }',
    '{constructor}',
    '{__proto__}',
  ]) {
    const result = compileTemplate(text, attemptPlaceholders)
    assert.match(result.kind === 'invalid' ? result.detail : '', /Use \{id\}.*\{metadata\.NAME\}/, text)
  }
  assert.equal(compileTemplate('{attempt}', eventPlaceholders).kind, 'invalid')
  assert.equal(compileTemplate('{body}', signedPlaceholders).kind, 'template')
  for (const text of ['{', '}', 'a}b', '{id', '{a{b}', '{{{']) {
    assert.equal(compileTemplate(text, attemptPlaceholders).kind, 'invalid', text)
  }
})

test('a value is only a value, whatever is in it', () => {
  const braces: ValueOf = () => '{id}{{'
  assert.equal(render(compiled('{event_type}'), braces), '{id}{{')
})

test('in a header any value is visible ASCII on one line, from which it can be read back', () => {
  assert.equal(headerText('a b\r\nX-Evil: 1 100% é'), 'a b%0D%0AX-Evil: 1 100%25 %C3%A9')
  fc.assert(
    fc.property(fc.string({ unit: anyCodePoint, maxLength: 20 }), value => {
      const text = headerText(value)
      assert.match(text, /^[\x20-\x7e]*$/)
      assert.equal(decodeURIComponent(text), value.toWellFormed())
    }),
  )
})

test('a header has no spaces around it, and an end', () => {
  assert.equal(renderHeader(compiled(' {tenant}{event_type} '), values), 'v')
  const long = renderHeader(compiled('{event_type}'), () => 'é'.repeat(5000))
  assert.ok(long.length <= 2048 && long.length > 2000)
  assert.doesNotThrow(() => decodeURIComponent(long))
})

test('a header that is cut can be decoded, whatever the length of the characters that were cut', () => {
  for (const char of ['ü', '€', '𝒳'])
    for (let before = 0; before < 13; before++) {
      const text = fitForHeader(headerText('a'.repeat(before) + char.repeat(700)))
      assert.ok(text.length > 2030 && text.length <= 2048, `${text.length}`)
      assert.match(decodeURIComponent(text), new RegExp(`^a{${before}}${char}+$`, 'u'))
    }
  assert.equal(fitForHeader(`${'%'.repeat(3000)}`).length > 2000, true) // what an owner wrote himself stays
})
