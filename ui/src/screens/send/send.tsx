import { getRouteApi, Link } from '@tanstack/react-router'
import { Send as SendIcon } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { apiRoot } from '../../api/client.ts'
import { useChange, useRead } from '../../api/queries.ts'
import { Button, ButtonLink } from '../../design/button.tsx'
import { CodeSamples } from '../../design/code-block.tsx'
import { Field, Input, Select, Textarea } from '../../design/field.tsx'
import { Card, Page, Section } from '../../design/page.tsx'
import { ErrorState, Notice } from '../../design/states.tsx'
import { Timeline } from '../../design/timeline.tsx'
import { deliveryMoments } from '../../parts/deliveries.tsx'
import { sendSamples } from '../../parts/samples.ts'
import { SignatureCheck } from '../../parts/signature-check.tsx'
import { SignaturePreview } from '../../parts/signature-preview.tsx'
import { SubscriptionName } from '../../parts/subscription-name.tsx'
import { useCaller, useCan, useTenant } from '../../shell/me.ts'

const route = getRouteApi('/send')

const firstPayload = `{
  "order": 1042,
  "total": 99.5,
  "currency": "EUR"
}`

/** Compose an event, send it, and watch what becomes of it. */
export function Send() {
  const search = route.useSearch()
  const tenant = useTenant()
  const mayRead = useCan('read')
  const { actor } = useCaller()
  const [type, setType] = useState(search.event_type ?? 'order.paid')
  const [to, setTo] = useState(search.to ?? '')
  const [own, setOwn] = useState('')
  const [payload, setPayload] = useState(firstPayload)
  const publish = useChange('publishEvent', { affects: ['listEvents'], quiet: true })
  const types = useRead('listEventTypes', { query: { limit: 250, tenant } }, { enabled: mayRead })
  const subscriptions = useRead('listSubscriptions', { query: { limit: 250, tenant } }, { enabled: mayRead })
  const receiver = subscriptions.data?.find(({ id }) => String(id) === to)
  const notJson = !isJson(payload)
  const example = types.data?.find(({ name }) => name === type)?.examples?.[0]
  const submit = (event: FormEvent) => {
    event.preventDefault()
    publish.mutate({
      query: { event_type: type || undefined, to: to || undefined, event_id: own || undefined, tenant },
      raw: { body: payload, type: notJson ? 'text/plain' : 'application/json' },
    })
  }
  return (
    <Page
      title="Send an event"
      facts="It goes the way of every event: to each subscription that wants it, or to one."
    >
      <div className="grid gap-6 narrow:grid-cols-[minmax(0,1fr)_minmax(0,1fr)]">
        <form onSubmit={submit} className="space-y-4">
          <div className="grid gap-4 sm:grid-cols-2">
            <Field label="Event type" optional>
              <Input
                value={type}
                onChange={event => setType(event.target.value)}
                list="send-types"
                placeholder="order.paid"
              />
              <datalist id="send-types">
                {(types.data ?? []).map(({ name }) => (
                  <option key={name} value={name} />
                ))}
              </datalist>
            </Field>
            <Field label="To">
              <Select value={to} onChange={event => setTo(event.target.value)}>
                <option value="">all that want it</option>
                {(subscriptions.data ?? []).map(({ id, description, target_url: url }) => (
                  <option key={id} value={id}>
                    #{id} {description || url.slice(0, 60)}
                  </option>
                ))}
              </Select>
            </Field>
          </div>
          <Field
            label={
              <span className="flex w-full items-baseline gap-2">
                Payload
                {example !== undefined && (
                  <button
                    type="button"
                    className="text-xs font-normal text-accent hover:underline"
                    onClick={() => setPayload(JSON.stringify(example, null, 2))}
                  >
                    Use the example of {type}
                  </button>
                )}
              </span>
            }
            hint={
              notJson
                ? 'This is no JSON, so it is sent as text/plain.'
                : 'Sent byte for byte as it stands here.'
            }
          >
            <Textarea rows={12} value={payload} onChange={event => setPayload(event.target.value)} />
          </Field>
          <Field
            label="Event id"
            optional
            hint="Your own name for it; a second one with the same id is refused"
          >
            <Input value={own} onChange={event => setOwn(event.target.value)} placeholder="order-1042-paid" />
          </Field>
          {publish.isError && <ErrorState error={publish.error} />}
          <Button
            type="submit"
            look="primary"
            busy={publish.isPending}
            icon={<SendIcon className="h-3.5 w-3.5" />}
          >
            Send
          </Button>
        </form>
        <div className="min-w-0">
          {publish.data ? (
            <Sent
              id={publish.data.webhook_id}
              deliveries={publish.data.deliveries}
              mayRead={mayRead}
              nobodyYet={subscriptions.data?.length === 0}
            />
          ) : null}
          <Section
            title="The same from code"
            hint={
              actor.kind === 'operator' && 'This service asks for no key, so leave out what has WEBHOOKS_KEY.'
            }
          >
            <CodeSamples samples={sendSamples({ root: apiRoot.href, type, to, tenant, payload })} />
          </Section>
          <Section title="How it is signed" hint="What the receiver gets beside the payload, and checks.">
            {receiver === undefined ? (
              <p className="text-sm text-ink-2">
                Choose one subscription above: each has a secret of its own.
              </p>
            ) : (
              <SignaturePreview key={receiver.id} payload={payload} subscription={receiver} />
            )}
          </Section>
        </div>
      </div>
      <details className="mt-8 rounded-card border bg-surface">
        <summary className="rounded-card px-4 py-3 text-sm font-semibold">
          Check a signature
          <span className="ml-2 font-normal text-ink-2">a receiver says it is wrong: see each step</span>
        </summary>
        <div className="border-t p-4">
          <SignatureCheck
            key={receiver?.id}
            headers={'webhook-id: \nwebhook-timestamp: \nwebhook-signature: '}
            body={payload}
            subscriptionId={receiver?.id}
          />
        </div>
      </details>
    </Page>
  )
}

function Sent({
  id,
  deliveries,
  mayRead,
  nobodyYet,
}: {
  readonly id: string
  readonly deliveries: number
  readonly mayRead: boolean
  /** There is no subscription at all. */
  readonly nobodyYet: boolean
}) {
  const event = useRead('getEvent', { path: { webhook_id: id } }, { enabled: mayRead, everyMs: 1000 })
  return (
    <Section
      title="What became of it"
      actions={
        mayRead && (
          <Link to="/events/$id" params={{ id }} className="text-xs font-medium text-accent hover:underline">
            Open the event
          </Link>
        )
      }
    >
      {deliveries === 0 && nobodyYet ? (
        <Notice
          kind="warn"
          action={
            <ButtonLink to="/subscriptions/new" size="sm">
              New subscription
            </ButtonLink>
          }
        >
          It was accepted, and sent to nobody: there is no subscription yet. Make one, and send again.
        </Notice>
      ) : deliveries === 0 ? (
        <Notice kind="warn">
          It was accepted, and no subscription wanted it. The event says why for each.
        </Notice>
      ) : (
        <div className="space-y-2">
          {(event.data?.deliveries ?? []).map(delivery => (
            <Card key={delivery.subscription_id}>
              <div className="mb-2 text-sm font-medium">
                <SubscriptionName id={delivery.subscription_id} />
              </div>
              <Timeline label="Attempts" moments={deliveryMoments(delivery)} />
            </Card>
          ))}
          {!mayRead && (
            <Notice kind="good">
              Accepted for {deliveries} {deliveries === 1 ? 'subscription' : 'subscriptions'}.
            </Notice>
          )}
        </div>
      )}
    </Section>
  )
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
