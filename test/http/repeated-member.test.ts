import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { repeatedMember } from '../../src/http/repeated-member.ts'

test('a name that an object has twice is found, wherever it is and however it is written', () => {
  for (const [text, pointer] of [
    ['{"a":1,"a":2}', '/a'],
    ['{"a":1,"b":2}', undefined],
    ['{"a":{"b":[0,{"c":1,"d":{},"c" :2}]}}', '/a/b/1/c'],
    ['{"a":{"x":1},"b":{"x":1}}', undefined],
    ['[{"x":1},{"x":1},[1,"x","x"]]', undefined],
    ['{"a/b":1,"a\\/b":2}', '/a~1b'],
    ['{"\\u0061":1,\n"a"\t:\r2}', '/a'],
    ['{"a\\\\":1,"a\\"":2,"":3}', undefined],
    ['{"x":"a","y":"\\\\","a":"{\\"a\\":1,\\"a\\":2}"}', undefined],
    ['{"":1,"":2}', '/'],
    ['{"__proto__":1,"__proto__":2}', '/__proto__'],
    ['"a"', undefined],
    ['{"x":"a", "a" : "a"}', undefined],
  ] as const) {
    assert.equal(repeatedMember(text), pointer, text)
  }
})

test('what JSON.stringify has written has no name twice, whatever it is', () => {
  fc.assert(fc.property(fc.jsonValue(), value => repeatedMember(JSON.stringify(value)) === undefined))
})

test('a megabyte takes no more than its length', () => {
  assert.equal(repeatedMember(`{"a":"${'\\"'.repeat(500_000)}","a":1}`), '/a')
  assert.equal(repeatedMember(`{"a":"${'\\\\'.repeat(500_000)}","a":1}`), '/a')
  assert.equal(repeatedMember(`${'['.repeat(500_000)}${']'.repeat(500_000)}`), undefined)
})
