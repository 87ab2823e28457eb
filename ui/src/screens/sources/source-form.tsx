import { type FormEvent, useState } from 'react'
import { useChange, useRead } from '../../api/queries.ts'
import type { Source, SourcePreset } from '../../api/schema.ts'
import { Button } from '../../design/button.tsx'
import { Dialog, fieldErrors } from '../../design/dialog.tsx'
import { Field, Input, Select, Textarea } from '../../design/field.tsx'
import { ErrorState } from '../../design/states.tsx'
import { toast } from '../../design/toast.tsx'
import { useCaller, useTenant } from '../../shell/me.ts'

interface Draft {
  readonly name: string
  readonly tenant: string
  readonly preset: string
  readonly secret: string
  readonly eventType: string
}

/** Makes a source, or changes what is simple of one; all of it can be changed by the API. */
export function SourceForm({
  presets,
  source,
  onClose,
  onMade,
}: {
  readonly presets: readonly SourcePreset[]
  /** Undefined: a new one is made. */
  readonly source?: Source
  readonly onClose: () => void
  readonly onMade?: (source: Source) => void
}) {
  const me = useCaller()
  const chosen = useTenant()
  const tenants = useRead(
    'listTenants',
    { query: { limit: 250 } },
    { enabled: source === undefined && me.tenant === null },
  )
  const create = useChange('createSource', { affects: ['listSources'], quiet: true })
  const patch = useChange('patchSource', { affects: ['listSources'], quiet: true })
  const [draft, setDraft] = useState<Draft>({
    name: source?.name ?? '',
    tenant: chosen ?? 'default',
    preset: source?.preset ?? 'github',
    secret: '',
    eventType: source?.event_type ?? '',
  })
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change })
  const preset = presets.find(({ id }) => id === draft.preset)
  const error = create.error ?? patch.error
  const problem = fieldErrors(error)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const event_type = draft.eventType.trim() || null
    if (source !== undefined) {
      const body = { name: draft.name, event_type, ...(draft.secret && { secrets: [draft.secret] }) }
      await patch.mutateAsync({ path: { id: source.id }, body }).then(onClose, () => {})
      return
    }
    const body = {
      ...{ name: draft.name || (preset?.name ?? draft.preset), preset: draft.preset },
      ...(me.tenant === null && { tenant: draft.tenant }),
      ...(draft.secret && { secrets: [draft.secret] }),
      ...(event_type !== null && { event_type }),
    }
    await create.mutateAsync({ body }).then(
      made => {
        toast('It is there. Give its address to the provider.')
        onMade?.(made)
      },
      () => {},
    )
  }
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={source ? `Change ${source.name}` : 'New source'}
      description={
        source === undefined &&
        'It gets an address to paste at the provider. What comes there is verified as that provider signs.'
      }
    >
      <form onSubmit={submit} className="space-y-4">
        <div className="grid gap-4 sm:grid-cols-2">
          {source === undefined && (
            <Field label="Provider" error={problem('/preset')}>
              <Select value={draft.preset} onChange={event => set({ preset: event.target.value })} autoFocus>
                {presets
                  .toSorted((a, b) => a.name.localeCompare(b.name))
                  .map(({ id, name }) => (
                    <option key={id} value={id}>
                      {name}
                    </option>
                  ))}
              </Select>
            </Field>
          )}
          <Field label="Name" optional={source === undefined} hint="For people" error={problem('/name')}>
            <Input
              value={draft.name}
              placeholder={preset?.name}
              onChange={event => set({ name: event.target.value })}
            />
          </Field>
          {source === undefined && me.tenant === null && (tenants.data?.length ?? 0) > 2 && (
            <Field label="Tenant" error={problem('/tenant')}>
              <Select value={draft.tenant} onChange={event => set({ tenant: event.target.value })}>
                {(tenants.data ?? [])
                  .filter(({ id }) => id !== 'system')
                  .map(({ id }) => (
                    <option key={id}>{id}</option>
                  ))}
              </Select>
            </Field>
          )}
        </div>
        {preset?.secret.kind !== 'none' && (
          <Field
            label={source ? 'New secret' : secretName(preset)}
            optional={source !== undefined}
            hint={
              source
                ? 'Takes the place of those there are. To let both be good for a while, rotate it.'
                : preset?.secret.description
            }
            error={problem('/secrets') ?? problem('/secrets/0')}
          >
            {preset?.secret.kind === 'public_key' ? (
              <Textarea
                rows={4}
                value={draft.secret}
                onChange={event => set({ secret: event.target.value })}
              />
            ) : (
              <Input
                value={draft.secret}
                spellCheck={false}
                autoComplete="off"
                className="font-mono"
                onChange={event => set({ secret: event.target.value })}
              />
            )}
          </Field>
        )}
        <Field
          label="Event type"
          optional
          hint={
            preset && preset.event_type.length > 0 ? (
              <>
                Left out: what stands at <code className="font-mono">{preset.event_type.join(', ')}</code>.
                Such as <code className="font-mono">{`${preset.id}.{type}`}</code>.
              </>
            ) : (
              'Of all its events, where the provider says none'
            )
          }
          error={problem('/event_type')}
        >
          <Input value={draft.eventType} onChange={event => set({ eventType: event.target.value })} />
        </Field>
        {error !== null && <ErrorState error={error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={create.isPending || patch.isPending}>
            {source ? 'Save' : 'Create'}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function secretName(preset: SourcePreset | undefined): string {
  const kind = preset?.secret.kind
  if (kind === 'public_key') return 'Public key'
  if (kind === 'token') return 'Token'
  return kind === 'user_and_password' ? 'User and password' : 'Secret'
}
