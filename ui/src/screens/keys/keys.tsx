import { KeyRound, Plus } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { useChange, useList } from '../../api/queries.ts'
import type { Key } from '../../api/schema.ts'
import { Badge, StateBadge } from '../../design/badge.tsx'
import { Button } from '../../design/button.tsx'
import { CodeBlock } from '../../design/code-block.tsx'
import type { Column } from '../../design/column.ts'
import { ConfirmDialog, Dialog, fieldErrors } from '../../design/dialog.tsx'
import { Field, Input, Select } from '../../design/field.tsx'
import { Page } from '../../design/page.tsx'
import { EmptyState, ErrorState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { Time } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { useCaller, useTenant } from '../../shell/me.ts'

const scopes: Readonly<Record<Key['scope'], string>> = {
  admin: 'everything',
  tenant: 'everything of one tenant',
  publish: 'send events of one tenant, nothing else',
  read: 'read, change nothing',
}

/** Who may use the API, and for what. */
export function Keys() {
  const tenant = useTenant()
  const list = useList('listKeys', { query: { tenant, limit: 100 } })
  const [making, setMaking] = useState(false)
  const [revoking, setRevoking] = useState<Key>()
  const revoke = useChange('revokeKey', { affects: ['listKeys'], quiet: true })
  const columns: readonly Column<Key>[] = [
    {
      id: 'name',
      head: 'Key',
      cell: ({ name, prefix }) => (
        <span className="flex items-baseline gap-2">
          <span className="truncate font-medium">{name}</span>
          <code className="hidden shrink-0 font-mono text-xs text-ink-3 sm:inline">{prefix}…</code>
        </span>
      ),
    },
    {
      id: 'scope',
      head: 'Scope',
      width: '5.5rem',
      cell: ({ scope }) => <Badge tone={scope === 'admin' ? 'warn' : 'plain'}>{scope}</Badge>,
    },
    {
      id: 'tenant',
      head: 'Tenant',
      width: '9rem',
      from: 'sm',
      cell: ({ tenant: of }) => of ?? <span className="text-ink-3">all</span>,
    },
    {
      id: 'used',
      head: 'Last used',
      width: '8rem',
      from: 'md',
      cell: ({ last_used_at: at }) =>
        at === null ? <span className="text-ink-3">never</span> : <Time at={at} />,
    },
    {
      id: 'ends',
      head: 'Ends',
      width: '8rem',
      from: 'lg',
      cell: ({ expires_at: at }) =>
        at === null ? (
          <span className="text-ink-3">never</span>
        ) : Date.parse(at) < Date.now() ? (
          <StateBadge state="expired" word="expired" />
        ) : (
          <Time at={at} />
        ),
    },
    {
      id: 'do',
      head: <span className="only-spoken">Actions</span>,
      width: '6rem',
      align: 'right',
      cell: key => (
        <Button size="sm" aria-label={`Revoke ${key.name}`} onClick={() => setRevoking(key)}>
          Revoke
        </Button>
      ),
    },
  ]
  const make = (
    <Button look="primary" icon={<Plus className="h-4 w-4" />} onClick={() => setMaking(true)}>
      New key
    </Button>
  )
  return (
    <Page title="API keys" actions={list.rows.length > 0 && make}>
      <DataTable
        label="API keys"
        columns={columns}
        list={list}
        keyOf={({ id }) => String(id)}
        empty={
          <EmptyState title="No keys" icon={<KeyRound />} action={make}>
            A program sends its key as <code className="font-mono">Authorization: Bearer whk_…</code>. Give
            each its own, with the smallest scope that is enough.
          </EmptyState>
        }
      />
      {making && <NewKey onClose={() => setMaking(false)} />}
      {revoking && (
        <ConfirmDialog
          open
          danger
          onClose={() => setRevoking(undefined)}
          title={`Revoke ${revoking.name}`}
          verb="Revoke the key"
          description="It is refused from now on, by every process, and sessions that were opened with it end. This cannot be taken back."
          act={async () => {
            await revoke.mutateAsync({ path: { id: revoking.id } })
            toast(`${revoking.name} was revoked.`)
          }}
        />
      )}
    </Page>
  )
}

function NewKey({ onClose }: { readonly onClose: () => void }) {
  const me = useCaller()
  const chosen = useTenant()
  const [name, setName] = useState('')
  const [scope, setScope] = useState<Key['scope']>('publish')
  const [tenant, setTenant] = useState(me.tenant ?? chosen ?? 'default')
  const [days, setDays] = useState('')
  const make = useChange('createKey', { affects: ['listKeys'], quiet: true })
  const problem = fieldErrors(make.error)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    make.mutate({
      body: {
        name,
        scope,
        ...(scope !== 'admin' && tenant && { tenant }),
        ...(days && { expires_at: new Date(Date.now() + Number(days) * 86_400_000).toISOString() }),
      },
    })
  }
  if (make.data) {
    return (
      <Dialog
        open
        wide
        onClose={onClose}
        title={`The key ${make.data.name}`}
        description="Copy it now: it is not shown again."
      >
        <div className="space-y-4">
          <CodeBlock code={make.data.key} title="API key" />
          <div className="flex justify-end">
            <Button look="primary" onClick={onClose}>
              I have copied it
            </Button>
          </div>
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog open onClose={onClose} title="New key">
      <form onSubmit={submit} className="space-y-4">
        <Field label="Name" hint="Who or what uses it" error={problem('/name')}>
          <Input
            value={name}
            required
            autoFocus
            onChange={event => setName(event.target.value)}
            placeholder="billing service"
          />
        </Field>
        <Field
          label="Scope"
          hint={`It may ${scopes[scope] === 'everything' ? 'do everything' : scopes[scope]}.`}
        >
          <Select value={scope} onChange={event => setScope(event.target.value as Key['scope'])}>
            {(Object.keys(scopes) as Key['scope'][])
              .filter(one => me.scope === 'admin' || one !== 'admin')
              .map(one => (
                <option key={one} value={one}>
                  {one}
                </option>
              ))}
          </Select>
        </Field>
        {scope !== 'admin' && me.tenant === null && (
          <Field
            label="Tenant"
            hint={scope === 'read' ? 'Empty: all of them' : undefined}
            error={problem('/tenant')}
          >
            <Input
              value={tenant}
              required={scope !== 'read'}
              onChange={event => setTenant(event.target.value)}
            />
          </Field>
        )}
        <Field label="Valid for, in days" optional error={problem('/expires_at')}>
          <Input
            type="number"
            min={1}
            max={3650}
            value={days}
            onChange={event => setDays(event.target.value)}
            placeholder="without end"
          />
        </Field>
        {make.isError && <ErrorState error={make.error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={make.isPending}>
            Create
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
