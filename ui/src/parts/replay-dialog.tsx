import { useChange } from '../api/queries.ts'
import { ConfirmDialog } from '../design/dialog.tsx'
import { toast } from '../design/toast.tsx'

const words = (many: number) => (many === 1 ? '1 delivery' : `${many} deliveries`)

/** Sends an event again, to all that it went to or to some; it says to how many first. */
export function ReplayDialog({
  webhookId,
  count,
  pending = 0,
  subscriptionIds,
  onClose,
}: {
  readonly webhookId: string
  /** How many deliveries of it have ended, and are made again. */
  readonly count: number
  /** How many of it are still tried anyway. */
  readonly pending?: number
  /** Only these; left out: all that it went to. */
  readonly subscriptionIds?: readonly number[] | undefined
  readonly onClose: () => void
}) {
  const replay = useChange('replayEvent', {
    affects: ['getEvent', 'listEvents', 'listDeliveries', 'listLogs'],
    quiet: true,
  })
  const only = subscriptionIds?.length === 1 ? subscriptionIds[0] : undefined
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title="Replay this event"
      verb={`Replay ${words(count)}`}
      description={
        <>
          It is sent again to{' '}
          {only !== undefined
            ? `subscription #${only} alone`
            : count === 1
              ? 'the subscription that it went to'
              : `the ${count} subscriptions that it went to`}
          , with the same <code className="font-mono text-xs">webhook-id</code>, so that a receiver that has
          it already can tell.
          {pending > 0 && ` What is still pending (${pending}) goes on being tried as planned.`}
        </>
      }
      act={async () => {
        const { deliveries } = await replay.mutateAsync({
          path: { webhook_id: webhookId },
          body: subscriptionIds === undefined ? {} : { subscription_ids: [...subscriptionIds] },
        })
        toast(
          deliveries === 0
            ? 'Nothing was sent again: all of it is pending by now.'
            : `${words(deliveries)} ${deliveries === 1 ? 'is' : 'are'} being sent again.`,
        )
      }}
    />
  )
}
