import { useChange } from '../../api/queries.ts'
import type { Subscription, SubscriptionPatch } from '../../api/schema.ts'
import { Notice } from '../../design/states.tsx'
import { toast } from '../../design/toast.tsx'
import { draftOf } from '../../parts/subscription-draft.ts'
import { SubscriptionForm } from '../../parts/subscription-form.tsx'
import { useCan } from '../../shell/me.ts'
import { DangerZone } from './danger.tsx'

/** Its rules, to change. Somebody else's change in between is noticed, and not overwritten. */
export function SettingsTab({ subscription }: { readonly subscription: Subscription }) {
  const mayWrite = useCan('write')
  const patch = useChange('patchSubscription', {
    affects: ['getSubscription', 'listSubscriptions'],
    quiet: true,
  })
  if (!mayWrite) return <Notice>You may look at this subscription, and not change it.</Notice>
  return (
    <>
      <SubscriptionForm
        key={subscription.version}
        isNew={false}
        first={draftOf(subscription)}
        error={patch.error}
        busy={patch.isPending}
        verb="Save"
        certificateEndsAt={subscription.auth.certificate_expires_at}
        onSubmit={body =>
          patch.mutate(
            {
              path: { id: subscription.id },
              headers: { 'if-match': `"${subscription.version}"` },
              body: changed(body as SubscriptionPatch, subscription),
            },
            { onSuccess: () => toast('Saved.') },
          )
        }
      />
      <DangerZone subscription={subscription} />
    </>
  )
}

/** A change of headers leaves those that it does not name: what was taken away has to be said. Masked values stay what they are. */
function changed(body: SubscriptionPatch, before: Subscription): SubscriptionPatch {
  const { headers } = body
  if (headers == null) return body
  const gone = Object.keys(before.headers).filter(name => !(name in headers))
  return { ...body, headers: { ...headers, ...Object.fromEntries(gone.map(name => [name, null])) } }
}
