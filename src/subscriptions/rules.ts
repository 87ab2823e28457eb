import { type FieldError, validationFailed } from '../errors.ts'
import { compileFilter } from '../filters/filter.ts'
import { charsOf, mergedMetadata, metadataFaults } from '../http/metadata.ts'
import type { CaptureOf } from '../model/exchange-details.ts'
import { type RetryPolicy, standardRetryPolicy } from '../model/retry-policy.ts'
import { authAnswer, authFaults, mergeAuth } from './auth.ts'
import type { AuthFields } from './auth-schema.ts'
import { cloudEventsFaults, cloudEventsToStore, mergeCloudEvents } from './cloudevents-fields.ts'
import { headerFaults, headerNameFault, masked, mergeHeaders } from './custom-headers.ts'
import { headerTemplateFaults } from './header-templates.ts'
import {
  type InboundCheck,
  maskedInbound,
  mergeInbound,
  type WholeInbound,
  wholeInbound,
} from './inbound-fields.ts'
import type { RetryFields } from './retry-fields.ts'
import {
  limits,
  type RuleFields,
  type SubscriptionAnswer,
  type SubscriptionPatch,
  type SubscriptionReplace,
} from './schema.ts'
import { mergeSigning, signingAnswer, signingFaults, signingOverrides } from './signing.ts'
import { secretMask } from './signing-secret.ts'
import type { SubscriptionRow, SubscriptionValues } from './store.ts'
import { parseTargetUrl } from './target-url.ts'
import { faultsOfPatch } from './untouched.ts'
import { customHeaderFault, usedHeaders } from './used-headers.ts'

/** The values of fields that a subscription leaves out. */
export interface SubscriptionDefaults {
  readonly retry: RetryPolicy
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
  /** The most that are found out to be good for a receiver whose subscription says nothing of it. */
  readonly maxInFlight: number
  readonly capture: CaptureOf
  /** Who sends, as receivers are told that were asked in the way of CloudEvents: a name of the DNS. */
  readonly requestOrigin: string
}

/** What a caller wants to happen to the inbound secret. */
export type SecretWish =
  | { readonly kind: 'keep' }
  | { readonly kind: 'remove' }
  | { readonly kind: 'set'; readonly secret: string }

/** The rules a caller asks for, checked; nothing is sealed yet. */
export interface Rules {
  readonly values: Omit<SubscriptionValues, SealedField>
  readonly secret: SecretWish
  /** Custom headers; a masked value keeps the one there is. */
  readonly headers: Readonly<Record<string, string>>
  /** Credentials; a masked secret keeps the one there is. */
  readonly auth: AuthFields
  /** Its secrets as they were given; a mask keeps the one at its place. */
  readonly inbound: WholeInbound | null
}

/** The fields with sealed values. */
export type SealedField = 'secret' | 'headers' | 'signing_secrets' | 'signing_key_pairs' | 'auth' | 'inbound'

/** What is wrong with the places that the addresses of a body lead to; left out: nothing. */
export interface PlaceFaults {
  readonly target?: string | undefined
  /** That of `auth.token_url`. */
  readonly token?: string | undefined
}

/**
 * Checks what a schema cannot express, and turns a body that passed its schema into the form that is stored. Only values
 * that differ from the defaults of the service are stored, so that a later change of a default takes effect.
 *
 * @param checkInbound what is wrong with how inbound events are to be verified
 * @throws AppError validation_failed with every fault found
 */
export function parseRules(
  body: RuleFields,
  defaults: SubscriptionDefaults,
  faults: PlaceFaults = {},
  checkInbound: InboundCheck = () => [],
): Rules {
  const errors = faultsOf(body, faults, checkInbound)
  if (errors.length > 0) throw validationFailed(errors)
  return rulesOf(body, defaults)
}

/** The same of what is stored with a merge patch applied. What the patch leaves as it is is not judged again. */
export function parsePatched(
  row: SubscriptionRow,
  patch: SubscriptionPatch,
  defaults: SubscriptionDefaults,
  faults: PlaceFaults = {},
  checkInbound: InboundCheck = () => [],
): Rules {
  const body = mergePatch(row, patch)
  const errors = faultsOf(body, faults, checkInbound)
  if (errors.length > 0) {
    const given = faultsOfPatch(patch, errors, faultsOf(mergePatch(row, {}), {}, checkInbound))
    if (given.length > 0) throw validationFailed(given)
  }
  return rulesOf(body, defaults)
}

