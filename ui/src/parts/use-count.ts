import { useQuery } from '@tanstack/react-query'
import { call, type Input } from '../api/client.ts'

/** How many a change would be about: its dry run. */
export function useCount<Id extends 'createReplay' | 'discardDeliveries'>(
  id: Id,
  body: Input<Id>['body'],
): { readonly data: number | undefined; readonly error: unknown } {
  const query = useQuery({
    queryKey: ['count', id, body],
    queryFn: async ({ signal }) => {
      const answer = await call(id, { body, signal })
      return 'count' in answer ? answer.count : 0
    },
    staleTime: 0,
    gcTime: 0,
  })
  return { data: query.data, error: query.error ?? undefined }
}
