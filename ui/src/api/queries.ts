import {
  keepPreviousData,
  type QueryClient,
  type UseMutationResult,
  type UseQueryResult,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query'
import { useMemo } from 'react'
import { toastError } from '../design/toast.tsx'
import { type Answer, call, callPage, type Input, type OperationId, type Row } from './client.ts'
import { useEvery } from './fresh.ts'

interface ReadOptions {
  readonly enabled?: boolean
  /** Asks again after this long, while the page is looked at. */
  readonly everyMs?: number | false | undefined
  /** What was shown before stays until the new is there. */
  readonly keep?: boolean
}

/** The key of what an operation answered: all of an operation is forgotten by its name alone. */
export function keyOf<Id extends OperationId>(id: Id, input: Input<Id> = {}): readonly unknown[] {
  return [id, input.path ?? null, input.query ?? null, input.body ?? null]
}

/** What an operation answers, kept and refreshed. */
export function useRead<Id extends OperationId>(
  id: Id,
  input: Input<Id> = {},
  { enabled = true, everyMs = false, keep = false }: ReadOptions = {},
): UseQueryResult<Answer<Id>> {
  const every = useEvery(id, everyMs)
  return useQuery<Answer<Id>>({
    queryKey: keyOf(id, input),
    meta: { live: everyMs !== false },
    queryFn: ({ signal }) => call(id, { ...input, signal }),
    enabled,
    refetchInterval: every,
    // What an operation answers is never a function, for which the option would be something else.
    ...(keep && { placeholderData: keepPreviousData as never }),
  })
}

/** A list with all that was loaded of it; `more` loads the next page. */
export interface List<Item> {
  readonly rows: readonly Item[]
  readonly loading: boolean
  /** Why there is nothing; what was there before is shown, and the page says that it is old. */
  readonly error: unknown
  readonly hasMore: boolean
  readonly loadingMore: boolean
  readonly more: () => void
  readonly again: () => void
}

export function useList<Id extends OperationId>(
  id: Id,
  input: Input<Id> = {},
  { enabled = true, everyMs = false }: ReadOptions = {},
): List<Row<Id>> {
  const every = useEvery(id, everyMs)
  const query = useInfiniteQuery({
    meta: { live: everyMs !== false },
    queryKey: [...keyOf(id, input), 'pages'],
    queryFn: ({ pageParam, signal }) =>
      callPage(id, { ...input, signal, query: { ...input.query, cursor: pageParam } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
    enabled,
    // Only the first page is asked for again by itself: of a long list all pages would be read each time.
    refetchInterval: state => ((state.state.data?.pages.length ?? 1) === 1 ? every : false),
  })
  const { data } = query
  const rows = useMemo(() => data?.pages.flatMap(page => page.rows) ?? [], [data])
  return {
    rows,
    loading: query.isPending && enabled,
    error: data === undefined ? (query.error ?? undefined) : undefined,
    hasMore: query.hasNextPage,
    loadingMore: query.isFetchingNextPage,
    more: () => void query.fetchNextPage(),
    again: () => void query.refetch(),
  }
}

/**
 * Carries out an operation that changes something. What the operations in `affects` answered is read again afterwards.
 * What goes wrong is shown, unless `quiet`.
 */
export function useChange<Id extends OperationId>(
  id: Id,
  {
    affects = [],
    quiet = false,
  }: { readonly affects?: readonly OperationId[]; readonly quiet?: boolean } = {},
): UseMutationResult<Answer<Id>, unknown, Input<Id>> {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (input: Input<Id>) => call(id, input),
    onSuccess: () => forget(client, affects),
    onError: error => {
      if (!quiet) toastError(error)
    },
  })
}

/** Reads again what these operations answered. */
export async function forget(client: QueryClient, ids: readonly OperationId[]): Promise<void> {
  await Promise.all(ids.map(id => client.invalidateQueries({ queryKey: [id] })))
}
