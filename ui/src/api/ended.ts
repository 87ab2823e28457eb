import { useSyncExternalStore } from 'react'

// Whether the session has ended: then nothing is asked for until somebody signs in again.

let ended = false
const listeners = new Set<() => void>()

export function setEnded(to: boolean): void {
  if (ended === to) return
  ended = to
  for (const listener of listeners) listener()
}

export function useEnded(): boolean {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => ended,
  )
}
