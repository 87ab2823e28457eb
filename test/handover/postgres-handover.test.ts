import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PostgresHandover } from '../../src/handover/postgres-handover.ts'

test('nobody holds what is offered, and a bell rings when it is committed', () => {
  let rung = 0
  const handover = new PostgresHandover({ ring: () => rung++ })
  assert.deepEqual([handover.offer(), rung], [null, 0])
  handover.commit()
  assert.equal(rung, 1)
})
