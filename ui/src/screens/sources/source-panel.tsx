import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useChange, useList } from '../../api/queries.ts'
import type { Source, SourcePreset } from '../../api/schema.ts'
import { Tag } from '../../design/badge.tsx'
import { Button } from '../../design/button.tsx'
import { CopyButton } from '../../design/copy.tsx'
import { ConfirmDialog } from '../../design/dialog.tsx'
import { Field, Input, Select } from '../../design/field.tsx'
import { KeyValue } from '../../design/key-value.tsx'
import { Card, Section } from '../../design/page.tsx'
import { Panel } from '../../design/panel.tsx'
import { Notice } from '../../design/states.tsx'
import { numberText, Time } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { RefusalList } from '../../parts/refusals.tsx'
import { useCan } from '../../shell/me.ts'
import { SourceForm } from './source-form.tsx'

type Asking = 'delete' | 'rotate' | 'change'

/** One source: its address, what came, and what was refused and why. */
export function SourcePanel({
  source,
  preset,
  onClose,
}: {
  readonly source: Source
  readonly preset: SourcePreset | undefined
  readonly onClose: () => void
}) {
  const mayWrite = useCan('write')
  const [asking, setAsking] = useState<Asking>()
  const patch = useChange('patchSource', { affects: ['listSources'] })
  const { id, name, enabled } = source
  const toggle = () => {
    const undo = () => patch.mutate({ path: { id }, body: { enabled } })
    patch.mutate(
      { path: { id }, body: { enabled: !enabled } },
      {
        onSuccess: () =>
          toast(enabled ? 'Its address takes nothing now.' : 'Its address takes requests.', {
            label: 'Undo',
            run: undo,
          }),
      },
    )
  }
  const done = () => setAsking(undefined)
  return (
    <Panel
      onClose={onClose}
      title={name}
      actions={
        mayWrite && (
          <>
            <Button size="sm" onClick={() => setAsking('change')}>
              Change
            </Button>
            <Button size="sm" onClick={toggle} busy={patch.isPending}>
              {enabled ? 'Turn off' : 'Turn on'}
            </Button>
            <Button size="sm" look="danger" onClick={() => setAsking('delete')}>
              Delete
            </Button>
          </>
        )
      }
    >
      <Address source={source} preset={preset} />
      <Received source={source} />
      <Secrets source={source} rotate={mayWrite ? () => setAsking('rotate') : undefined} />
      <Refusals id={id} />
      {asking === 'change' && <SourceForm presets={preset ? [preset] : []} source={source} onClose={done} />}
      {asking === 'rotate' && <Rotate source={source} preset={preset} onClose={done} />}
      {asking === 'delete' && <Delete source={source} onClose={done} onDone={onClose} />}
    </Panel>
  )
}

function Address({ source, preset }: { readonly source: Source; readonly preset: SourcePreset | undefined }) {
  return (
    <Section title={`Paste this at ${preset?.name ?? 'the provider'}`}>
      <Card className="flex items-center gap-2">
        <code className="min-w-0 grow font-mono text-xs break-all">{source.url}</code>
        <CopyButton text={source.url} label="Copy the address" />
      </Card>
      {preset?.documentation && (
        <p className="mt-1 text-xs text-ink-3">
          How {preset.name} signs:{' '}
          <a
            href={preset.documentation}
            target="_blank"
            rel="noreferrer"
            className="text-accent hover:underline"
          >
            its documentation
          </a>
          {preset.answers_challenge && '. Its question whether the address is yours is answered.'}
        </p>
      )}
    </Section>
  )
}

