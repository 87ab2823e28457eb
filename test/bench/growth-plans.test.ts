import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planTable, summaryOf } from '../../bench/growth-plans.ts'

const insert = `duration: 0.502 ms
Insert on owed  (cost=17.27..17.37 rows=0 width=0) (actual time=0.235..0.236 rows=0.00 loops=1)
  Buffers: shared hit=200 read=60 dirtied=3
  CTE e
    ->  Insert on events  (cost=0.02..0.22 rows=0 width=0) (actual time=0.189..0.189 rows=0.00 loops=1)
          Buffers: shared hit=114
          ->  Function Scan on t_1  (cost=0.02..0.22 rows=10 width=240) (actual time=0.018..0.033 rows=50.00 loops=1)
  CTE locked
    ->  Index Scan using lanes_pkey on lanes  (cost=0.42..8.44 rows=1 width=10) (actual time=0.020..0.020 rows=1.00 loops=1)
          Buffers: shared hit=5, temp written=317
  ->  CTE Scan on locked k  (cost=0.01..0.11 rows=10 width=48) (actual time=0.015..0.023 rows=50.00 loops=1)
        Buffers: shared hit=5`

const look = `duration: 0.013 ms
Nested Loop  (cost=0.00..13.30 rows=220 width=104) (actual time=0.011..0.012 rows=2.00 loops=1)
  ->  Seq Scan on processes  (cost=0.00..13.30 rows=220 width=104) (actual time=0.011..0.012 rows=2.00 loops=1)
        Buffers: shared hit=1
  ->  Index Scan using events_2026112403_pkey on events_2026112403 e_1  (cost=0.42..8.44 rows=1 width=601) (never executed)
  ->  Index Scan using events_2026112404_pkey on events_2026112404 e_2  (cost=0.42..8.44 rows=1 width=601) (never executed)`

test('the pages of a plan are those of its root, and of what is written after it', () => {
  const { nodes, pages, durationMs } = summaryOf({ name: 'insert', text: insert })
  assert.deepEqual({ nodes, pages, durationMs }, { nodes: 5, pages: 200 + 60 + 114, durationMs: '0.502' })
})

test('the pages of a node below are not taken for those of the root', () => {
  assert.equal(summaryOf({ name: 'look', text: look }).pages, 0)
})

test('what finds the rows is named once, whatever the number of partitions, and a table that is read whole', () => {
  assert.deepEqual(summaryOf({ name: 'look', text: look }).scans, ['all of processes', 'events_pkey'])
})

test('the table has a row for each statement', () => {
  assert.deepEqual(
    planTable([{ name: 'insert', text: insert }])
      .split('\n')
      .slice(2),
    ['| insert | 5 | lanes_pkey | 374 | 0.502 |'],
  )
})
