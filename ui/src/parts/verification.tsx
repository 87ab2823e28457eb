import { MessageCircleQuestion } from 'lucide-react'
import { useChange } from '../api/queries.ts'
import type { Subscription } from '../api/schema.ts'
import { Button } from '../design/button.tsx'
import { Notice } from '../design/states.tsx'
import { Time } from '../design/time.tsx'
import { toast } from '../design/toast.tsx'
import { Reason } from './subscription-name.tsx'

/** Whether its receiver was asked if it wants these events, and has not said yes. */
export function isUnverified({ verification }: Subscription): boolean {
  return verification !== null && verification.state !== 'verified'
}

/** Nothing is sent before the receiver has said that it wants it: why it has not, and a button to ask again. */
export function VerificationNotice({
  subscription,
  mayWrite,
}: {
  readonly subscription: Subscription
  readonly mayWrite: boolean
}) {
  const { id, verification } = subscription
  const verify = useChange('verifySubscription', { affects: ['getSubscription', 'listSubscriptions'] })
  if (verification === null || verification.state === 'verified') return null
  const { state, method, asked_at: askedAt, reason } = verification
  const isPending = state === 'pending'
  return (
    <div className="mb-5">
      <Notice
        kind={isPending ? 'busy' : 'bad'}
        action={
          mayWrite && (
            <Button
              size="sm"
              look="primary"
              busy={verify.isPending}
              icon={<MessageCircleQuestion className="h-3.5 w-3.5" />}
              onClick={() =>
                verify.mutate(
                  { path: { id } },
                  {
                    onSuccess: ({ verification: now }) =>
                      toast(
                        now?.state === 'verified'
                          ? 'The receiver said yes.'
                          : 'The receiver has not said yes.',
                      ),
                  },
                )
              }
            >
              Ask again
            </Button>
          )
        }
      >
        <b className="font-semibold">
          {isPending
            ? 'The receiver is being asked whether it wants these events.'
            : 'The receiver has not said that it wants these events.'}{' '}
          Nothing is sent before it has.
        </b>
        <p className="text-ink-2">
          {askedAt ? (
            <>
              Asked <Time at={askedAt} /> by {askedBy[method ?? 'challenge']}
            </>
          ) : (
            'Not asked yet'
          )}
          {reason && (
            <>
              : <Reason text={reason} />
            </>
          )}
        </p>
        <p className="text-ink-2">{whatToDo[method ?? 'challenge']}</p>
      </Notice>
    </div>
  )
}

const whatToDo = {
  challenge: (
    <>
      The receiver gets a signed request of the type{' '}
      <code className="font-mono text-xs">webhook.verification</code> and answers with 200 and what stands in
      it: <code className="font-mono text-xs">{'{"challenge": "…"}'}</code>. Once it does, ask again.
    </>
  ),
  cloudevents: (
    <>
      The receiver answers OPTIONS with <code className="font-mono text-xs">WebHook-Allowed-Origin</code>, as
      CloudEvents says. Once it does, ask again.
    </>
  ),
} as const
const askedBy = { challenge: 'a signed challenge', cloudevents: 'an OPTIONS request' } as const
