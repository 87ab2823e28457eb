import { notifyManager, type Query, type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useCallback, useSyncExternalStore } from 'react'

/** Something that is shown was read before, and could not be read again. */
export interface Outdated {
  /** When what is shown was read, as the API writes times. */
  readonly since: string
  readonly error: unknown
  readonly again: () => void
}

const isOutdated = ({ state }: Query) => state.status === 'error' && state.data !== undefined

/** The oldest of what is shown. */
function oldestOf(client: QueryClient): Query | undefined {
  return client
    .getQueryCache()
    .findAll({ type: 'active', predicate: isOutdated })
    .sort((a, b) => a.state.dataUpdatedAt - b.state.dataUpdatedAt)[0]
}

/** Undefined: all that is shown is as it was last asked for. */
export function useOutdated(): Outdated | undefined {
  const client = useQueryClient()
  const listen = useCallback(
    (listener: () => void) => client.getQueryCache().subscribe(notifyManager.batchCalls(listener)),
    [client],
  )
  const oldest = useSyncExternalStore(listen, () => oldestOf(client))
  if (oldest === undefined) return undefined
  return {
    since: new Date(oldest.state.dataUpdatedAt).toISOString(),
    error: oldest.state.error,
    again: () => void client.refetchQueries({ type: 'active', predicate: isOutdated }),
  }
}
