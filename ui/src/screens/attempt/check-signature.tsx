import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { addressOf, fetchApi } from '../../api/client.ts'
import type { AttemptDetails } from '../../api/schema.ts'
import { SkeletonLines } from '../../design/states.tsx'
import { SignatureCheck } from '../../parts/signature-check.tsx'

/** For "the receiver says the signature is wrong": the payload and what is known of the headers are there already. */
export function CheckSignature({ attempt }: { readonly attempt: AttemptDetails }) {
  const [isOpen, setOpen] = useState(false)
  const { webhook_id: id, request } = attempt
  const payload = useQuery({
    queryKey: ['getPayload', id],
    queryFn: async ({ signal }) =>
      (await fetchApi(addressOf('getPayload', { path: { webhook_id: id } }), { signal })).text(),
    enabled: isOpen && attempt.trigger !== 'test',
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  })
  const known = Object.entries(request?.headers ?? {}).filter(([name]) =>
    /^webhook-(id|timestamp)$/i.test(name),
  )
  const lines = [...known.map(([name, value]) => `${name}: ${String(value)}`), 'webhook-signature: ']
  return (
    <details className="rounded-card border bg-surface" onToggle={event => setOpen(event.currentTarget.open)}>
      <summary className="rounded-card px-4 py-3 text-sm font-semibold">
        Check the signature
        <span className="ml-2 font-normal text-ink-2">each step, as the receiver should do it</span>
      </summary>
      <div className="border-t p-4">
        {payload.isLoading ? (
          <SkeletonLines />
        ) : (
          isOpen && (
            <SignatureCheck
              headers={lines.join('\n')}
              body={payload.data ?? ''}
              subscriptionId={attempt.subscription_id}
            />
          )
        )}
      </div>
    </details>
  )
}
