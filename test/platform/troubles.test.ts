import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '../../src/platform/logger.ts'
import { Troubles, type TroubleWords } from '../../src/platform/troubles.ts'
import { eventually } from '../support/eventually.ts'

function someTroubles(t: TestContext) {
  const logger = silentLogger()
  const lines: { readonly level: string; readonly about: Record<string, unknown>; readonly words: string }[] =
    []
  for (const level of ['warn', 'error'] as const)
    t.mock.method(logger, level, (about: object, words: string) =>
      lines.push({ level, about: { ...about }, words }),
    )
  return { lines, troubles: new Troubles({ logger, now: () => 1_800_000_000_000 }) }
}

const words: TroubleWords = {
  kind: 'redis',
  level: 'warn',
  message: 'Redis is away',
  cause: 'ECONNREFUSED',
  over: 'Redis is back',
  counts: 'errors',
}

test('a trouble that is reported a thousand times is one line, and its end one with how many it has hit', t => {
  const { lines, troubles } = someTroubles(t)
  for (let n = 0; n < 1000; n++) troubles.began(words, 1)
  troubles.hit('redis', 5)
  assert.deepEqual(
    troubles.present.map(({ kind, count, until }) => [kind, count, until]),
    [['redis', 1005, null]],
  )
  troubles.ended('redis')
  troubles.ended('redis')
  assert.deepEqual(
    lines.map(({ level, words: said, about }) => [level, said, about.errors]),
    [
      ['warn', 'Redis is away', undefined],
      ['warn', 'Redis is back', 1005],
    ],
  )
  assert.deepEqual(troubles.present, [])
  const [{ kind, since, count } = assert.fail()] = troubles.recent
  assert.deepEqual([kind, since, count], ['redis', 1_800_000_000_000, 1005])
})

test('two subjects of a kind are two troubles; one that is unknown has no end', t => {
  const { lines, troubles } = someTroubles(t)
  troubles.began({ ...words, subject: 'a' })
  troubles.began({ ...words, subject: 'b' })
  troubles.ended('redis')
  troubles.ended('redis', 'a')
  assert.deepEqual(
    troubles.present.map(({ subject }) => subject),
    ['b'],
  )
  assert.equal(lines.length, 3)
})

test('one that nobody sees the end of is over when it was not reported for a while', async t => {
  const { lines, troubles } = someTroubles(t)
  for (let n = 0; n < 3; n++) troubles.occurred(words, 30)
  await eventually(() => lines.length === 2)
  assert.equal(lines[1]?.about.errors, 3)
  assert.deepEqual(troubles.present, [])
})

test('the last twenty that are over are kept, the last one first; of those that last there is a bound, too', t => {
  const { troubles } = someTroubles(t)
  for (let n = 0; n < 30; n++) {
    troubles.began({ ...words, subject: `${n}` })
    troubles.ended('redis', `${n}`)
  }
  assert.equal(troubles.recent.length, 20)
  assert.equal(troubles.recent[0]?.subject, '29')
  for (let n = 0; n < 1000; n++) troubles.began({ ...words, subject: `${n}` })
  assert.equal(troubles.present.length, 200)
  troubles.close()
})
