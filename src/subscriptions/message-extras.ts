import { createHash, createSecretKey, type KeyObject } from 'node:crypto'
import { type MessageTemplate, usesPlaceholder } from '../model/message-template.ts'
import { type CloudEventsRules, openCloudEvents } from './cloudevents-fields.ts'
import { type CustomSignatureRules, openCustomSignature } from './custom-signature.ts'
import type { ExpiringKey } from './expiring-key.ts'
import { openHeaderTemplates } from './header-templates.ts'
import {
  type MessageSignatureKey,
  type MessageSignatureRules,
  messageSignatureAnswer,
} from './message-signature.ts'
import { headersOf, type SigningFields, schemesOf } from './signing.ts'
import { isHexKey, parseSigningSecret } from './signing-secret.ts'
import type { PathRow } from './store.ts'
import type { MessageExtras } from './subscription.ts'

/** A signing secret in the clear. */
export interface OpenedSecret {
  readonly text: string
  readonly expiresAt: number | null
}

/** The private key of a pair. */
export interface OpenedPair extends ExpiringKey {
  /** `whpk_` and base64. */
  readonly public: string
}

/**
 * What a row asks for of its messages besides the usual, parsed; null: nothing, as nearly all.
 *
 * @param secrets newest first
 * @param pairs newest first; empty unless the schemes need them
 */
export function openExtras(
  row: Pick<PathRow, 'format' | 'cloudevents' | 'header_templates' | 'signing'>,
  secrets: readonly OpenedSecret[],
  pairs: readonly OpenedPair[],
): MessageExtras | null {
  const isCloudEvent = row.format === 'cloudevents-structured' || row.format === 'cloudevents-binary'
  const headers = openHeaderTemplates(row.header_templates)
  const messageSignature = openMessageSignature(row.signing, secrets, pairs)
  const customSignature = openCustom(row.signing, secrets, pairs)
  if (!isCloudEvent && headers.length === 0 && !messageSignature && !customSignature) return null
  const cloudEvents = isCloudEvent ? openCloudEvents(row.cloudevents) : null
  const templates = [
    ...headers.map(({ value }) => value),
    ...templatesOf(cloudEvents),
    ...(customSignature ? [customSignature.content, customSignature.value, customSignature.entry] : []),
  ]
  const usesMetadata = templates.some(template => usesPlaceholder(template, 'metadata'))
  return { cloudEvents, headers, messageSignature, customSignature, usesMetadata }
}

function templatesOf(rules: CloudEventsRules | null): readonly MessageTemplate[] {
  if (rules === null) return []
  const { source, type, subject, extensions } = rules
  return [source, type, subject, ...extensions.map(([, value]) => value)].filter(one => one !== null)
}

function openMessageSignature(
  signing: SigningFields,
  secrets: readonly OpenedSecret[],
  pairs: readonly OpenedPair[],
): MessageSignatureRules | null {
  const schemes = schemesOf(signing)
  const keys: MessageSignatureKey[] = []
  for (const { text, expiresAt } of schemes.includes('rfc9421-hmac-sha256') ? secrets : []) {
    const parsed = parseSigningSecret(text)
    const bytes = parsed.kind === 'key' ? parsed.key : Buffer.from(text)
    keys.push({ algorithm: 'hmac-sha256', key: createSecretKey(bytes), keyId: keyIdOf(bytes), expiresAt })
  }
  for (const pair of schemes.includes('rfc9421-ed25519') ? pairs : []) {
    const { key, expiresAt } = pair
    keys.push({ algorithm: 'ed25519', key, keyId: pair.public, expiresAt })
  }
  if (keys.length === 0) return null
  return { ...messageSignatureAnswer(signing.message_signature ?? {}, headersOf(signing)), keys }
}

/** Tells which of several secrets has signed: both sides can make it, and it does not help to find the key. */
function keyIdOf(key: Uint8Array): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16)
}

function openCustom(
  signing: SigningFields,
  secrets: readonly OpenedSecret[],
  pairs: readonly OpenedPair[],
): CustomSignatureRules | null {
  const { custom } = signing
  if (!custom || !schemesOf(signing).includes('custom')) return null
  if (custom.algorithm === 'ed25519') return openCustomSignature(custom, pairs)
  const keys = secrets.flatMap(({ text, expiresAt }) => {
    const key = customKey(text, custom.key ?? 'text')
    return key === undefined ? [] : [{ key, expiresAt }]
  })
  return openCustomSignature(custom, keys)
}

/** Undefined: a secret from before this form was asked for. It ends with its overlap. */
function customKey(text: string, form: 'text' | 'base64' | 'hex'): KeyObject | undefined {
  if (form === 'text') return createSecretKey(text, 'utf8')
  if (form === 'hex') return isHexKey(text) ? createSecretKey(text, 'hex') : undefined
  const parsed = parseSigningSecret(text)
  return parsed.kind === 'key' ? createSecretKey(parsed.key) : undefined
}
