import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { forget, useChange, useRead } from '../../api/queries.ts'
import type { Subscription } from '../../api/schema.ts'
import { Button } from '../../design/button.tsx'
import { ConfirmDialog } from '../../design/dialog.tsx'
import { Section } from '../../design/page.tsx'
import { numberText } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'

/** What cannot be taken back, apart from all else. */
export function DangerZone({ subscription }: { readonly subscription: Subscription }) {
  const [asking, setAsking] = useState<'delete' | 'discard'>()
  const { state } = subscription
  const isStopped = state === 'paused' || state === 'disabled'
  return (
    <Section title="What cannot be taken back" className="mt-10">
      <ul className="divide-y rounded-card border border-bad/50 bg-surface">
        <li className="flex flex-wrap items-center gap-3 p-4">
          <div className="min-w-0 grow basis-72 text-sm">
            <h3 className="font-medium">Discard what waits</h3>
            <p className="text-ink-2">
              {isStopped
                ? 'It is resumed, and what waited until now is never sent: it ends as cancelled.'
                : 'Where a subscription is paused or disabled, it can be resumed without what waited.'}
            </p>
          </div>
          <Button look="danger" disabled={!isStopped} onClick={() => setAsking('discard')}>
            Resume without it
          </Button>
        </li>
        <li className="flex flex-wrap items-center gap-3 p-4">
          <div className="min-w-0 grow basis-72 text-sm">
            <h3 className="font-medium">Delete this subscription</h3>
            <p className="text-ink-2">Nothing more is sent there. To stop it for a while, pause it.</p>
          </div>
          <Button look="danger" onClick={() => setAsking('delete')}>
            Delete it
          </Button>
        </li>
      </ul>
      {asking === 'discard' && (
        <DiscardWaiting subscription={subscription} onClose={() => setAsking(undefined)} />
      )}
      {asking === 'delete' && (
        <DeleteDialog subscription={subscription} onClose={() => setAsking(undefined)} />
      )}
    </Section>
  )
}

function DiscardWaiting({
  subscription: { id },
  onClose,
}: {
  readonly subscription: Subscription
  readonly onClose: () => void
}) {
  const stats = useRead('getSubscriptionStats', { path: { id }, query: { window: '1h' } })
  const resume = useChange('resumeSubscription', {
    affects: ['getSubscription', 'listSubscriptions', 'getSubscriptionStats'],
    quiet: true,
  })
  const { data } = stats
  const words =
    data === undefined
      ? 'What waits'
      : `${data.pending_exact ? '' : 'About '}${numberText(data.pending)} ${data.pending === 1 ? 'delivery' : 'deliveries'}`
  return (
    <ConfirmDialog
      open
      danger
      onClose={onClose}
      title="Discard what waits"
      verb="Discard it, and resume"
      type={String(id)}
      description={`${words} will end as cancelled, each with a row in the log. What is scheduled for later is kept. From then on events are delivered again.`}
      act={async () => {
        await resume.mutateAsync({ path: { id }, body: { waiting: 'discard' } })
        toast('It is resumed; what waited is being discarded.')
      }}
    />
  )
}

export function DeleteDialog({
  subscription: { id },
  onClose,
}: {
  readonly subscription: Subscription
  readonly onClose: () => void
}) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const remove = useChange('deleteSubscription', { quiet: true })
  return (
    <ConfirmDialog
      open
      danger
      onClose={onClose}
      title={`Delete subscription #${id}`}
      verb="Delete it"
      type={`${id}`}
      description="Nothing more is sent there, and what it is still owed is cancelled. Its log stays until the retention is over. This cannot be taken back; to stop it for a while, pause it."
      act={async () => {
        await remove.mutateAsync({ path: { id } })
        toast(`Subscription #${id} was deleted.`)
        void navigate({ to: '/subscriptions' })
        await forget(client, ['listSubscriptions'])
      }}
    />
  )
}
