import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { Building2, MoreHorizontal, Plus } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { useChange, useList } from '../../api/queries.ts'
import type { Tenant } from '../../api/schema.ts'
import { Button, IconButton } from '../../design/button.tsx'
import type { Column } from '../../design/column.ts'
import { ConfirmDialog, Dialog, fieldErrors } from '../../design/dialog.tsx'
import { Field, Input } from '../../design/field.tsx'
import { FilterBar } from '../../design/filter-bar.tsx'
import { Menu } from '../../design/menu.tsx'
import { Page } from '../../design/page.tsx'
import { EmptyState, ErrorState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { Time } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { PortalLink } from '../../parts/portal-link.tsx'
import { TenantLook } from '../../parts/tenant-look.tsx'
import { setPreferences } from '../../shell/preferences.ts'

const route = getRouteApi('/tenants')
/** They always are. */
const fixed = ['default', 'system']

/** Whose subscriptions and events these are. */
export function Tenants() {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/tenants' })
  const list = useList('listTenants', { query: { q: search.q, limit: 100 } })
  const [making, setMaking] = useState(false)
  const [renaming, setRenaming] = useState<Tenant>()
  const [deleting, setDeleting] = useState<Tenant>()
  const [letting, setLetting] = useState<Tenant>()
  const [dressing, setDressing] = useState<Tenant>()
  const remove = useChange('deleteTenant', { affects: ['listTenants'], quiet: true })
  const columns: readonly Column<Tenant>[] = [
    {
      id: 'id',
      head: 'Tenant',
      cell: ({ id, name }) => (
        <span className="flex items-baseline gap-2">
          <button
            type="button"
            className="max-w-[60%] shrink-0 truncate rounded font-medium hover:underline"
            onClick={() => {
              setPreferences({ tenant: id })
              void navigate({ to: '/subscriptions' })
            }}
          >
            {id}
          </button>
          {name !== id && <span className="truncate text-ink-2">{name}</span>}
        </span>
      ),
    },
    {
      id: 'made',
      head: 'Made',
      width: '8rem',
      align: 'right',
      from: 'sm',
      cell: ({ created_at: at }) => (
        <span className="text-ink-2">
          <Time at={at} />
        </span>
      ),
    },
    {
      id: 'do',
      head: <span className="only-spoken">Actions</span>,
      width: '3.5rem',
      align: 'right',
      cell: tenant => (
        <Menu
          trigger={
            <IconButton label={`What can be done with ${tenant.id}`}>
              <MoreHorizontal className="h-4 w-4" />
            </IconButton>
          }
          items={[
            { label: 'Rename', onSelect: () => setRenaming(tenant) },
            {
              label: 'Link to its page',
              disabled: tenant.id === 'system',
              onSelect: () => setLetting(tenant),
            },
            {
              label: 'How its page looks',
              disabled: tenant.id === 'system',
              onSelect: () => setDressing(tenant),
            },
            null,
            {
              label: 'Delete',
              danger: true,
              disabled: fixed.includes(tenant.id),
              onSelect: () => setDeleting(tenant),
            },
          ]}
        />
      ),
    },
  ]
  const make = (
    <Button look="primary" icon={<Plus className="h-4 w-4" />} onClick={() => setMaking(true)}>
      New tenant
    </Button>
  )
  return (
    <Page title="Tenants" actions={make} facts="What one tenant has, no other one sees.">
      <FilterBar
        filters={[{ key: 'q', name: 'name', hint: 'part of its id or name' }]}
        values={search}
        freeText="q"
        onChange={values => void navigate({ search: values, replace: true })}
      />
      <DataTable
        label="Tenants"
        columns={columns}
        list={list}
        keyOf={({ id }) => id}
        clearFilters={search.q ? () => void navigate({ search: {}, replace: true }) : undefined}
        empty={
          <EmptyState title="No tenants" icon={<Building2 />} action={make}>
            A tenant is whose subscriptions and events these are: a customer, a team, an environment.
          </EmptyState>
        }
      />
      {making && <TenantForm onClose={() => setMaking(false)} />}
      {renaming && <TenantForm tenant={renaming} onClose={() => setRenaming(undefined)} />}
      {letting && <PortalLink tenant={letting.id} onClose={() => setLetting(undefined)} />}
      {dressing && <TenantLook tenant={dressing.id} onClose={() => setDressing(undefined)} />}
      {deleting && (
        <ConfirmDialog
          open
          danger
          onClose={() => setDeleting(undefined)}
          title={`Delete ${deleting.id}`}
          verb="Delete the tenant"
          type={deleting.id}
          description="Its subscriptions, keys and what they are still owed go with it. Its events and its log stay until their retention is over, and nobody but an operator sees them."
          act={async () => {
            await remove.mutateAsync({ path: { id: deleting.id } })
            toast(`${deleting.id} is being removed.`)
          }}
        />
      )}
    </Page>
  )
}

function TenantForm({ tenant, onClose }: { readonly tenant?: Tenant; readonly onClose: () => void }) {
  const [id, setId] = useState(tenant?.id ?? '')
  const [name, setName] = useState(tenant?.name ?? '')
  const create = useChange('createTenant', { affects: ['listTenants'], quiet: true })
  const patch = useChange('patchTenant', { affects: ['listTenants'], quiet: true })
  const error = create.error ?? patch.error
  const problem = fieldErrors(error)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const work = tenant
      ? patch.mutateAsync({ path: { id: tenant.id }, body: { name } })
      : create.mutateAsync({ body: { id, name: name || id } })
    await work.then(onClose, () => {})
  }
  return (
    <Dialog open onClose={onClose} title={tenant ? `Rename ${tenant.id}` : 'New tenant'}>
      <form onSubmit={submit} className="space-y-4">
        {!tenant && (
          <Field
            label="Id"
            hint="Small letters, digits, _ and -. It cannot be changed."
            error={problem('/id')}
          >
            <Input
              value={id}
              required
              autoFocus
              pattern="[a-z0-9][a-z0-9_\-]{0,62}"
              onChange={event => setId(event.target.value)}
            />
          </Field>
        )}
        <Field label="Name" optional={!tenant} hint="For people" error={problem('/name')}>
          <Input
            value={name}
            required={tenant !== undefined}
            onChange={event => setName(event.target.value)}
          />
        </Field>
        {error !== null && <ErrorState error={error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={create.isPending || patch.isPending}>
            {tenant ? 'Rename' : 'Create'}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
