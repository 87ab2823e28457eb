import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Subscription } from '../api/schema.ts'
import { CodeBlock } from '../design/code-block.tsx'
import { Notice } from '../design/states.tsx'
import { canSign, NoCryptography, SecretField } from './signature-check.tsx'
import { keyOf, type SignatureScheme, signatureOf, signedContent } from './signatures.ts'
import { filled } from './template.ts'

/** As `webhook-id` of an event that is not there yet. */
const exampleId = '0193e0a4-6d3c-7d0e-9d0a-3f4a5b6c7d8e'

/** The headers with which a payload would come to a subscription, for whoever writes the receiver. */
export function SignaturePreview({
  payload,
  subscription,
}: {
  readonly payload: string
  readonly subscription: Subscription
}) {
  const [secret, setSecret] = useState('')
  const [seconds] = useState(() => Math.floor(Date.now() / 1000))
  const { scheme: named, headers } = subscription.signing
  const schemes = [named].flat()
  const lines = useQuery({
    queryKey: ['preview', secret, payload, seconds, subscription.signing],
    queryFn: async () => {
      const signed = await Promise.all(
        schemes.map(scheme => lineOf(scheme, secret, { payload, seconds, headers, subscription })),
      )
      return [`${headers.id}: ${exampleId}`, `${headers.timestamp}: ${seconds}`, ...signed].join('\n')
    },
    enabled: canSign && secret !== '',
    gcTime: 0,
    retry: false,
    placeholderData: before => before,
  })
  if (named === 'none') return <Notice>This subscription asks for no signature.</Notice>
  if (!canSign) return <NoCryptography />
  return (
    <div className="space-y-3">
      <SecretField value={secret} onChange={setSecret} subscriptionId={subscription.id} />
      {lines.data !== undefined && secret !== '' && (
        <CodeBlock code={lines.data} title="Headers, with an id and a time as an example" />
      )}
    </div>
  )
}

interface Given {
  readonly payload: string
  readonly seconds: number
  readonly headers: Subscription['signing']['headers']
  readonly subscription: Subscription
}

async function lineOf(scheme: string, secret: string, given: Given): Promise<string> {
  const { payload, seconds, headers } = given
  if (scheme === 'custom') return customLine(secret, given)
  if (scheme.startsWith('rfc9421-')) return 'Signature-Input, Signature: … (over the request as it is sent)'
  if (scheme === 'v1a') return `${headers.signature}: v1a,… (with a private key that only the service has)`
  const known = scheme as SignatureScheme // the others are dealt with
  const key = keyOf(secret, known)
  if (key === undefined) return `${headers.signature}: the secret is not whsec_ and base64`
  const content = signedContent(known, { id: exampleId, timestamp: String(seconds) }, payload)
  const text = await signatureOf(known, key, content ?? payload)
  if (known === 'v1') return `${headers.signature}: v1,${text}`
  if (known === 'stripe-sha256') return `${headers.stripe_signature}: t=${seconds},v1=${text}`
  if (known === 'hub-sha256') return `${headers.hub_signature}: sha256=${text}`
  return `${headers.shopify_signature}: ${text}`
}

const hashes = { 'hmac-sha1': 'SHA-1', 'hmac-sha256': 'SHA-256', 'hmac-sha512': 'SHA-512' } as const

/** What the owner of the subscription has described, of an example event. */
async function customLine(secret: string, { payload, seconds, subscription }: Given): Promise<string> {
  const { custom } = subscription.signing
  if (custom === null) return ''
  const { algorithm, encoding, key: form, content, header, value, entry } = custom
  if (algorithm === 'ed25519') return `${header}: … (with a private key that only the service has)`
  const bytes = keyBytes(secret, form)
  if (bytes === undefined) return `${header}: the secret is not ${form}`
  const url = new URL(subscription.target_url)
  const values = {
    ...{ body: payload, id: exampleId, timestamp: String(seconds), timestamp_ms: `${seconds}000` },
    ...{ method: 'POST', url: url.href, path: url.pathname, attempt: '1' },
    ...{ tenant: subscription.tenant, subscription_id: String(subscription.id) },
  }
  const hmac = { name: 'HMAC', hash: hashes[algorithm] }
  const imported = await crypto.subtle.importKey('raw', bytes, hmac, false, ['sign'])
  const signed = new Uint8Array(
    await crypto.subtle.sign(hmac, imported, new TextEncoder().encode(filled(content, values))),
  )
  const signature = textIn(encoding, signed)
  const signatures = filled(entry, { ...values, signature })
  return `${header}: ${filled(value, { ...values, signature, signatures })}`
}

function keyBytes(secret: string, form: 'text' | 'base64' | 'hex'): Uint8Array<ArrayBuffer> | undefined {
  if (form === 'text') return new TextEncoder().encode(secret)
  if (form === 'base64') return keyOf(secret, 'v1')
  const pairs = /^([0-9a-f]{2})+$/i.test(secret) ? (secret.match(/../g) ?? []) : []
  return pairs.length === 0 ? undefined : Uint8Array.from(pairs, pair => Number.parseInt(pair, 16))
}

function textIn(encoding: 'hex' | 'base64' | 'base64url', bytes: Uint8Array): string {
  if (encoding === 'hex') return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')
  const base64 = btoa(String.fromCharCode(...bytes))
  return encoding === 'base64' ? base64 : base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}
