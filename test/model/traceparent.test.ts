import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTraceparent } from '../../src/model/traceparent.ts'

const ids = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331'
const read = (traceparent: string) => readTraceparent({ traceparent })

test('a valid traceparent is kept as it is', () => {
  assert.equal(read(`00-${ids}-01`), `00-${ids}-01`)
  assert.equal(read(`00-${ids}-00`), `00-${ids}-00`)
})

test('of a later version what is known of it is kept', () => {
  assert.equal(read(`cc-${ids}-03-what-comes-later`), `00-${ids}-01`)
  assert.equal(read(`00-${ids}-fe`), `00-${ids}-00`)
})

test('what is not valid begins no trace (W3C Trace Context, 3.2.2)', () => {
  for (const wrong of [
    '',
    'x',
    `ff-${ids}-01`,
    `00-${ids}-01-more`,
    `00-${ids}-0`,
    `00-${ids.toUpperCase()}-01`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`,
    `cc-${ids}-01x`,
  ])
    assert.equal(read(wrong), undefined, wrong)
  assert.equal(readTraceparent({}), undefined)
})
