import { useRead } from '../api/queries.ts'
import type { SourcePreset } from '../api/schema.ts'
import { Checkbox, Field, Input, Select, Textarea } from '../design/field.tsx'
import { Fold } from '../design/fold.tsx'
import type { InboundDraft, PartProps } from './subscription-extras.ts'

/** How what comes to the address of one subscription is verified. */
export function InboundPart({ draft: { inbound }, set, faultAt }: PartProps) {
  const presets = useRead('listSourcePresets')
  const preset = presets.data?.find(({ id }) => id === inbound.preset)
  const change = (fields: Partial<InboundDraft>) => set({ inbound: { ...inbound, ...fields } })
  const keeps = inbound.preset === inbound.kept.preset && inbound.kept.secrets > 0
  return (
    <Fold
      title="Who may send to it alone"
      hint="How what comes to its own address, POST /ingest/{id}, is verified: as a provider signs."
      now={inbound.preset === '' ? 'by API key' : (preset?.name ?? inbound.preset)}
      isFaulty={faultAt('/inbound') !== undefined}
    >
      <Field label="Provider" error={faultAt('/inbound/preset')}>
        <Select value={inbound.preset} onChange={event => change({ preset: event.target.value, secret: '' })}>
          <option value="">none</option>
          {(presets.data ?? [])
            .toSorted((a, b) => a.name.localeCompare(b.name))
            .map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
        </Select>
      </Field>
      {inbound.preset !== '' && (
        <>
          {preset?.secret.kind !== 'none' && (
            <InboundSecret
              inbound={inbound}
              preset={preset}
              keeps={keeps}
              change={change}
              error={faultAt('/inbound/secrets')}
            />
          )}
          <Field
            label="Oldest signature, in seconds"
            optional
            hint="How far its time may be from now. Empty: as the provider says"
            error={faultAt('/inbound/tolerance_seconds')}
          >
            <Input
              type="number"
              min={1}
              value={inbound.tolerance_seconds}
              onChange={event => change({ tolerance_seconds: event.target.value })}
              placeholder={toleranceOf(preset)}
            />
          </Field>
          <Dedupe inbound={inbound} preset={preset} change={change} error={faultAt('/inbound/dedupe')} />
          <Checkbox
            checked={inbound.require_signature}
            onChange={event => change({ require_signature: event.target.checked })}
            hint="Otherwise who has an API key needs no signature"
          >
            Always ask for a signature
          </Checkbox>
        </>
      )}
    </Fold>
  )
}

/** By what a repeat is known, so that it is no second event. */
function Dedupe({
  inbound,
  preset,
  change,
  error,
}: {
  readonly inbound: InboundDraft
  readonly preset: SourcePreset | undefined
  readonly change: (fields: Partial<InboundDraft>) => void
  readonly error: string | undefined
}) {
  const usual = preset?.dedupe ?? []
  return (
    <>
      <Field
        label="A repeat is known by"
        hint={
          inbound.dedupe === 'preset'
            ? usual.length === 0
              ? 'The provider says nothing of it: each request is an event of its own'
              : usual.join(', ')
            : undefined
        }
        error={inbound.dedupe === 'own' ? undefined : error}
      >
        <Select
          value={inbound.dedupe}
          onChange={event => change({ dedupe: event.target.value as InboundDraft['dedupe'] })}
        >
          <option value="preset">what the provider says</option>
          <option value="own">places of your own</option>
          <option value="none">nothing: each request is an event of its own</option>
        </Select>
      </Field>
      {inbound.dedupe === 'own' && (
        <Field
          label="Places of its id"
          hint="One a line, the first that is there counts: header:NAME, query:NAME, field:NAME or form:NAME"
          error={error}
        >
          <Textarea
            rows={2}
            value={inbound.dedupe_places}
            placeholder={usual[0] ?? 'header:x-event-id'}
            onChange={event => change({ dedupe_places: event.target.value })}
          />
        </Field>
      )}
    </>
  )
}

function toleranceOf(preset: SourcePreset | undefined): string {
  const seconds = preset?.signatures[0]?.tolerance_seconds
  return seconds ? String(seconds) : 'any'
}

function InboundSecret({
  inbound,
  preset,
  keeps,
  change,
  error,
}: {
  readonly inbound: InboundDraft
  readonly preset: SourcePreset | undefined
  readonly keeps: boolean
  readonly change: (fields: Partial<InboundDraft>) => void
  readonly error: string | undefined
}) {
  const isKey = preset?.secret.kind === 'public_key'
  const many = inbound.kept.secrets > 1 ? `the ${inbound.kept.secrets} there are` : 'the one there is'
  return (
    <>
      {isKey ? (
        <Field label="Public key" hint={preset?.secret.description} error={error}>
          <Textarea
            rows={3}
            value={inbound.secret}
            placeholder={keeps ? 'Leave empty to keep it' : undefined}
            onChange={event => change({ secret: event.target.value })}
          />
        </Field>
      ) : (
        <Field
          label="Secret of the provider"
          hint={keeps ? `Leave empty to keep ${many}` : preset?.secret.description}
          error={error}
        >
          <Input
            type="password"
            autoComplete="new-password"
            value={inbound.secret}
            placeholder={keeps ? '********' : undefined}
            onChange={event => change({ secret: event.target.value })}
          />
        </Field>
      )}
      {keeps && inbound.secret !== '' && (
        <Checkbox checked={inbound.beside} onChange={event => change({ beside: event.target.checked })}>
          Keep {many} valid beside it
        </Checkbox>
      )}
    </>
  )
}
