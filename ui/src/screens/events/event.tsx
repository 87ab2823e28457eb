import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { MoreHorizontal, RotateCcw } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useChange, useRead } from '../../api/queries.ts'
import type { DeliveryDetails, EventDetails } from '../../api/schema.ts'
import { StateBadge, Tag, TriggerBadge } from '../../design/badge.tsx'
import { Button, IconButton } from '../../design/button.tsx'
import { Id } from '../../design/copy.tsx'
import { ConfirmDialog } from '../../design/dialog.tsx'
import { KeyValue } from '../../design/key-value.tsx'
import { Menu } from '../../design/menu.tsx'
import { Card, Section } from '../../design/page.tsx'
import { Panel } from '../../design/panel.tsx'
import { ErrorState, Notice, SkeletonLines } from '../../design/states.tsx'
import { bytesText, Time } from '../../design/time.tsx'
import { Timeline } from '../../design/timeline.tsx'
import { toast } from '../../design/toast.tsx'
import { deliveryMoments } from '../../parts/deliveries.tsx'
import { ReplayDialog } from '../../parts/replay-dialog.tsx'
import { SubscriptionName } from '../../parts/subscription-name.tsx'
import { TryNow } from '../../parts/try-now.tsx'
import { useKeys } from '../../shell/keys.ts'
import { useCan } from '../../shell/me.ts'
import { Payload } from './payload.tsx'

const route = getRouteApi('/events/$id')

/** One event beside the list: what became of it for whom and why, and what it holds. */
export function EventPanel() {
  const { id } = route.useParams()
  const navigate = useNavigate()
  const event = useRead('getEvent', { path: { webhook_id: id } }, { everyMs: 2000, keep: true })
  const [asking, setAsking] = useState<'all' | number>()
  const [wanted, setWanted] = useState(false)
  const mayWrite = useCan('write')
  const { data } = event
  // While the next event is on its way the one before is shown; nothing may be done with it by mistake.
  const isThere = data !== undefined && !event.isPlaceholderData
  const canReplay = mayWrite && isThere && data.payload_expunged_at === null && settledOf(data) > 0
  useKeys({ r: () => setWanted(mayWrite) })
  // It may be pressed while the event is still on its way: then it waits for it.
  useEffect(() => {
    if (!wanted || !isThere) return
    setWanted(false)
    if (canReplay) setAsking('all')
    else toast(whyNoReplay(data))
  }, [wanted, isThere, data, canReplay])
  return (
    <Panel
      onClose={() => void navigate({ to: '/events', search: true, resetScroll: false })}
      title={
        <span className="flex items-center gap-2">
          <span className="truncate">{data?.event_type ?? (data ? 'Event without a type' : 'Event')}</span>
          {data && <StateBadge state={data.status} />}
        </span>
      }
      actions={
        <>
          {canReplay && (
            <Button
              size="sm"
              look={data.status === 'failed' ? 'primary' : 'secondary'}
              icon={<RotateCcw className="h-3.5 w-3.5" />}
              onClick={() => setAsking('all')}
            >
              Replay
            </Button>
          )}
          {mayWrite && data && <MoreActions event={data} />}
        </>
      }
    >
      {event.isError && data === undefined ? (
        <ErrorState error={event.error} retry={() => void event.refetch()} />
      ) : data === undefined ? (
        <SkeletonLines lines={8} />
      ) : (
        <>
          <Facts event={data} />
          <Deliveries event={data} replay={canReplay ? setAsking : undefined} />
          {data.deliveries.length === 0 && <Unmatched event={data} />}
          <Payload event={data} />
          {data.deliveries.length > 0 && <Unmatched event={data} />}
          {asking !== undefined && (
            <ReplayDialog
              webhookId={data.webhook_id}
              {...(asking === 'all'
                ? { count: settledOf(data), pending: data.delivery_counts.pending }
                : { count: 1, subscriptionIds: [asking] })}
              onClose={() => setAsking(undefined)}
            />
          )}
        </>
      )}
    </Panel>
  )
}

/** What is seldom done with an event, and not taken back. */
function MoreActions({ event }: { readonly event: EventDetails }) {
  const [asking, setAsking] = useState<'cancel' | 'expunge'>()
  const affects = ['getEvent', 'listEvents', 'listDeliveries'] as const
  const cancel = useChange('cancelEvent', { affects, quiet: true })
  const expunge = useChange('expungePayload', { affects, quiet: true })
  const { webhook_id: id, payload_expunged_at: expunged } = event
  const { pending, total } = event.delivery_counts
  const isUnsent =
    pending > 0 && pending === total && event.deliveries.every(({ attempts }) => attempts.length === 0)
  const close = () => setAsking(undefined)
  return (
    <>
      <Menu
        trigger={
          <IconButton label="More">
            <MoreHorizontal className="h-4 w-4" />
          </IconButton>
        }
        items={[
          {
            label: 'Cancel it, as nothing was sent yet',
            disabled: !isUnsent,
            onSelect: () => setAsking('cancel'),
          },
          {
            label: 'Remove the payload',
            danger: true,
            disabled: expunged !== null,
            onSelect: () => setAsking('expunge'),
          },
        ]}
      />
      {asking === 'cancel' && (
        <ConfirmDialog
          open
          danger
          onClose={close}
          title="Cancel this event"
          verb={`Cancel ${pending === 1 ? '1 delivery' : `${pending} deliveries`}`}
          description="Nothing of it is sent; it stays in the list as cancelled. Where something was sent meanwhile, it is refused."
          act={async () => {
            await cancel.mutateAsync({ path: { webhook_id: id } })
            toast('It is cancelled.')
          }}
        />
      )}
      {asking === 'expunge' && (
        <ConfirmDialog
          open
          danger
          onClose={close}
          title="Remove the payload"
          verb="Remove it"
          type="remove"
          description={`The payload is removed for good, and what answers to it said is, too.${pending > 0 ? ` What is still pending (${pending}) ends as cancelled.` : ''} The event and its attempts stay in the list.`}
          act={async () => {
            await expunge.mutateAsync({ path: { webhook_id: id } })
            toast('The payload is removed.')
          }}
        />
      )}
    </>
  )
}