/** What a schema cannot express. */
function faultsOf(body: RuleFields, faults: PlaceFaults, checkInbound: InboundCheck): readonly FieldError[] {
  const target = parseTargetUrl(body.target_url)
  const errors: FieldError[] = []
  if (target.kind === 'invalid') errors.push({ pointer: '/target_url', detail: target.detail })
  else if (faults.target !== undefined) errors.push({ pointer: '/target_url', detail: faults.target })
  errors.push(...orderFaults(body), ...lengthFaults(body), ...metadataFaults(body.metadata ?? {}))
  errors.push(...signingFaults(body.signing ?? {}), ...messageFaults(body))
  errors.push(...authFaults(body.auth ?? {}, faults.token))
  if (body.inbound) errors.push(...checkInbound(body.inbound))
  const { filter } = body
  const compiled = filter == null ? undefined : compileFilter(filter, '/filter', 'caller')
  if (compiled?.kind === 'invalid') errors.push(...compiled.errors)
  return errors
}

function rulesOf(body: RuleFields, defaults: SubscriptionDefaults): Rules {
  const target = parseTargetUrl(body.target_url)
  return {
    values: {
      // As it is stored, where it is of an earlier version.
      target_url: target.kind === 'invalid' ? body.target_url : target.url.href,
      description: body.description ?? null,
      uid: body.uid ?? null,
      event_types: body.event_types ?? null,
      channels: body.channels ?? null,
      filter: body.filter ?? null,
      paused: body.paused ?? false,
      retry: retryOverrides(body.retry ?? {}, defaults.retry),
      timeout_ms: unlessDefault(body.timeout_ms, defaults.timeoutMs),
      connect_timeout_ms: unlessDefault(
        body.connect_timeout_ms,
        connectTimeoutMs({ ...body, connect_timeout_ms: null }, defaults),
      ),
      max_in_flight: body.max_in_flight ?? null,
      rate_limit: body.rate_limit ?? null,
      ordered: body.ordered ?? false,
      ordering_key: body.ordering_key ?? null,
      format: body.format ?? 'raw',
      forward_traceparent: body.forward_traceparent ?? false,
      capture: captureToStore(body.capture ?? defaults.capture, defaults),
      signing: signingOverrides(body.signing ?? {}),
      header_templates: nullIfEmpty(body.header_templates),
      cloudevents: cloudEventsToStore(body.cloudevents),
      metadata: body.metadata ?? {},
    },
    secret: secretWish(body.secret),
    headers: body.headers ?? {},
    auth: body.auth ?? {},
    inbound: body.inbound ? wholeInbound(body.inbound) : null,
  }
}

/** What is wrong with what a subscription adds to its messages. */
function messageFaults(body: RuleFields): readonly FieldError[] {
  const { headers, signing, format, header_templates: templates } = body
  const rules = {
    signing: signing ?? {},
    format: format ?? 'raw',
    cloudevents: cloudEventsToStore(body.cloudevents),
    auth: body.auth ?? null,
  } as const
  const used = usedHeaders(rules)
  const fault = customHeaderFault(rules)
  const own = new Set(Object.keys(headers ?? {}).map(name => name.toLowerCase()))
  const isTaken = (name: string) =>
    own.has(name.toLowerCase()) ? 'It is among `headers` already.' : headerNameFault(name, used)
  return [
    ...headerFaults(headers ?? {}, used),
    ...headerTemplateFaults(templates ?? {}, isTaken),
    ...cloudEventsFaults(body.cloudevents),
    ...(fault === undefined ? [] : [{ pointer: '/signing/custom/header', detail: fault }]),
  ]
}

function nullIfEmpty(
  templates: Readonly<Record<string, string>> | null | undefined,
): Readonly<Record<string, string>> | null {
  return templates && Object.keys(templates).length > 0 ? templates : null
}

