import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csvCell, csvOf, ndjsonOf } from '../../../../ui/src/parts/csv.ts'

test('no cell of a file is a formula, whatever a receiver has answered', () => {
  for (const text of [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    `=HYPERLINK("http://evil.example","x")`,
  ]) {
    const cell = csvCell(text)
    assert.match(cell, /^"?'/, text)
    assert.ok(cell.replaceAll('""', '"').includes(text), 'nothing else is changed')
  }
  assert.equal(csvCell(-5), '-5', 'a number is no text')
  assert.equal(csvCell('a=1'), 'a=1')
})

test('what separates cells is in quotes, and nothing is an empty cell', () => {
  assert.equal(csvCell('a,b'), '"a,b"')
  assert.equal(csvCell('say "no"'), '"say ""no"""')
  assert.equal(csvCell('one\ntwo'), '"one\ntwo"')
  assert.equal(csvCell(null), '')
  assert.equal(csvCell(undefined), '')
  assert.equal(csvCell({ a: [1, '"'] }), '"{""a"":[1,""\\""""]}"')
})

test('a file has the names of its columns first, and lines as RFC 4180 has them', () => {
  const rows = [
    { id: 1, text: 'x' },
    { id: 2, text: '=y' },
  ]
  const columns = [
    { name: 'id', value: (row: (typeof rows)[number]) => row.id },
    { name: 'text', value: (row: (typeof rows)[number]) => row.text },
  ]
  assert.equal(csvOf(rows, columns), "id,text\r\n1,x\r\n2,'=y\r\n")
  assert.equal(csvOf([], columns), 'id,text\r\n')
  assert.deepEqual(
    ndjsonOf(rows)
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
    rows,
  )
})
