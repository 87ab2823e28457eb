import { useNavigate } from '@tanstack/react-router'
import { FastForward } from 'lucide-react'
import { useChange } from '../api/queries.ts'
import { Button } from '../design/button.tsx'
import { toast } from '../design/toast.tsx'
import { useCan } from '../shell/me.ts'

/**
 * Makes the next attempt of a delivery at once. Where it cannot be made, the service says why and what to do.
 *
 * @param away what comes of it is not seen on this page
 */
export function TryNow({
  event,
  subscription,
  away,
}: {
  readonly event: string
  readonly subscription: number
  readonly away?: boolean
}) {
  const mayWrite = useCan('write')
  const navigate = useNavigate()
  const watch = () => void navigate({ to: '/events/$id', params: { id: event } })
  const tryNow = useChange('tryEventNow', {
    affects: ['getEvent', 'listEvents', 'listDeliveries', 'listLogs', 'getAttempt'],
  })
  // Not by callbacks of `mutate`: they are left out when the button has gone, as it does once nothing waits.
  const run = () =>
    tryNow
      .mutateAsync({ path: { webhook_id: event }, body: { subscription_ids: [subscription] } })
      .then(({ deliveries }) =>
        toast(
          deliveries === 0 ? 'It is being tried already.' : 'It is tried now.',
          away ? { label: 'Watch it', run: watch } : undefined,
        ),
      )
      .catch(() => undefined) // shown by `useChange`
  if (!mayWrite) return null
  return (
    <Button
      size="sm"
      icon={<FastForward className="h-3.5 w-3.5" />}
      busy={tryNow.isPending}
      onClick={() => void run()}
    >
      Try now
    </Button>
  )
}