/** Headers that hold credentials: a key is shown to whoever sees the delivery. */
const secretHeader = /^headers\..*(authorization|cookie|secret|token|password|api-?key|signature)/i

function orderFaults({
  ordered,
  ordering_key,
}: Pick<RuleFields, 'ordered' | 'ordering_key'>): readonly FieldError[] {
  const fault = (detail: string) => [{ pointer: '/ordering_key', detail }]
  if (!ordering_key) return []
  if (secretHeader.test(ordering_key))
    return fault('This header may hold a secret, and keys are shown. Give another one.')
  if (!ordered) return []
  return fault('Give ordering_key for an order of each key, or ordered for one order of all; not both.')
}

/** TypeBox counts graphemes, of which one can be any number of characters. JSON Schema counts characters, as these do. */
function lengthFaults(body: RuleFields): readonly FieldError[] {
  const errors: FieldError[] = []
  const check = (pointer: string, text: string | null | undefined, charsMax: number) => {
    if (text && charsOf(text) > charsMax)
      errors.push({ pointer, detail: `Give a text of at most ${charsMax} characters.` })
  }
  check('/description', body.description, limits.descriptionChars)
  check('/secret', body.secret, limits.secretChars)
  return errors
}

function secretWish(secret: string | null | undefined): SecretWish {
  if (secret === undefined || secret === secretMask) return { kind: 'keep' }
  return secret === null ? { kind: 'remove' } : { kind: 'set', secret }
}

function unlessDefault(value: number | null | undefined, byDefault: number): number | null {
  return value === undefined || value === byDefault ? null : value
}

/** `none` is stored in any case: where the subscription says so itself, the log quotes no answer either. */
function captureToStore(capture: CaptureOf, defaults: SubscriptionDefaults): CaptureOf | null {
  return capture === defaults.capture && capture !== 'none' ? null : capture
}

/** How long a connection may take, in milliseconds. A value above the time for the whole attempt counts as that time. */
export function connectTimeoutMs(
  fields: Pick<SubscriptionReplace, 'timeout_ms' | 'connect_timeout_ms'>,
  defaults: SubscriptionDefaults,
): number {
  const wholeMs = fields.timeout_ms ?? defaults.timeoutMs
  return Math.min(fields.connect_timeout_ms ?? defaults.connectTimeoutMs, wholeMs)
}

function retryOverrides(retry: RetryFields, defaults: RetryPolicy): RetryFields {
  const effective = retryAnswer(retryPolicy(retry, defaults))
  const usual = {
    ...retryAnswer(defaults),
    max_attempts: attemptsUnlessGiven(effective.schedule_seconds, defaults),
  }
  const differing = Object.entries(effective).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(usual[name as keyof typeof usual]), // the same names
  )
  return Object.fromEntries(differing)
}

/** The policy in force. For the schedule and the age null means none, for other fields the default of the service. */
export function retryPolicy(retry: RetryFields, defaults: RetryPolicy): RetryPolicy {
  const base = retry.preset === 'standard' ? standardRetryPolicy : defaults
  const { schedule_seconds: schedule, max_age_seconds: maxAge } = retry
  const scheduleSeconds = schedule === undefined ? base.scheduleSeconds : schedule
  return {
    maxAttempts: retry.max_attempts ?? attemptsUnlessGiven(scheduleSeconds, base),
    baseSeconds: retry.base_seconds ?? base.baseSeconds,
    factor: retry.factor ?? base.factor,
    maxDelaySeconds: retry.max_delay_seconds ?? base.maxDelaySeconds,
    scheduleSeconds,
    jitter: retry.jitter ?? base.jitter,
    maxAgeSeconds: maxAge === undefined ? base.maxAgeSeconds : maxAge,
    terminalStatuses: retry.terminal_statuses ?? base.terminalStatuses,
  }
}

/** As many as the service makes by default, and more where a schedule has more delays than that would use. */
function attemptsUnlessGiven(schedule: readonly number[] | null, defaults: RetryPolicy): number {
  return Math.max(defaults.maxAttempts, (schedule?.length ?? 0) + 1)
}

