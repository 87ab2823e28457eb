import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepPreviousData, QueryClient, QueryObserver } from '@tanstack/react-query'
import { knownOf, notAnswered } from '../../../../../ui/src/screens/overview/known.ts'

test('what a read keeps of others from before is no answer', async t => {
  const client = new QueryClient()
  t.after(() => client.clear())
  const { promise: answer, resolve: give } = Promise.withResolvers<readonly number[]>()
  const of = (ids: string, queryFn: () => Promise<readonly number[]>) =>
    ({ queryKey: ['figures', ids], queryFn, placeholderData: keepPreviousData, staleTime: Infinity }) as const
  client.setQueryData(['figures', '1'], [1])
  const observer = new QueryObserver<readonly number[]>(
    client,
    of('1', () => Promise.resolve([1])),
  )
  t.after(observer.subscribe(() => {}))
  const missing = () => notAnswered([observer.getCurrentResult()]).length
  assert.equal(missing(), 0)
  observer.setOptions(of('1,2', () => answer))
  assert.deepEqual(observer.getCurrentResult().data, [1], 'it is shown')
  assert.equal(missing(), 1)
  give([1, 2])
  await client.ensureQueryData(of('1,2', () => answer))
  assert.equal(missing(), 0)
})

test('what was known stays until more is, and is forgotten when the tenant changes', () => {
  const first = knownOf(undefined, 'shop', ['of the shop'])
  assert.deepEqual(knownOf(first, 'shop', undefined)?.value, ['of the shop'])
  const other = knownOf(first, 'bank', undefined)
  assert.equal(other, undefined)
  assert.equal(knownOf(other, 'shop', undefined), undefined, 'nor is it there again on the way back')
  assert.deepEqual(knownOf(first, 'shop', [])?.value, [])
})
