import { useNavigate } from '@tanstack/react-router'
import { Bookmark } from 'lucide-react'
import { IconButton } from '../design/button.tsx'
import { Menu } from '../design/menu.tsx'
import { setPreferences, usePreferences } from '../shell/preferences.ts'

export interface View {
  readonly name: string
  /** As in the address. */
  readonly query: string
}

/** Filters with a name: those that everybody has, and those that were saved in this browser. */
export function SavedViews({
  path,
  search,
  usual,
}: {
  readonly path: string
  readonly search: Readonly<Record<string, string | undefined>>
  readonly usual: readonly View[]
}) {
  const { views } = usePreferences()
  const navigate = useNavigate()
  const mine = views[path] ?? []
  const query = queryOf(search)
  const set = (changed: readonly View[]) => setPreferences({ views: { ...views, [path]: changed } })
  const saved = mine.find(view => view.query === query)
  const name = Object.entries(search)
    .filter(([, value]) => value)
    .map(([key, value]) => `${key.replace(/^event_|_id$/g, '')}:${value}`)
    .join(' ')
  return (
    <Menu
      trigger={
        <IconButton label="Saved views" className="h-8 w-8">
          <Bookmark className={saved ? 'h-4 w-4 fill-current text-accent' : 'h-4 w-4'} />
        </IconButton>
      }
      items={[
        ...[...usual, ...mine].map(view => ({
          label: view.name,
          checked: view.query === query,
          onSelect: () =>
            void navigate({ to: path, search: Object.fromEntries(new URLSearchParams(view.query)) as never }),
        })),
        null,
        saved
          ? {
              label: 'Forget this view',
              onSelect: () => set(mine.filter(view => view !== saved)),
            }
          : {
              label: 'Save this view',
              disabled: query === '' || usual.some(view => view.query === query),
              onSelect: () => set([...mine, { name, query }]),
            },
      ]}
    />
  )
}

function queryOf(search: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(search).flatMap(([key, value]) => (value ? [[key, value]] : []))
  return new URLSearchParams(given).toString()
}