function Received({ source }: { readonly source: Source }) {
  const { received, preset, event_type: type, tenant, channels } = source
  const isRefusing = received.refused_in_a_row > 0
  return (
    <>
      {isRefusing && (
        <div className="mb-5">
          <Notice kind="bad">
            <b className="font-semibold">
              {numberText(received.refused_in_a_row)} refused in a row
              {received.last_reason && `: ${received.last_reason.replaceAll('_', ' ')}`}
            </b>
            <p className="text-ink-2">
              Since <Time at={received.refusing_since} />. What was refused is below, with what to do.
            </p>
          </Notice>
        </div>
      )}
      <Section title="What came">
        <KeyValue
          facts={[
            [
              'Accepted',
              `${numberText(received.accepted)}, of these ${numberText(received.repeated)} sent again`,
            ],
            ['Refused', numberText(received.refused)],
            ['Last accepted', <Time key="a" at={received.last_accepted_at} />],
            received.last_refused_at !== null && [
              'Last refused',
              <Time key="r" at={received.last_refused_at} />,
            ],
            ['Preset', <Tag key="p">{preset}</Tag>],
            ['Event type', type ?? 'as the preset reads it'],
            channels.length > 0 && ['Channels', channels.map(channel => <Tag key={channel}>{channel}</Tag>)],
            ['Tenant', tenant],
          ]}
        />
        <p className="mt-2 text-sm">
          <Link to="/events" className="text-accent hover:underline">
            Its events are among the others
          </Link>
        </p>
      </Section>
    </>
  )
}

function Secrets({ source, rotate }: { readonly source: Source; readonly rotate: (() => void) | undefined }) {
  const { secrets, secrets_expire_at: ends } = source
  return (
    <Section
      title="Secrets"
      hint="One that fits is enough."
      actions={
        rotate && (
          <Button size="sm" onClick={rotate}>
            Rotate
          </Button>
        )
      }
    >
      {secrets.length === 0 ? (
        <p className="text-sm text-ink-2">None: whoever knows the address may send.</p>
      ) : (
        <ul className="space-y-1 text-sm">
          {secrets.map((secret, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: they look alike, and stay in their order
            <li key={index} className="flex gap-3">
              <code className="font-mono text-xs leading-5">{secret}</code>
              <span className="text-xs leading-5 text-ink-3">
                {ends[index] == null ? (
                  'good until it is replaced'
                ) : (
                  <>
                    until <Time at={ends[index]} exact />
                  </>
                )}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  )
}

function Refusals({ id }: { readonly id: number }) {
  const list = useList('listSourceRefusals', { path: { id }, query: { limit: 20 } }, { everyMs: 3000 })
  return <RefusalList list={list} />
}

function Rotate({
  source: { id, name },
  preset,
  onClose,
}: {
  readonly source: Source
  readonly preset: SourcePreset | undefined
  readonly onClose: () => void
}) {
  const rotate = useChange('rotateSourceSecret', { affects: ['listSources'], quiet: true })
  const [secret, setSecret] = useState('')
  const [overlap, setOverlap] = useState('86400')
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Rotate the secret of ${name}`}
      verb="Take the new secret"
      description="For the overlap the new one and those before it are good, so that nothing is refused while the provider changes over."
      act={async () => {
        await rotate.mutateAsync({ path: { id }, body: { secret, overlap_seconds: Number(overlap) } })
        toast('The new secret is good.')
      }}
    >
      <Field label="The new secret" hint={preset?.secret.description}>
        <Input
          value={secret}
          required
          spellCheck={false}
          autoComplete="off"
          className="font-mono"
          onChange={event => setSecret(event.target.value)}
        />
      </Field>
      <Field label="Those before it are good for">
        <Select value={overlap} onChange={event => setOverlap(event.target.value)}>
          <option value="0">no time: they end now</option>
          <option value="3600">1 hour</option>
          <option value="86400">1 day</option>
          <option value="604800">7 days</option>
        </Select>
      </Field>
    </ConfirmDialog>
  )
}

function Delete({
  source: { id, name },
  onClose,
  onDone,
}: {
  readonly source: Source
  readonly onClose: () => void
  readonly onDone: () => void
}) {
  const remove = useChange('deleteSource', { affects: ['listSources'], quiet: true })
  return (
    <ConfirmDialog
      open
      danger
      onClose={onClose}
      title={`Delete ${name}`}
      verb="Delete it"
      type={name}
      description="Its address takes nothing from then on, and what it refused is removed. Events that came by it stay. The provider will see errors; to stop for a while, turn it off."
      act={async () => {
        await remove.mutateAsync({ path: { id } })
        toast(`${name} was deleted.`)
        onDone()
      }}
    />
  )
}
