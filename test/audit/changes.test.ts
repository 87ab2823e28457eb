import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bounded, changeLimits, differences, secretDifferences } from '../../src/audit/changes.ts'

test('only what differs is listed, objects field by field', () => {
  const before = { url: 'a', retry: { max: 5, jitter: 0 }, types: ['x'], note: null }
  const after = { url: 'a', retry: { max: 6, jitter: 0 }, types: ['x', 'y'], note: undefined }
  assert.deepEqual(differences(before, after), [
    { field: 'retry.max', before: 5, after: 6 },
    { field: 'types', before: ['x'], after: ['x', 'y'] },
  ])
})

test('a new thing differs in each field that it has, and a deleted one likewise', () => {
  const thing = { url: 'a', note: null, metadata: { owner: 'ada' }, paused: false }
  assert.deepEqual(differences(undefined, thing), [
    { field: 'url', before: null, after: 'a' },
    { field: 'metadata.owner', before: null, after: 'ada' },
    { field: 'paused', before: null, after: false },
  ])
  assert.deepEqual(differences({ url: 'a' }, undefined), [{ field: 'url', before: 'a', after: null }])
})

test('an object that becomes something else differs as a whole', () => {
  assert.deepEqual(differences({ limit: { requests: 1 } }, { limit: 7 }), [
    { field: 'limit', before: { requests: 1 }, after: 7 },
  ])
})

test('of a secret it is said that it was set, changed or removed, and nothing else', () => {
  const found = secretDifferences({ a: 'one', b: 'same', c: 'gone' }, { a: 'two', b: 'same', d: 'new' })
  assert.deepEqual(found, [
    { field: 'a', before: null, after: null, secret: 'changed' },
    { field: 'c', before: null, after: null, secret: 'removed' },
    { field: 'd', before: null, after: null, secret: 'set' },
  ])
})

test('long values are cut where no character is cut in two, and fields that are too many are counted', () => {
  const long = `${'x'.repeat(changeLimits.valueChars - 1)}🙂 and more`
  const [cut] = bounded([{ field: 'a', before: [long], after: long }]).changes
  assert.equal(cut?.after, `${'x'.repeat(changeLimits.valueChars - 1)}… (${long.length} characters)`)
  assert.match(String(cut?.before), /^\["x+… \(1014 characters\)$/)
  const many = Array.from({ length: 103 }, (_, index) => ({ field: `${index}`, before: 1, after: 2 }))
  const { changes, more } = bounded(many)
  assert.deepEqual([changes.length, more], [100, 3])
})
