import { ChevronsUpDown } from 'lucide-react'
import { useRead } from '../api/queries.ts'
import { Menu } from '../design/menu.tsx'
import { useCaller } from './me.ts'
import { setPreferences, usePreferences } from './preferences.ts'

/** Whose things are shown. Hidden where there is one tenant, or the key is for one. */
export function TenantSwitch({ iconsOnly }: { readonly iconsOnly: boolean }) {
  const me = useCaller()
  const { tenant } = usePreferences()
  const mayChoose = me.tenant === null && me.scope !== 'publish'
  const tenants = useRead('listTenants', { query: { limit: 100 } }, { enabled: mayChoose })
  if (iconsOnly) return null
  if (!mayChoose) {
    return me.tenant === null ? null : <p className="truncate px-4 pb-1 text-xs text-ink-3">{me.tenant}</p>
  }
  const rows = (tenants.data ?? []).filter(({ id }) => id !== 'system')
  if (rows.length < 2 && tenant === '') return null
  const choose = (id: string) => setPreferences({ tenant: id })
  return (
    <div className="px-2 pb-1">
      <Menu
        align="start"
        trigger={
          <button
            type="button"
            aria-label={`Tenant: ${tenant || 'All tenants'}`}
            className="flex h-8 w-full items-center gap-2 rounded-control border border-line bg-surface px-2.5 text-sm hover:bg-hover"
          >
            <span className="min-w-0 grow truncate text-left">{tenant || 'All tenants'}</span>
            <ChevronsUpDown aria-hidden="true" className="h-3.5 w-3.5 text-ink-3" />
          </button>
        }
        items={[
          { label: 'All tenants', checked: tenant === '', onSelect: () => choose('') },
          null,
          ...rows.map(({ id }) => ({ label: id, checked: tenant === id, onSelect: () => choose(id) })),
        ]}
      />
    </div>
  )
}
