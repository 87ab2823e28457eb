import { useSyncExternalStore } from 'react'
import { linkTheme } from '../api/client.ts'

/** What a person has chosen for this browser. Nothing secret. */
export interface Preferences {
  readonly theme: 'system' | 'light' | 'dark'
  readonly clock: 'local' | 'utc'
  readonly rows: 'normal' | 'compact'
  readonly sidebar: 'open' | 'icons'
  /** The tenant that lists are narrowed to; empty: all. */
  readonly tenant: string
  /** Saved views by the path of their list: name and query. */
  readonly views: Readonly<Record<string, readonly { readonly name: string; readonly query: string }[]>>
}

const key = 'webhooks.preferences'
const defaults: Preferences = {
  theme: 'system',
  clock: 'local',
  rows: 'normal',
  sidebar: 'open',
  tenant: '',
  views: {},
}

let current: Preferences = { ...read(), ...(linkTheme && { theme: linkTheme }) }
const listeners = new Set<() => void>()

function read(): Preferences {
  try {
    return { ...defaults, ...(JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Preferences>) }
  } catch {
    return defaults
  }
}

export function setPreferences(change: Partial<Preferences>): void {
  current = { ...current, ...change }
  try {
    localStorage.setItem(key, JSON.stringify(current))
  } catch {
    // It holds until the page is closed.
  }
  applyTheme()
  for (const listener of listeners) listener()
}

export function getPreferences(): Preferences {
  return current
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => current,
  )
}

const prefersDark = matchMedia('(prefers-color-scheme: dark)')
prefersDark.addEventListener('change', applyTheme)

/** As theme.js does it before the first paint. */
export function applyTheme(): void {
  const dark = current.theme === 'dark' || (current.theme === 'system' && prefersDark.matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  dispatchEvent(new Event('themechange'))
}
