import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Pause, Play, RotateCcw } from 'lucide-react'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { forget } from '../../api/queries.ts'
import type { Subscription } from '../../api/schema.ts'
import { Button } from '../../design/button.tsx'
import { ConfirmDialog } from '../../design/dialog.tsx'
import { Field, Input } from '../../design/field.tsx'
import { type Selection, SelectionBar } from '../../design/selection.tsx'
import { Spinner } from '../../design/spinner.tsx'
import { numberText } from '../../design/time.tsx'
import { toast, toastError } from '../../design/toast.tsx'
import { inTurns, sentenceOfTally } from '../../parts/in-turns.ts'
import { momentOf } from '../../shell/search.ts'

type Verb = 'pause' | 'resume' | 'replay'

const isStopped = ({ state }: Subscription) => state === 'paused' || state === 'disabled'
const count = (rows: readonly unknown[]) =>
  `${numberText(rows.length)} ${rows.length === 1 ? 'subscription' : 'subscriptions'}`

/** What can be done with several subscriptions at once; it says how many, and asks. */
export function BulkActions({
  rows,
  selection,
}: {
  readonly rows: readonly Subscription[]
  readonly selection: Selection
}) {
  const [asking, setAsking] = useState<Verb>()
  const chosen = rows.filter(({ id }) => selection.keys.has(String(id)))
  const [running, stopped] = [chosen.filter(row => !isStopped(row)), chosen.filter(isStopped)]
  const close = () => setAsking(undefined)
  const end = () => selection.set(new Set())
  return (
    <>
      <SelectionBar selection={selection}>
        <Button
          size="sm"
          icon={<Pause className="h-3.5 w-3.5" />}
          disabled={running.length === 0}
          onClick={() => setAsking('pause')}
        >
          Pause
        </Button>
        <Button
          size="sm"
          icon={<Play className="h-3.5 w-3.5" />}
          disabled={stopped.length === 0}
          onClick={() => setAsking('resume')}
        >
          Resume
        </Button>
        <Button
          size="sm"
          icon={<RotateCcw className="h-3.5 w-3.5" />}
          disabled={chosen.length === 0}
          onClick={() => setAsking('replay')}
        >
          Retry what failed
        </Button>
      </SelectionBar>
      {asking === 'pause' && <PauseThese rows={running} also={stopped} onClose={close} onDone={end} />}
      {asking === 'resume' && <ResumeThese rows={stopped} also={running} onClose={close} onDone={end} />}
      {asking === 'replay' && <ReplayThese rows={chosen} onClose={close} onDone={end} />}
    </>
  )
}

interface AskProps {
  readonly rows: readonly Subscription[]
  readonly onClose: () => void
  readonly onDone: () => void
}

function useHold() {
  const client = useQueryClient()
  return async (id: 'pauseSubscription' | 'resumeSubscription', rows: readonly Subscription[]) => {
    const tally = await inTurns(rows, row => call(id, { path: { id: row.id } }))
    await forget(client, ['listSubscriptions', 'getSubscription'])
    return tally
  }
}

function PauseThese({ rows, also, onClose, onDone }: AskProps & { readonly also: readonly Subscription[] }) {
  const hold = useHold()
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Pause ${count(rows)}`}
      verb={`Pause ${numberText(rows.length)}`}
      description={`Their events are accepted and wait until they are resumed. Nothing is lost.${also.length > 0 ? ` ${count(also)} of those chosen ${also.length === 1 ? 'is' : 'are'} stopped already.` : ''}`}
      act={async () => {
        const tally = await hold('pauseSubscription', rows)
        const undo = () =>
          void hold('resumeSubscription', tally.done)
            .then(undone => toast(sentenceOfTally(undone, 'resumed')))
            .catch(toastError)
        toast(sentenceOfTally(tally, 'paused'), { label: 'Undo', run: undo })
        onDone()
      }}
    />
  )
}

function ResumeThese({ rows, also, onClose, onDone }: AskProps & { readonly also: readonly Subscription[] }) {
  const hold = useHold()
  const disabled = rows.filter(({ state }) => state === 'disabled')
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Resume ${count(rows)}`}
      verb={`Resume ${numberText(rows.length)}`}
      description={
        <>
          What waits for them is sent now.
          {disabled.length > 0 &&
            ` ${count(disabled)} ${disabled.length === 1 ? 'was' : 'were'} disabled, as their receivers failed for too long.`}
          {also.length > 0 &&
            ` ${count(also)} of those chosen ${also.length === 1 ? 'is' : 'are'} not stopped.`}
        </>
      }
      act={async () => {
        toast(sentenceOfTally(await hold('resumeSubscription', rows), 'resumed'))
        onDone()
      }}
    />
  )
}

/** Counts before it asks: the dry run of one replay for each. */
function ReplayThese({ rows, onClose, onDone }: AskProps) {
  const [since, setSince] = useState('24h')
  const navigate = useNavigate()
  const client = useQueryClient()
  const moment = momentOf(since, Math.floor(Date.now() / 60_000) * 60_000)
  const filterOf = (row: Subscription) => ({
    subscription_id: row.id,
    state: 'failed' as const,
    ...(moment && { since: moment }),
  })
  const counts = useQuery({
    queryKey: ['count', 'failed', rows.map(({ id }) => id), moment],
    queryFn: async () => {
      const found = new Map<number, number>()
      await inTurns(rows, async row => {
        const answer = await call('createReplay', { body: { filter: filterOf(row), dry_run: true } })
        found.set(row.id, 'count' in answer ? answer.count : 0)
      })
      return found
    },
    enabled: moment !== undefined,
    gcTime: 0,
  })
  const having = rows.filter(({ id }) => (counts.data?.get(id) ?? 0) > 0)
  const total = [...(counts.data?.values() ?? [])].reduce((sum, one) => sum + one, 0)
  const said = `${numberText(total)} ${total === 1 ? 'delivery' : 'deliveries'}`
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title="Retry what failed"
      verb={counts.data === undefined ? 'Retry' : `Retry ${said}`}
      description={
        counts.data === undefined ? (
          <span className="flex items-center gap-2">
            {moment === undefined ? 'Since when?' : <Spinner />} {moment !== undefined && 'Counting'}
          </span>
        ) : total === 0 ? (
          'Nothing was given up for them since then. Nothing would be sent.'
        ) : (
          `${said} to ${count(having)} are sent again, after fresh events, one replay for each.`
        )
      }
      act={async () => {
        if (having.length === 0) return
        const tally = await inTurns(having, row => call('createReplay', { body: { filter: filterOf(row) } }))
        toast(sentenceOfTally(tally, tally.done.length === 1 ? 'replay has begun' : 'replays have begun'), {
          label: 'Watch',
          run: () => void navigate({ to: '/replays' }),
        })
        await forget(client, ['listReplays', 'listDeliveries'])
        onDone()
      }}
    >
      <Field label="Accepted since" hint="Such as 2h, 7d or a time">
        <Input value={since} onChange={event => setSince(event.target.value)} autoFocus />
      </Field>
    </ConfirmDialog>
  )
}
