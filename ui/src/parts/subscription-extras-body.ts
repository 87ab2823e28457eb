import type { SubscriptionPatch } from '../api/schema.ts'
import { headersOf, withRemoved } from './header-lines.ts'
import {
  type AuthDraft,
  type AuthField,
  type CloudEventsDraft,
  type CustomDraft,
  type Extras,
  fieldsOfAuth,
  headersOfSigning,
  type InboundDraft,
  keepsSecret,
  type SigningDraft,
  secretFields,
  signsMessages,
} from './subscription-extras.ts'

// The rarer settings as the service takes them: of a draft what was changed.

type Part<Name extends keyof SubscriptionPatch> = Exclude<SubscriptionPatch[Name], undefined>

export type ExtrasFault = { readonly field: keyof Extras; readonly detail: string }

/**
 * The part of a body for the service, of what is otherwise than in `before` only: what else there is, of a kind that this form does
 * not know, stays as it is.
 */
export function extrasBody(draft: Extras, before: Extras): SubscriptionPatch | ExtrasFault {
  const isChanged = (name: keyof Extras) => JSON.stringify(draft[name]) !== JSON.stringify(before[name])
  if (draft.order === 'key' && draft.ordering_key.trim() === '')
    return { field: 'ordering_key', detail: 'Say where the key stands, such as payload.customer.id.' }
  const templates = headersOf(draft.header_templates)
  if (typeof templates === 'string') return { field: 'header_templates', detail: templates }
  const extensions = headersOf(draft.cloudevents.extensions)
  if (typeof extensions === 'string') return { field: 'cloudevents', detail: extensions }
  return {
    ...((isChanged('order') || isChanged('ordering_key')) && {
      ordered: draft.order === 'all',
      ordering_key: draft.order === 'key' ? draft.ordering_key.trim() : null,
    }),
    ...(isChanged('format') && { format: draft.format }),
    ...(isChanged('cloudevents') && {
      cloudevents: cloudEventsBody(draft.cloudevents, extensions, before.cloudevents),
    }),
    ...(isChanged('header_templates') && {
      header_templates: withRemoved(templates, before.header_templates) as Record<string, string>, // null takes one away
    }),
    ...(isChanged('auth') && { auth: authBody(draft.auth) }),
    ...(isChanged('signing') && { signing: signingBody(draft.signing, before.signing) }),
    ...(isChanged('inbound') && { inbound: inboundBody(draft.inbound) }),
  }
}

function cloudEventsBody(
  { source, type, subject }: CloudEventsDraft,
  extensions: Readonly<Record<string, string>>,
  before: CloudEventsDraft,
): Part<'cloudevents'> {
  return {
    source: source.trim() || null,
    type: type.trim() || null,
    subject: subject.trim() || null,
    extensions: withRemoved(extensions, before.extensions),
  }
}

function authBody(draft: AuthDraft): Part<'auth'> {
  const { type, certificate } = draft
  const value = (name: AuthField) => {
    const text = draft[name]
    // A password may begin with a space; all else was pasted.
    return name === 'password' || name === 'client_secret' ? text : text.trim()
  }
  const fields: readonly AuthField[] = [...fieldsOfAuth[type], 'certificate', 'key', 'ca']
  const entries = fields.flatMap((name): [AuthField, string | null][] => {
    const text = value(name)
    if (text !== '') return [[name, text]]
    const isKept = secretFields.some(one => one === name && keepsSecret(draft, one))
    // A key without a certificate is of no use: it goes with it.
    return isKept && !(name === 'key' && certificate.trim() === '') ? [] : [[name, null]]
  })
  return { type, ...Object.fromEntries(entries) }
}

function signingBody(draft: SigningDraft, before: SigningDraft): Part<'signing'> {
  const { schemes, components, label, tag, expires_seconds: expires, custom, headers } = draft
  const [only = 'none' as const] = schemes
  const names = components.split(/[\s,]+/).filter(Boolean)
  return {
    scheme: schemes.length > 1 ? [...schemes] : only,
    headers: Object.fromEntries(headersOfSigning.map(name => [name, headers[name].trim() || null])),
    ...(schemes.includes('custom') && { custom: customBody(custom, before.custom) }),
    ...(signsMessages(schemes) && {
      message_signature: {
        components: names.length > 0 ? names : null,
        label: label.trim() || null,
        tag: tag || null,
        expires_seconds: expires === '' ? null : Number(expires),
      },
    }),
  }
}

/** A name of the header that is missing is left out, so that the service says of all that is missing what to write. */
function customBody({ value, entry, separator, header, ...draft }: CustomDraft, before: CustomDraft) {
  return {
    ...draft,
    ...((header.trim() !== '' || before.header !== '') && { header: header.trim() }),
    value: value || null,
    entry: entry || null,
    separator: separator || null,
  }
}

function inboundBody(draft: InboundDraft): Part<'inbound'> {
  const { preset, secret, beside, tolerance_seconds: tolerance, require_signature, kept } = draft
  const places = draft.dedupe_places.split(/[\s,]+/).filter(Boolean)
  if (preset === '') return null
  const isSame = preset === kept.preset
  const masks = isSame && beside ? Array.from({ length: kept.secrets }, () => '********') : []
  const text = secret.trim()
  return {
    preset,
    // Those of another provider are of no use for this one.
    ...((text !== '' || !isSame) && { secrets: text === '' ? [] : [...masks, text] }),
    tolerance_seconds: tolerance === '' ? null : Number(tolerance),
    require_signature,
    dedupe: draft.dedupe === 'preset' ? null : draft.dedupe === 'none' ? [] : places,
  }
}
