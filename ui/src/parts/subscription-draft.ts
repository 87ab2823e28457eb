import type { Subscription, SubscriptionCreate } from '../api/schema.ts'
import { headersOf, textOf } from './header-lines.ts'
import type { RetryShape } from './retry-preview.tsx'
import { type Extras, extrasOf, noExtras } from './subscription-extras.ts'
import { extrasBody } from './subscription-extras-body.ts'

/** What a person edits; empty texts stand for what is left out. */
export interface Draft extends Extras {
  readonly target_url: string
  readonly description: string
  readonly uid: string
  readonly tenant: string
  readonly event_types: string
  readonly channels: string
  readonly filter: string
  readonly headers: string
  readonly timeout_ms: string
  readonly max_in_flight: string
  readonly rate: string
  readonly retry: RetryShape
}

export const defaultRetry: RetryShape = {
  max_attempts: 5,
  base_seconds: 10,
  factor: 2,
  max_delay_seconds: 86_400,
  schedule_seconds: [],
}

export function draftOf(subscription: Subscription | undefined, first: Partial<Draft> = {}): Draft {
  const empty: Draft = {
    target_url: '',
    description: '',
    uid: '',
    tenant: '',
    event_types: '',
    channels: '',
    filter: '',
    headers: '',
    timeout_ms: '',
    max_in_flight: '',
    rate: '',
    retry: defaultRetry,
    ...noExtras,
    ...first,
  }
  if (subscription === undefined) return empty
  const { retry, headers, rate_limit: rate } = subscription
  return {
    ...empty,
    target_url: subscription.target_url,
    description: subscription.description ?? '',
    uid: subscription.uid ?? '',
    tenant: subscription.tenant,
    event_types: (subscription.event_types ?? []).join(', '),
    channels: (subscription.channels ?? []).join(', '),
    filter: subscription.filter === null ? '' : JSON.stringify(subscription.filter, null, 2),
    headers: textOf(headers ?? {}),
    timeout_ms: String(subscription.timeout_ms),
    max_in_flight: subscription.max_in_flight === null ? '' : String(subscription.max_in_flight),
    rate: rate?.requests ? `${rate.requests}/${rate.per_seconds}` : '',
    ...extrasOf(subscription),
    retry: { ...defaultRetry, ...retry, schedule_seconds: retry.schedule_seconds ?? [] },
  }
}

export type Fault = { readonly field: keyof Draft; readonly detail: string }

/**
 * The body for the service, or what cannot be sent. Its values are checked there.
 *
 * @param before what was there when the form was opened: of the rarer settings only what is otherwise is in the body
 */
export function bodyOf(draft: Draft, before: Extras): SubscriptionCreate | Fault {
  const list = (text: string) => text.split(/[\s,]+/).filter(Boolean)
  const number = (text: string) => (text === '' ? null : Number(text))
  let filter: { [name: string]: unknown } | null = null
  if (draft.filter.trim() !== '') {
    try {
      filter = JSON.parse(draft.filter)
    } catch (error) {
      return { field: 'filter', detail: `This is no JSON: ${(error as Error).message}` }
    }
  }
  const headers = headersOf(draft.headers)
  if (typeof headers === 'string') return { field: 'headers', detail: headers }
  const extras = extrasBody(draft, before)
  if (isFault(extras)) return extras
  const [, requests, per] = /^\s*(\d+)\s*(?:\/\s*(\d+))?\s*$/.exec(draft.rate) ?? []
  const types = list(draft.event_types)
  const channels = list(draft.channels)
  const { schedule_seconds: schedule, ...curve } = draft.retry
  const body = {
    target_url: draft.target_url.trim(),
    description: draft.description || null,
    uid: draft.uid || null,
    event_types: types.length > 0 ? types : null,
    channels: channels.length > 0 ? channels : null,
    filter,
    headers: Object.keys(headers).length > 0 ? headers : null,
    timeout_ms: number(draft.timeout_ms),
    max_in_flight: number(draft.max_in_flight),
    rate_limit: requests === undefined ? null : { requests: Number(requests), per_seconds: Number(per ?? 1) },
    ...extras,
    retry: { ...pick(curve), schedule_seconds: schedule.length > 0 ? schedule : null },
  }
  return body as unknown as SubscriptionCreate // null is "the default" for each of these
}

export function isFault(body: object): body is Fault {
  return 'field' in body && 'detail' in body
}

function pick({
  max_attempts,
  base_seconds,
  factor,
  max_delay_seconds,
}: Omit<RetryShape, 'schedule_seconds'>) {
  return { max_attempts, base_seconds, factor, max_delay_seconds }
}
