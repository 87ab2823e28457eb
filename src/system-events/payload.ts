import type { FactDelivery, FactRow, FactSubscription, SystemEventType } from '../system-facts/fact.ts'

/** A system event as it is sent: as Standard Webhooks has it. */
export interface SystemPayload {
  readonly type: SystemEventType
  /** RFC 3339: when it came about. */
  readonly timestamp: string
  readonly data: SystemData
}

/** What there is to say, in words for people: `subject` is one line, `text` some lines. */
interface Said {
  readonly subject: string
  readonly text: string
  readonly [name: string]: unknown
}

export interface SystemData extends Said {
  readonly tenant: string
}

/** Deliveries that are named in one event, at most. What is beyond them is in another one. */
export const deliveriesMax = 100

/** Something to tell, and whom it is about. */
export interface Told {
  readonly payload: SystemPayload
  /** Whose it is. */
  readonly tenant: string
  /** Undefined: it is about no subscription. */
  readonly subscriptionId: number | undefined
}

/**
 * What a fact about a subscription, or about a source, is told as.
 *
 * @returns undefined when nothing is left of what it is about
 */
export function tell(fact: FactRow): Told | undefined {
  const { subscription, type } = fact
  switch (type) {
    case 'subscription.failing':
      return subscription && about(subscription, fact, failing(subscription, fact))
    case 'subscription.disabled':
      return subscription && about(subscription, fact, disabled(subscription, fact))
    case 'subscription.recovered':
      return subscription && about(subscription, fact, recovered(subscription, fact))
    case 'subscription.certificate_expiring':
      return subscription && about(subscription, fact, certificateExpiring(subscription, fact))
    case 'subscription.inbound_rejecting':
      return subscription && about(subscription, fact, inboundRejecting(subscription, fact))
    case 'source.rejecting':
      return rejecting(fact)
    case 'delivery.given_up':
      return undefined // several of them are one event: `tellGivenUp`
  }
}

/** Deliveries to one subscription that were given up; at least one, at most `deliveriesMax`. */
export function tellGivenUp(
  subscription: FactSubscription,
  facts: readonly (FactRow & { readonly delivery: FactDelivery })[],
): Told {
  const [first] = facts
  if (first === undefined) throw new Error('no delivery was given up')
  const count = facts.length
  const what = count === 1 ? 'A delivery was given up' : `${count} deliveries were given up`
  const reasons = new Set(
    facts.map(({ delivery }) => delivery.error ?? 'for a reason that is not known any more'),
  )
  return about(subscription, first, {
    count,
    deliveries: facts.map(({ at, delivery }) => ({
      webhook_id: delivery.webhook_id,
      event_type: delivery.event_type,
      verdict: delivery.verdict,
      trigger: delivery.trigger,
      attempts: delivery.attempt,
      given_up_at: at.toISOString(),
      http_status: delivery.http_status,
      error_class: delivery.error_class,
      error: delivery.error,
    })),
    subject: `${what}: ${nameOf(subscription)}`,
    text: lines(
      `${what} to ${describe(subscription)}.`,
      `The last error: ${listed([...reasons])}.`,
      count === 1
        ? `The event is ${first.delivery.webhook_id}. Once the receiver works, send it again: POST /events/${first.delivery.webhook_id}/replay.`
        : `Once the receiver works, send them again: POST /subscriptions/${subscription.id}/recover.`,
    ),
  })
}

function about(subscription: FactSubscription, { type, at }: FactRow, said: Said): Told {
  const { id, tenant, uid, target_url, description } = subscription
  const data: SystemData = {
    tenant,
    subscription_id: id,
    uid,
    description,
    // Not its path, which may be a secret: this goes to others than the owner of the receiver, too.
    target_origin: new URL(target_url).origin,
    ...said,
  }
  return { payload: { type, timestamp: at.toISOString(), data }, tenant, subscriptionId: id }
}

function failing(subscription: FactSubscription, { data }: FactRow): Said {
  const { percent, failing_since, disabled_at } = data ?? {}
  return {
    ...{ percent: Number(percent), failing_since: timeOf(failing_since), disabled_at: timeOf(disabled_at) },
    subject: `Failing, ${percent} % of the time until it is disabled are over: ${nameOf(subscription)}`,
    text: lines(
      `No delivery to ${describe(subscription)} has succeeded since ${timeOf(failing_since)}.`,
      `If none does until ${timeOf(disabled_at)}, the subscription is disabled. ${percent} % of this time are over.`,
      `See GET /logs/${subscription.id} for what the receiver answers.`,
    ),
  }
}

