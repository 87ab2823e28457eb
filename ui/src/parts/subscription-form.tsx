import { ChevronRight } from 'lucide-react'
import { type FormEvent, type ReactNode, useState } from 'react'
import { useRead } from '../api/queries.ts'
import type { SubscriptionCreate } from '../api/schema.ts'
import { Button } from '../design/button.tsx'
import { cx } from '../design/cx.ts'
import { fieldErrors, fieldErrorsWithin } from '../design/dialog.tsx'
import { Field, Input, Select, Textarea } from '../design/field.tsx'
import { Card } from '../design/page.tsx'
import { ErrorState } from '../design/states.tsx'
import { useCaller, useTenant } from '../shell/me.ts'
import { FilterTester } from './filter-tester.tsx'
import { RetryPreview } from './retry-preview.tsx'
import { AdvancedSettings } from './subscription-advanced.tsx'
import { bodyOf, type Draft, type Fault, isFault } from './subscription-draft.ts'
import type { ExtrasFault } from './subscription-extras-body.ts'

/** The settings of a subscription, new or not. What the service refuses is said at its field. */
export function SubscriptionForm({
  first,
  isNew,
  error,
  busy,
  verb,
  onSubmit,
  beside,
  belowAddress,
  certificateEndsAt,
}: {
  readonly first: Draft
  readonly isNew: boolean
  readonly error: unknown
  readonly busy: boolean
  readonly verb: string
  readonly onSubmit: (body: SubscriptionCreate) => void
  /** More that can be done with what is written so far, such as a test. */
  readonly beside?: (body: () => SubscriptionCreate | undefined) => ReactNode
  /** Below the address: what fills it in. */
  readonly belowAddress?: (fill: (url: string) => void) => ReactNode
  /** When the client certificate ends that is set. */
  readonly certificateEndsAt?: string | undefined
}) {
  const me = useCaller()
  const chosen = useTenant()
  const [draft, setDraft] = useState(first)
  const [fault, setFault] = useState<Fault>()
  const [sent, setSent] = useState<Draft>()
  const [more, setMore] = useState(!isNew)
  const types = useRead('listEventTypes', { query: { limit: 250, tenant: draft.tenant || chosen } })
  const tenants = useRead('listTenants', { query: { limit: 100 } }, { enabled: isNew && me.tenant === null })
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change })
  const problem = fieldErrors(error)
  const within = fieldErrorsWithin(error)
  // What was said of a value is not said of another one.
  const isAsSent = (field: keyof Draft) => sent === undefined || sent[field] === draft[field]
  const faultOf = (field: keyof Draft) =>
    fault?.field === field ? fault.detail : isAsSent(field) ? problem(`/${field}`) : undefined
  const written = () => {
    const body = bodyOf(draft, first)
    setFault(isFault(body) ? body : undefined)
    if (isFault(body)) return undefined
    const tenant = draft.tenant || chosen
    return { ...body, ...(isNew && tenant && { tenant }) }
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const body = written()
    if (body === undefined) return
    setSent(draft)
    onSubmit(body)
  }
  const choices = (tenants.data ?? []).filter(({ id }) => id !== 'system')
  return (
    <form onSubmit={submit} className="max-w-3xl space-y-5">
      <Card className="space-y-4">
        <Field
          label="Address"
          hint="Where events are sent: POST, http or https"
          error={faultOf('target_url')}
        >
          <Input
            type="url"
            required
            autoFocus={isNew}
            value={draft.target_url}
            onChange={event => set({ target_url: event.target.value })}
            placeholder="https://example.com/webhooks"
          />
        </Field>
        {draft.target_url === '' && belowAddress?.(url => setDraft(now => ({ ...now, target_url: url })))}
        <div className="grid gap-4 sm:grid-cols-2">
          <Field
            label="Description"
            optional
            hint="For people; shown in lists"
            error={faultOf('description')}
          >
            <Input
              value={draft.description}
              onChange={event => set({ description: event.target.value })}
              placeholder="orders to the shop"
            />
          </Field>
          <Field
            label="Event types"
            optional
            hint="With commas between; order.* takes all that begin so. Empty: every type"
            error={faultOf('event_types') ?? problem('/event_types/0')}
          >
            <Input
              value={draft.event_types}
              list="subscription-types"
              onChange={event => set({ event_types: event.target.value })}
              placeholder="order.*, invoice.paid"
            />
            <datalist id="subscription-types">
              {(types.data ?? []).map(({ name }) => (
                <option key={name} value={name} />
              ))}
            </datalist>
          </Field>
        </div>
        {isNew && choices.length > 1 && (
          <Field label="Tenant" hint="Whose subscription this is">
            <Select
              value={draft.tenant || chosen || 'default'}
              onChange={event => set({ tenant: event.target.value })}
            >
              {choices.map(({ id }) => (
                <option key={id} value={id}>
                  {id}
                </option>
              ))}
            </Select>
          </Field>
        )}
      </Card>
      {!more && (
        <Button look="quiet" icon={<ChevronRight className="h-4 w-4" />} onClick={() => setMore(true)}>
          Filter, headers, retries, credentials, format …
        </Button>
      )}
      {more && (
        <>
          <Card className="space-y-4">
            <Field
              label="Filter"
              optional
              hint="JSON over payload, headers, metadata and event_type; an event that does not fit is not sent"
              error={faultOf('filter')}
            >
              <Textarea
                rows={5}
                value={draft.filter}
                onChange={event => set({ filter: event.target.value })}
                placeholder='{"payload": {"total": {"$gte": 100}}}'
              />
            </Field>
            {draft.filter.trim() !== '' && <FilterTester filter={draft.filter} />}
          </Card>
          <Card className="space-y-4">
            <RetryPreview
              value={draft.retry}
              onChange={retry => set({ retry })}
              error={problem('/retry') ?? problem('/retry/max_attempts')}
            />
          </Card>
          <Card className="grid gap-4 sm:grid-cols-2">
            <Field label="Time limit of an attempt, in ms" optional error={faultOf('timeout_ms')}>
              <Input
                type="number"
                value={draft.timeout_ms}
                onChange={event => set({ timeout_ms: event.target.value })}
                placeholder="10000"
              />
            </Field>
            <Field
              label="Requests at a time"
              optional
              hint="Empty: found out, and adapted"
              error={faultOf('max_in_flight')}
            >
              <Input
                type="number"
                min={1}
                value={draft.max_in_flight}
                onChange={event => set({ max_in_flight: event.target.value })}
                placeholder="adaptive"
              />
            </Field>
            <Field
              label="Rate limit"
              optional
              hint="Requests / seconds, such as 100/60"
              error={faultOf('rate') ?? problem('/rate_limit')}
            >
              <Input
                value={draft.rate}
                onChange={event => set({ rate: event.target.value })}
                placeholder="none"
              />
            </Field>
            <Field
              label="Channels"
              optional
              hint="With commas between; empty: every channel"
              error={faultOf('channels')}
            >
              <Input value={draft.channels} onChange={event => set({ channels: event.target.value })} />
            </Field>
            <Field
              label="Your own id"
              optional
              hint="uid: usable in every path instead of the number"
              error={faultOf('uid')}
            >
              <Input
                value={draft.uid}
                onChange={event => set({ uid: event.target.value })}
                placeholder="shop-orders"
              />
            </Field>
            <OrderFields draft={draft} set={set} faultOf={faultOf} />
            <Field
              label="Headers"
              optional
              hint="A header a line, name: value. Values are stored sealed and shown masked"
              error={faultOf('headers') ?? within('/headers')}
              className="sm:col-span-2"
            >
              <Textarea
                rows={3}
                value={draft.headers}
                onChange={event => set({ headers: event.target.value })}
                placeholder="authorization: Bearer …"
              />
            </Field>
          </Card>
          <AdvancedSettings
            draft={draft}
            set={set}
            error={error}
            fault={fault as ExtrasFault | undefined} // that of another field is found nowhere in it
            certificateEndsAt={certificateEndsAt}
          />
        </>
      )}
      {error != null && (sent === undefined || sent === draft) && <ErrorState error={error} />}
      {/* The settings are long: what keeps a change is in sight beside each of them. */}
      <div className={cx('flex flex-wrap items-center gap-2', !isNew && 'sticky bottom-0 z-10 bg-bg py-3')}>
        <Button type="submit" look="primary" busy={busy}>
          {verb}
        </Button>
        {beside?.(written)}
      </div>
    </form>
  )
}

function OrderFields({
  draft,
  set,
  faultOf,
}: {
  readonly draft: Draft
  readonly set: (change: Partial<Draft>) => void
  readonly faultOf: (field: keyof Draft) => string | undefined
}) {
  return (
    <>
      <Field
        label="Order"
        hint={
          {
            none: 'A repeat may come later than what was sent after it',
            key: 'One that fails holds up those of its key only',
            all: 'One at a time; one that fails holds up all the rest',
          }[draft.order]
        }
        error={faultOf('order')}
      >
        <Select value={draft.order} onChange={event => set({ order: event.target.value as Draft['order'] })}>
          <option value="none">none</option>
          <option value="key">one after the other of each key</option>
          <option value="all">one after the other</option>
        </Select>
      </Field>
      {draft.order === 'key' && (
        <Field
          label="Ordering key"
          hint="Where it stands: payload.<path>, headers.<name>, metadata.<name> or subject"
          error={faultOf('ordering_key')}
        >
          <Input
            value={draft.ordering_key}
            onChange={event => set({ ordering_key: event.target.value })}
            placeholder="payload.customer.id"
          />
        </Field>
      )}
    </>
  )
}
