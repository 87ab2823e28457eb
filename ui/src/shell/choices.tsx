import { useQueryClient } from '@tanstack/react-query'
import { Clock, LogOut, Monitor, Moon, Rows3, Sun } from 'lucide-react'
import type { Me } from '../api/schema.ts'
import { signOut, useConfig } from '../api/session.ts'
import { IconButton } from '../design/button.tsx'
import { Menu } from '../design/menu.tsx'
import { toastError } from '../design/toast.tsx'
import { type Preferences, setPreferences, usePreferences } from './preferences.ts'

const themes = [
  { value: 'system', label: 'As the system', icon: Monitor },
  { value: 'light', label: 'Light', icon: Sun },
  { value: 'dark', label: 'Dark', icon: Moon },
] as const

/** What a person can choose for this browser, and who they are. */
export function Choices({ me }: { readonly me: Me }) {
  const chosen = usePreferences()
  const client = useQueryClient()
  const config = useConfig()
  const ThemeIcon = themes.find(({ value }) => value === chosen.theme)?.icon ?? Monitor
  const clocks: readonly { readonly value: Preferences['clock']; readonly label: string }[] = [
    { value: 'local', label: 'Local time' },
    { value: 'utc', label: 'UTC' },
  ]
  const leave = () =>
    signOut()
      .then(() => client.resetQueries())
      .catch(toastError)
  return (
    <>
      <Menu
        trigger={
          <IconButton label="Theme">
            <ThemeIcon className="h-4 w-4" />
          </IconButton>
        }
        items={themes.map(({ value, label, icon: Icon }) => ({
          label,
          icon: <Icon />,
          checked: chosen.theme === value,
          onSelect: () => setPreferences({ theme: value }),
        }))}
      />
      <Menu
        trigger={
          <IconButton label="Times and rows">
            <Clock className="h-4 w-4" />
          </IconButton>
        }
        items={[
          ...clocks.map(({ value, label }) => ({
            label,
            checked: chosen.clock === value,
            onSelect: () => setPreferences({ clock: value }),
          })),
          null,
          {
            label: 'Compact rows',
            icon: <Rows3 />,
            checked: chosen.rows === 'compact',
            onSelect: () => setPreferences({ rows: chosen.rows === 'compact' ? 'normal' : 'compact' }),
          },
        ]}
      />
      {config.data?.auth === 'keys' && me.actor.kind !== 'portal_token' && (
        <IconButton label={`Sign out (${me.actor.name})`} onClick={() => void leave()}>
          <LogOut className="h-4 w-4" />
        </IconButton>
      )}
    </>
  )
}