/** What is still owed is tried anyway, and no replay sends it. */
function settledOf({ delivery_counts: { total, pending } }: EventDetails): number {
  return total - pending
}

function whyNoReplay({ payload_expunged_at: expunged, delivery_counts: { total } }: EventDetails): string {
  if (expunged !== null) return 'Its payload was removed, so it cannot be sent again.'
  return total === 0
    ? 'No subscription wanted it, so there is nothing to send again.'
    : 'All of it is pending: it is being tried anyway.'
}

function Facts({ event }: { readonly event: EventDetails }) {
  return (
    <Section>
      <KeyValue
        facts={[
          ['Id', <Id key="id" id={event.webhook_id} whole />],
          event.event_id !== null && ['Event id', <Id key="own" id={event.event_id} whole />],
          ['Tenant', event.tenant],
          event.channels.length > 0 && [
            'Channels',
            event.channels.map(channel => <Tag key={channel}>{channel}</Tag>),
          ],
          ['Accepted', <Time key="at" at={event.created_at} exact />],
          event.deliver_at !== null && ['To be sent', <Time key="at" at={event.deliver_at} exact />],
          ['Payload', `${event.content_type}, ${bytesText(event.size_bytes)}`],
        ]}
      />
    </Section>
  )
}

const urgency = { failed: 0, pending: 1, cancelled: 2, success: 3 } as const

function Deliveries({
  event,
  replay,
}: {
  readonly event: EventDetails
  /** Asks whether to send it again to one subscription. */
  readonly replay: ((subscriptionId: number) => void) | undefined
}) {
  if (event.deliveries.length === 0) {
    return (
      <div className="mb-6">
        <Notice>
          No subscription wanted this event{event.unmatched.length > 0 ? '; below is why.' : '.'} It is kept
          all the same.
        </Notice>
      </div>
    )
  }
  return (
    <Section
      title="Deliveries"
      hint={
        event.deliveries_next_cursor &&
        `The first ${event.deliveries.length} of ${event.delivery_counts.total}`
      }
    >
      <div className="space-y-2">
        {event.deliveries
          .toSorted((a, b) => urgency[a.status] - urgency[b.status])
          .map(delivery => (
            <Card key={delivery.subscription_id}>
              <div className="mb-3 flex items-center gap-2 text-sm">
                <span className="min-w-0 grow truncate font-medium">
                  <SubscriptionName id={delivery.subscription_id} />
                </span>
                <TriggerBadge trigger={delivery.trigger} />
                <StateBadge state={delivery.status} />
                {waitsForRetry(delivery) && (
                  <TryNow event={event.webhook_id} subscription={delivery.subscription_id} />
                )}
                {replay && event.delivery_counts.total > 1 && delivery.status !== 'pending' && (
                  <IconButton
                    label={`Replay to #${delivery.subscription_id} alone`}
                    onClick={() => replay(delivery.subscription_id)}
                  >
                    <RotateCcw className="h-3.5 w-3.5" />
                  </IconButton>
                )}
              </div>
              <Timeline
                label={`Attempts for subscription ${delivery.subscription_id}`}
                moments={deliveryMoments(delivery)}
              />
            </Card>
          ))}
      </div>
    </Section>
  )
}

/** Its next attempt has its time still before it; what was not tried yet is planned for a time that its sender chose. */
function waitsForRetry({ status, next_attempt_at: next, attempts }: DeliveryDetails): boolean {
  return status === 'pending' && attempts.length > 0 && next !== null && Date.parse(next) > Date.now()
}

const reasonWords: Readonly<Record<string, string>> = {
  event_type: 'other types',
  channel: 'other channels',
  filter: 'its filter',
  disabled: 'disabled',
  created_later: 'made later',
  changed_since: 'changed since',
  not_addressed: 'not addressed',
}

function Unmatched({ event }: { readonly event: EventDetails }) {
  const count = event.unmatched.length
  if (count === 0) return null
  const many = `${count}${event.unmatched_next_cursor ? ' and more' : ''}`
  // Why nobody got it is what is looked for; why somebody else did not, seldom.
  return (
    <details open={event.deliveries.length === 0} className="mb-6">
      <summary className="mb-2 w-fit rounded text-sm font-semibold">
        Did not go to {many} {count === 1 ? 'subscription' : 'subscriptions'}
      </summary>
      <ul className="divide-y rounded-card border">
        {event.unmatched.map(({ subscription_id: id, reason, detail, pointer, value, clause }) => (
          <li key={id} className="px-3 py-2 text-sm">
            <div className="flex items-center gap-2">
              <span className="min-w-0 grow truncate">
                <SubscriptionName id={id} />
              </span>
              <Tag>{reasonWords[reason] ?? reason}</Tag>
            </div>
            <p className="mt-0.5 text-xs [overflow-wrap:anywhere] text-ink-2">{detail}</p>
            {pointer !== undefined && (
              <p className="mt-0.5 font-mono text-xs break-all text-ink-3">
                {pointer} {clause} · the event has{' '}
                {value === undefined ? 'nothing there' : JSON.stringify(value)}
              </p>
            )}
          </li>
        ))}
      </ul>
    </details>
  )
}
