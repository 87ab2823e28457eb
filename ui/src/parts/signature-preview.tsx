import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Subscription } from '../api/schema.ts'
import { CodeBlock } from '../design/code-block.tsx'
import { Notice } from '../design/states.tsx'
import { canSign, NoCryptography, SecretField } from './signature-check.tsx'
import { keyOf, type SignatureScheme, signatureOf, signedContent } from './signatures.ts'

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
        schemes.map(scheme => lineOf(scheme, secret, { payload, seconds, headers })),
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
}

async function lineOf(scheme: string, secret: string, { payload, seconds, headers }: Given): Promise<string> {
  if (scheme === 'v1a') return `${headers.signature}: v1a,… (with a private key that only the service has)`
  const known = scheme as SignatureScheme // v1a and none are dealt with
  const key = keyOf(secret, known)
  if (key === undefined) return `${headers.signature}: the secret is not whsec_ and base64`
  const content = signedContent(known, { id: exampleId, timestamp: String(seconds) }, payload)
  const text = await signatureOf(known, key, content ?? payload)
  if (known === 'v1') return `${headers.signature}: v1,${text}`
  if (known === 'stripe-sha256') return `${headers.stripe_signature}: t=${seconds},v1=${text}`
  if (known === 'hub-sha256') return `${headers.hub_signature}: sha256=${text}`
  return `${headers.shopify_signature}: ${text}`
}