function retryAnswer(policy: RetryPolicy): SubscriptionAnswer['retry'] {
  return {
    max_attempts: policy.maxAttempts,
    base_seconds: policy.baseSeconds,
    factor: policy.factor,
    max_delay_seconds: policy.maxDelaySeconds,
    schedule_seconds: policy.scheduleSeconds,
    jitter: policy.jitter,
    max_age_seconds: policy.maxAgeSeconds,
    terminal_statuses: policy.terminalStatuses,
  }
}

/** Applies a merge patch (RFC 7396) to what is stored. @returns the body of the PUT that would do the same */
function mergePatch(row: SubscriptionRow, patch: SubscriptionPatch): SubscriptionReplace {
  const {
    retry,
    metadata,
    headers,
    signing,
    header_templates: templates,
    cloudevents,
    auth,
    inbound,
    ...rest
  } = patch
  const stored = {
    target_url: row.target_url,
    description: row.description,
    uid: row.uid,
    event_types: row.event_types && [...row.event_types],
    channels: row.channels && [...row.channels],
    filter: row.filter,
    paused: row.paused,
    timeout_ms: row.timeout_ms,
    connect_timeout_ms: row.connect_timeout_ms,
    max_in_flight: row.max_in_flight,
    rate_limit: row.rate_limit,
    ordered: row.ordered,
    ordering_key: row.ordering_key,
    format: row.format,
    forward_traceparent: row.forward_traceparent,
    capture: row.capture,
  }
  return {
    ...stored,
    ...rest,
    retry: retry === null ? {} : { ...row.retry, ...retry },
    headers: mergeHeaders(row.headers, headers),
    inbound: mergeInbound(row.inbound, inbound),
    signing: mergeSigning(row.signing, signing),
    header_templates: templates === null ? {} : mergedTexts(row.header_templates, templates),
    cloudevents: mergeCloudEvents(row.cloudevents, cloudevents),
    auth: mergeAuth(row.auth, auth),
    metadata: metadata === null ? {} : mergedMetadata(row.metadata, metadata ?? {}),
  }
}

/** Names are compared without case, as headers are; the spelling of the patch wins. */
function mergedTexts(
  stored: Readonly<Record<string, string>> | null,
  patch: Readonly<Record<string, string | null>> | undefined,
): Record<string, string> {
  const patched = new Set(Object.keys(patch ?? {}).map(name => name.toLowerCase()))
  const kept = Object.entries(stored ?? {}).filter(([name]) => !patched.has(name.toLowerCase()))
  const set = Object.entries(patch ?? {}).filter((entry): entry is [string, string] => entry[1] !== null)
  return Object.fromEntries([...kept, ...set])
}

/** A row as the API shows it: defaults filled in, secrets masked. */
export function answer(row: SubscriptionRow, defaults: SubscriptionDefaults): SubscriptionAnswer {
  return {
    id: row.id,
    uid: row.uid,
    tenant: row.tenant,
    target_url: row.target_url,
    description: row.description,
    secret: row.secret === null ? null : secretMask,
    signing_secret: secretMask,
    signing_public_key: row.signing_key_pairs[0]?.public ?? null,
    event_types: row.event_types,
    channels: row.channels,
    filter: row.filter,
    paused: row.paused,
    state: row.paused ? 'paused' : row.state,
    // Why it failed before is no reason for its pause.
    state_reason: row.paused ? null : row.state_reason,
    state_since: row.state_since.toISOString(),
    verification: row.verification,
    retry: retryAnswer(retryPolicy(row.retry, defaults.retry)),
    timeout_ms: row.timeout_ms ?? defaults.timeoutMs,
    connect_timeout_ms: connectTimeoutMs(row, defaults),
    max_in_flight: row.max_in_flight,
    rate_limit: row.rate_limit,
    ordered: row.ordered,
    ordering_key: row.ordering_key,
    format: row.format,
    forward_traceparent: row.forward_traceparent,
    capture: row.capture ?? defaults.capture,
    inbound: maskedInbound(row.inbound),
    headers: masked(row.headers),
    signing: signingAnswer(row.signing),
    header_templates: row.header_templates ?? {},
    cloudevents: row.cloudevents,
    auth: authAnswer(row.auth),
    metadata: row.metadata,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    version: row.version,
  }
}
