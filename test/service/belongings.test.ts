import assert from 'node:assert/strict'
import { test } from 'node:test'
import { belongings } from '../../src/service/belongings.ts'
import { testDatabase } from '../support/database.ts'

test('of every table that says whose its rows are, it is known how they go with their tenant', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  const { rows } = await database.query<{ name: string }>({
    text: `select c.relname::text as name from pg_attribute a join pg_class c on c.oid = a.attrelid
           where a.attname = 'tenant' and c.relkind in ('r', 'p') and not c.relispartition
             and c.relnamespace = 'public'::regnamespace
           order by 1`,
  })
  assert.deepEqual(
    belongings.flatMap(({ tables }) => tables).toSorted(),
    rows.map(({ name }) => name),
    'Give the table an entry in src/service/belongings.ts: what removes its rows, and whether they name the tenant after that',
  )
})
