import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useChange } from '../api/queries.ts'
import { ConfirmDialog } from '../design/dialog.tsx'
import { Field, Input } from '../design/field.tsx'
import { toast } from '../design/toast.tsx'
import { momentOf } from '../shell/search.ts'

/** Sends again what was given up for a subscription since a time that is asked for. */
export function RecoverDialog({ id, onClose }: { readonly id: number; readonly onClose: () => void }) {
  const [since, setSince] = useState('24h')
  const navigate = useNavigate()
  const recover = useChange('recoverSubscription', { affects: ['listReplays'], quiet: true })
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Retry what failed for #${id}`}
      verb="Retry"
      description="Everything that was given up for this subscription since then is sent again, after fresh events."
      act={async () => {
        const moment = momentOf(since, Date.now())
        if (moment === undefined) throw new Error('Give a time such as 2h, 7d or 2026-01-31 12:00.')
        await recover.mutateAsync({ path: { id }, body: { since: moment } })
        toast('It is being retried.', { label: 'Watch it', run: () => void navigate({ to: '/replays' }) })
      }}
    >
      <Field label="Accepted since" hint="Such as 2h, 7d or a time">
        <Input value={since} onChange={event => setSince(event.target.value)} autoFocus />
      </Field>
    </ConfirmDialog>
  )
}