function disabled(subscription: FactSubscription, { data }: FactRow): Said {
  const { reason, failing_since } = data ?? {}
  return {
    ...{ reason: textOf(reason), failing_since: timeOf(failing_since) },
    subject: `Disabled: ${nameOf(subscription)}`,
    text: lines(
      `${capital(describe(subscription))} is disabled: ${textOf(reason) ?? 'its receiver fails'}.`,
      'Nothing is sent to it any more. What it is owed is kept.',
      `Once the receiver works, resume it: POST /subscriptions/${subscription.id}/resume.`,
    ),
  }
}

function recovered(subscription: FactSubscription, { data }: FactRow): Said {
  const { failing_since, by } = data ?? {}
  const since = failing_since ? ` It had failed since ${timeOf(failing_since)}.` : ''
  const how = by === 'resumed' ? 'was resumed' : 'works again: a delivery has succeeded'
  return {
    ...{ by: textOf(by), failing_since: timeOf(failing_since) },
    subject: `${by === 'resumed' ? 'Resumed' : 'Works again'}: ${nameOf(subscription)}`,
    text: `${capital(describe(subscription))} ${how}.${since}`,
  }
}

function certificateExpiring(subscription: FactSubscription, { data }: FactRow): Said {
  const { expires_at, has_expired } = data ?? {}
  const [hasExpired, at] = [has_expired === true, timeOf(expires_at)]
  return {
    ...{ expires_at: at, has_expired: hasExpired },
    subject: `Client certificate ${hasExpired ? 'has expired' : 'expires soon'}: ${nameOf(subscription)}`,
    text: lines(
      `The client certificate of ${describe(subscription)} ${hasExpired ? 'has expired' : 'expires'} at ${at}.`,
      'Receivers that ask for one refuse deliveries without a valid one.',
      `Set another one: PATCH /subscriptions/${subscription.id} with auth.certificate and auth.key.`,
    ),
  }
}

function inboundRejecting(subscription: FactSubscription, { data }: FactRow): Said {
  const { preset, reason, rejected, since } = data ?? {}
  const at = timeOf(since)
  return {
    ...{ preset: textOf(preset), reason: textOf(reason), rejected: Number(rejected), since: at },
    subject: `Requests refused: inbound of ${nameOf(subscription)}`,
    text: lines(
      `What comes to POST /ingest/${subscription.id} of ${describe(subscription)} is refused, ${rejected} requests since ${at}: ${reason} (${preset}).`,
      'They were not accepted. Compare the secrets of `inbound` with those at the provider.',
      `See GET /subscriptions/${subscription.id}/inbound-refusals for what came and why it was refused.`,
    ),
  }
}

function rejecting(fact: FactRow): Told | undefined {
  const { tenant, source_id, name, preset, reason, rejected, since } = fact.data ?? {}
  if (typeof tenant !== 'string') return undefined
  const data: SystemData = {
    ...{ tenant, source_id, name, preset, reason, rejected, since },
    subject: `Requests refused: source ${name}`,
    text: lines(
      `The source ${name} (${preset}) has refused ${rejected} requests since ${since}: ${reason}.`,
      'They were recorded and not forwarded. Compare the secret of the source with that at the provider.',
    ),
  }
  const payload = { type: fact.type, timestamp: fact.at.toISOString(), data }
  return { payload, tenant, subscriptionId: undefined }
}

function describe({ id, uid, tenant, target_url }: FactSubscription): string {
  const names = uid === null ? String(id) : `${id} (${uid})`
  return `subscription ${names} of tenant ${tenant} at ${new URL(target_url).origin}`
}

function nameOf({ id, uid, target_url }: FactSubscription): string {
  return `subscription ${uid ?? id} at ${new URL(target_url).origin}`
}

function lines(...all: readonly string[]): string {
  return all.join('\n')
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

function listed(texts: readonly string[]): string {
  const shown = texts.slice(0, 3).join('; ')
  return texts.length > 3 ? `${shown}; and ${texts.length - 3} others` : shown
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** PostgreSQL writes times into JSON with microseconds and an offset. */
function timeOf(value: unknown): string | null {
  return typeof value === 'string' ? new Date(value).toISOString() : null
}
