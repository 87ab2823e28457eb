import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { errorText } from '../../src/model/outcome.ts'
import { anyCodePoint } from '../support/any-text.ts'

const codePoints = (text: string) => Array.from(text).length

test('a text is made fit for the log', () => {
  const table: readonly (readonly [given: string, kept: string])[] = [
    ['', ''],
    ['connect ECONNREFUSED', 'connect ECONNREFUSED'],
    ['a\u0000b', 'a b'],
    ['  two\r\n\tlines \u007f', 'two lines'],
    ['\u0000\u0001', ''],
    ['Größe 😀', 'Größe 😀'],
    ['half \ud83d', 'half \ufffd'],
    ['\ude00 half', '\ufffd half'],
    ['x'.repeat(200), 'x'.repeat(200)],
    ['x'.repeat(201), 'x'.repeat(200)],
    ['😀'.repeat(150), '😀'.repeat(150)],
    ['😀'.repeat(201), '😀'.repeat(200)],
    [`${'x'.repeat(199)}😀y`, `${'x'.repeat(199)}😀`],
    ['\ud83d'.repeat(300), '\ufffd'.repeat(200)],
  ]
  for (const [given, kept] of table) assert.equal(errorText(given), kept)
})

test('whatever comes in, 200 characters of sound text come out', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCodePoint, maxLength: 500 }), text => {
      const fit = errorText(text)
      assert.ok(codePoints(fit) <= 200)
      assert.ok(fit.isWellFormed())
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
      assert.doesNotMatch(fit, /[\u0000-\u001f\u007f]/)
    }),
  )
})
