import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { Plus, Shapes } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { useChange, useList } from '../../api/queries.ts'
import type { EventType } from '../../api/schema.ts'
import { Badge } from '../../design/badge.tsx'
import { Button, ButtonLink } from '../../design/button.tsx'
import { CodeBlock } from '../../design/code-block.tsx'
import type { Column } from '../../design/column.ts'
import { ConfirmDialog, Dialog, fieldErrors } from '../../design/dialog.tsx'
import { Checkbox, Field, Input, Textarea } from '../../design/field.tsx'
import { Page, Section } from '../../design/page.tsx'
import { Panel } from '../../design/panel.tsx'
import { EmptyState, ErrorState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { Time } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { useCan, useTenant } from '../../shell/me.ts'

const route = getRouteApi('/event-types')

const columns: readonly Column<EventType>[] = [
  {
    id: 'name',
    head: 'Type',
    cell: ({ name, deprecated }) => (
      <span className="flex items-center gap-2">
        <Link
          to="/event-types"
          search={{ name }}
          resetScroll={false}
          className="truncate rounded font-mono text-xs font-medium"
        >
          {name}
        </Link>
        {deprecated && <Badge tone="warn">deprecated</Badge>}
      </span>
    ),
  },
  {
    id: 'description',
    head: 'What it is for',
    width: '40%',
    from: 'sm',
    cell: ({ description }) =>
      description ? <span className="text-ink-2">{description}</span> : <span className="text-ink-3">–</span>,
  },
  {
    id: 'schema',
    head: 'Schema',
    width: '8rem',
    from: 'md',
    cell: ({ schema, validate }) =>
      schema === null ? (
        <span className="text-ink-3">none</span>
      ) : validate === 'reject' ? (
        <Badge tone="good">enforced</Badge>
      ) : (
        <Badge>described</Badge>
      ),
  },
  {
    id: 'tenant',
    head: 'Tenant',
    width: '8rem',
    from: 'lg',
    cell: ({ tenant }) => tenant ?? <span className="text-ink-3">all</span>,
  },
  {
    id: 'at',
    head: 'Changed',
    width: '6.5rem',
    align: 'right',
    cell: ({ updated_at: at }) => (
      <span className="text-ink-2">
        <Time at={at} />
      </span>
    ),
  },
]

/** What events are for, and what their payloads look like. */
export function EventTypes() {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/event-types' })
  const tenant = useTenant()
  const mayWrite = useCan('write')
  const list = useList('listEventTypes', { query: { tenant, limit: 250 } })
  const [editing, setEditing] = useState<EventType | 'new'>()
  const open = list.rows.find(({ name }) => name === search.name)
  const make = mayWrite && (
    <Button look="primary" icon={<Plus className="h-4 w-4" />} onClick={() => setEditing('new')}>
      New event type
    </Button>
  )
  return (
    <>
      <Page full title="Event types" actions={list.rows.length > 0 && make}>
        <DataTable
          label="Event types"
          columns={columns}
          list={list}
          keyOf={({ name, tenant: of }) => `${of} ${name}`}
          openKey={open && `${open.tenant} ${open.name}`}
          onOpen={({ name }) => void navigate({ search: { name }, resetScroll: false })}
          empty={
            <EmptyState title="No event types yet" icon={<Shapes />} action={make}>
              Describe what you send: a name such as <code className="font-mono">order.paid</code>, an
              example, and a JSON Schema that can be enforced when an event comes in.
            </EmptyState>
          }
        />
      </Page>
      {open && (
        <TypePanel
          type={open}
          onEdit={() => setEditing(open)}
          onClose={() => void navigate({ search: {}, resetScroll: false })}
        />
      )}
      {editing && (
        <TypeForm {...(editing !== 'new' && { type: editing })} onClose={() => setEditing(undefined)} />
      )}
    </>
  )
}

function TypePanel({
  type,
  onEdit,
  onClose,
}: {
  readonly type: EventType
  readonly onEdit: () => void
  readonly onClose: () => void
}) {
  const mayWrite = useCan('write')
  const mayPublish = useCan('publish')
  const [deleting, setDeleting] = useState(false)
  const remove = useChange('deleteEventType', { affects: ['listEventTypes'], quiet: true })
  return (
    <Panel
      onClose={onClose}
      title={<span className="font-mono text-sm">{type.name}</span>}
      actions={
        mayWrite && (
          <>
            <Button size="sm" onClick={onEdit}>
              Edit
            </Button>
            <Button size="sm" look="danger" onClick={() => setDeleting(true)}>
              Delete
            </Button>
          </>
        )
      }
    >
      <p className="mb-5 text-sm text-ink-2">{type.description ?? 'Nobody has said what it is for.'}</p>
      {(type.examples ?? []).map((example, index) => (
        <Section
          // biome-ignore lint/suspicious/noArrayIndexKey: examples stay in their order
          key={index}
          title={index === 0 ? 'Example' : `Example ${index + 1}`}
          actions={
            mayPublish &&
            index === 0 && (
              <ButtonLink size="sm" to="/send" search={{ event_type: type.name }}>
                Send it
              </ButtonLink>
            )
          }
        >
          <CodeBlock code={JSON.stringify(example, null, 2)} title="application/json" />
        </Section>
      ))}
      <Section
        title="JSON Schema"
        hint={type.validate === 'reject' ? 'Events whose payload does not fit are refused.' : undefined}
      >
        {type.schema === null ? (
          <p className="text-sm text-ink-3">None.</p>
        ) : (
          <CodeBlock code={JSON.stringify(type.schema, null, 2)} title="2020-12" />
        )}
      </Section>
      {deleting && (
        <ConfirmDialog
          open
          danger
          onClose={() => setDeleting(false)}
          title={`Delete ${type.name}`}
          verb="Delete"
          description="Events of this type are accepted as before, and no longer checked."
          act={async () => {
            await remove.mutateAsync({
              path: { name: type.name },
              query: { tenant: type.tenant ?? undefined },
            })
            onClose()
          }}
        />
      )}
    </Panel>
  )
}

function TypeForm({ type, onClose }: { readonly type?: EventType; readonly onClose: () => void }) {
  const tenant = useTenant()
  const [name, setName] = useState(type?.name ?? '')
  const [description, setDescription] = useState(type?.description ?? '')
  const [example, setExample] = useState(
    type?.examples?.[0] === undefined ? '' : JSON.stringify(type.examples[0], null, 2),
  )
  const [schema, setSchema] = useState(type?.schema == null ? '' : JSON.stringify(type.schema, null, 2))
  const [enforce, setEnforce] = useState(type?.validate === 'reject')
  const [deprecated, setDeprecated] = useState(type?.deprecated ?? false)
  const [wrong, setWrong] = useState<{ readonly example?: string; readonly schema?: string }>({})
  const put = useChange('putEventType', { affects: ['listEventTypes'], quiet: true })
  const problem = fieldErrors(put.error)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const given = { example: parsed(example), schema: parsed(schema) }
    setWrong({
      ...(given.example.fault && { example: given.example.fault }),
      ...(given.schema.fault && { schema: given.schema.fault }),
    })
    if (given.example.fault || given.schema.fault) return
    const body = {
      description: description || null,
      schema: (given.schema.value ?? null) as null, // any JSON Schema; the service says what is wrong with it
      examples: given.example.value === undefined ? [] : [given.example.value],
      deprecated,
      validate: enforce ? ('reject' as const) : ('off' as const),
    }
    await put
      .mutateAsync({ path: { name }, query: { tenant: type?.tenant ?? tenant }, body })
      .then(() => {
        toast(`${name} was saved.`)
        onClose()
      })
      .catch(() => {})
  }
  return (
    <Dialog open wide onClose={onClose} title={type ? `Edit ${type.name}` : 'New event type'}>
      <form onSubmit={submit} className="space-y-4">
        {!type && (
          <Field label="Name" hint="Words with dots between, such as order.paid">
            <Input value={name} required autoFocus onChange={event => setName(event.target.value)} />
          </Field>
        )}
        <Field label="What it is for" optional error={problem('/description')}>
          <Input value={description} onChange={event => setDescription(event.target.value)} />
        </Field>
        <Field label="Example" optional error={wrong.example ?? problem('/examples/0')}>
          <Textarea
            rows={6}
            value={example}
            onChange={event => setExample(event.target.value)}
            placeholder='{"order": 1042}'
          />
        </Field>
        <Field label="JSON Schema" optional error={wrong.schema ?? problem('/schema')}>
          <Textarea
            rows={8}
            value={schema}
            onChange={event => setSchema(event.target.value)}
            placeholder='{"type": "object"}'
          />
        </Field>
        <Checkbox
          checked={enforce}
          disabled={schema === ''}
          onChange={event => setEnforce(event.target.checked)}
        >
          Refuse events whose payload does not fit the schema
        </Checkbox>
        <Checkbox checked={deprecated} onChange={event => setDeprecated(event.target.checked)}>
          Deprecated
        </Checkbox>
        {put.isError && <ErrorState error={put.error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={put.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function parsed(text: string): { readonly value?: unknown; readonly fault?: string } {
  if (text.trim() === '') return {}
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    return { fault: `This is no JSON: ${(error as Error).message}` }
  }
}
