import { useNavigate } from '@tanstack/react-router'
import { useChange } from '../../api/queries.ts'
import { Tag } from '../../design/badge.tsx'
import { ConfirmDialog } from '../../design/dialog.tsx'
import { Spinner } from '../../design/spinner.tsx'
import { numberText } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { discardTypedFrom } from '../../parts/bulk-deliveries.tsx'
import { useCount } from '../../parts/use-count.ts'

// What is done to all dead letters that the filters leave, once it was said how many these are.

export function ReplayThese({
  filter,
  onClose,
}: {
  readonly filter: Readonly<Record<string, unknown>>
  readonly onClose: () => void
}) {
  const navigate = useNavigate()
  const body = { filter: { ...filter, state: 'failed' as const } }
  const count = useCount('createReplay', { ...body, dry_run: true })
  const replay = useChange('createReplay', { affects: ['listReplays', 'listDeliveries'], quiet: true })
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title="Replay dead letters"
      verb={count.data === undefined ? 'Replay' : `Replay ${numberText(count.data)}`}
      description={
        <Counted count={count} what="will be sent again, after fresh events, with their own webhook-id." />
      }
      act={async () => {
        await replay.mutateAsync({ body })
        toast('The replay has begun.', { label: 'Watch it', run: () => void navigate({ to: '/replays' }) })
      }}
    />
  )
}

export function DiscardThese({
  filter,
  onClose,
}: {
  readonly filter: Readonly<Record<string, unknown>>
  readonly onClose: () => void
}) {
  const body = { ...filter, state: 'failed' }
  const count = useCount('discardDeliveries', { ...body, dry_run: true })
  const discard = useChange('discardDeliveries', { affects: ['listDeliveries'], quiet: true })
  return (
    <ConfirmDialog
      open
      danger
      onClose={onClose}
      title="Discard dead letters"
      verb={count.data === undefined ? 'Discard' : `Discard ${numberText(count.data)}`}
      {...(count.data !== undefined && count.data >= discardTypedFrom && { type: 'discard' })}
      description={
        <Counted
          count={count}
          what="will end as cancelled. They stay in the log, and this cannot be taken back."
        />
      }
      act={async () => {
        let done = 0
        for (;;) {
          const { count: ended, is_complete: complete } = await discard.mutateAsync({ body })
          done += ended
          if (complete) break
        }
        toast(`${numberText(done)} discarded.`)
      }}
    />
  )
}

function Counted({
  count,
  what,
}: {
  readonly count: { readonly data: number | undefined; readonly error: unknown }
  readonly what: string
}) {
  if (count.error) return <span>It could not be counted how many. They {what}</span>
  if (count.data === undefined) {
    return (
      <span className="flex items-center gap-2">
        <Spinner /> Counting
      </span>
    )
  }
  return (
    <span>
      <Tag>{numberText(count.data)}</Tag> {count.data === 1 ? 'delivery' : 'deliveries'} {what}
    </span>
  )
}
