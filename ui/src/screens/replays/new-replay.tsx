import { type FormEvent, useState } from 'react'
import { useChange } from '../../api/queries.ts'
import type { ReplayCreate } from '../../api/schema.ts'
import { Button } from '../../design/button.tsx'
import { ConfirmDialog, Dialog } from '../../design/dialog.tsx'
import { Field, Input, Select } from '../../design/field.tsx'
import { ErrorState } from '../../design/states.tsx'
import { numberText } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { useCount } from '../../parts/use-count.ts'
import { useTenant } from '../../shell/me.ts'
import { momentOf } from '../../shell/search.ts'

interface Draft {
  readonly subscription_id: string
  readonly event_type: string
  readonly state: 'failed' | 'success' | 'any'
  readonly since: string
  readonly until: string
  readonly rate: string
}

/** What is to be sent again; it is counted before anything is. */
export function NewReplay({
  first,
  onClose,
}: {
  readonly first: Partial<Record<string, string>>
  readonly onClose: () => void
}) {
  const tenant = useTenant()
  const [draft, setDraft] = useState<Draft>({
    subscription_id: first.subscription_id ?? '',
    event_type: first.event_type ?? '',
    state: 'failed',
    since: first.since ?? '24h',
    until: first.until ?? '',
    rate: '',
  })
  const [body, setBody] = useState<ReplayCreate>()
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setBody(bodyOf(draft, tenant))
  }
  if (body !== undefined) return <Counted body={body} back={() => setBody(undefined)} onClose={onClose} />
  return (
    <Dialog
      open
      onClose={onClose}
      title="New replay"
      description="What is to be sent again? It is counted before anything is sent."
    >
      <form onSubmit={submit} className="grid gap-4 sm:grid-cols-2">
        <Field label="State">
          <Select
            value={draft.state}
            onChange={change => set({ state: change.target.value as Draft['state'] })}
          >
            <option value="failed">failed</option>
            <option value="success">delivered</option>
            <option value="any">any</option>
          </Select>
        </Field>
        <Field label="Subscription" optional hint="Its id">
          <Input
            value={draft.subscription_id}
            inputMode="numeric"
            onChange={change => set({ subscription_id: change.target.value })}
          />
        </Field>
        <Field label="Accepted since" hint="Such as 2h, 7d or a time">
          <Input value={draft.since} onChange={change => set({ since: change.target.value })} />
        </Field>
        <Field label="Until" optional>
          <Input value={draft.until} onChange={change => set({ until: change.target.value })} />
        </Field>
        <Field label="Event type" optional>
          <Input value={draft.event_type} onChange={change => set({ event_type: change.target.value })} />
        </Field>
        <Field
          label="Per second"
          optional
          hint="Deliveries at most; empty: 200 while fresh events come, up to 5,000 else"
        >
          <Input
            type="number"
            min={1}
            value={draft.rate}
            onChange={change => set({ rate: change.target.value })}
          />
        </Field>
        <div className="flex justify-end gap-2 sm:col-span-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary">
            Count first
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function bodyOf(draft: Draft, tenant: string | undefined): ReplayCreate {
  const since = momentOf(draft.since || undefined, Date.now())
  const until = momentOf(draft.until || undefined, Date.now())
  return {
    filter: {
      state: draft.state,
      ...(tenant && { tenant }),
      ...(draft.subscription_id && { subscription_id: Number(draft.subscription_id) }),
      ...(draft.event_type && { event_type: draft.event_type }),
      ...(since && { since }),
      ...(until && { until }),
    },
    ...(draft.rate && { rate_per_second: Number(draft.rate) }),
  }
}

function Counted({
  body,
  back,
  onClose,
}: {
  readonly body: ReplayCreate
  readonly back: () => void
  readonly onClose: () => void
}) {
  const count = useCount('createReplay', { ...body, dry_run: true })
  const make = useChange('createReplay', { affects: ['listReplays'], quiet: true })
  if (count.error) {
    return (
      <Dialog open onClose={back} title="New replay">
        <ErrorState error={count.error} retry={back} />
      </Dialog>
    )
  }
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={
        count.data === undefined
          ? 'Counting'
          : `Replay ${numberText(count.data)} ${count.data === 1 ? 'delivery' : 'deliveries'}`
      }
      verb={count.data === undefined ? 'Replay' : `Replay ${numberText(count.data)}`}
      description={
        count.data === 0 ? (
          'Nothing fits. Nothing would be sent.'
        ) : (
          <>
            They are sent again after fresh events
            {body.rate_per_second ? `, at most ${body.rate_per_second} a second` : ''}. Each has the same{' '}
            <code className="font-mono text-xs">webhook-id</code> as before.
          </>
        )
      }
      act={async () => {
        await make.mutateAsync({ body })
        toast('The replay has begun.')
      }}
    />
  )
}
