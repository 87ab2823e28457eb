import { useQueryClient } from '@tanstack/react-query'
import { FastForward, RotateCcw, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { call } from '../api/client.ts'
import { forget, useChange } from '../api/queries.ts'
import type { ListedDelivery } from '../api/schema.ts'
import { Button } from '../design/button.tsx'
import { ConfirmDialog } from '../design/dialog.tsx'
import { type Selection, SelectionBar } from '../design/selection.tsx'
import { numberText } from '../design/time.tsx'
import { toast, toastError } from '../design/toast.tsx'
import { inTurns, sentenceOfTally } from './in-turns.ts'

export const keyOfDelivery = (row: ListedDelivery) => `${row.webhook_id} ${row.subscription_id}`

interface BulkProps {
  readonly rows: readonly ListedDelivery[]
  readonly selection: Selection
}

interface AskProps {
  readonly chosen: readonly ListedDelivery[]
  readonly onClose: () => void
  /** It is done: none is chosen any more. */
  readonly onDone: () => Promise<void>
}

/** What can be done with the deliveries that are chosen: dead letters are sent again or discarded, what waits is tried now or discarded. */
export function BulkActions({ rows, selection, dead }: BulkProps & { readonly dead: boolean }) {
  const client = useQueryClient()
  const [asking, setAsking] = useState<'replay' | 'discard'>()
  const chosen = rows.filter(row => selection.keys.has(keyOfDelivery(row)))
  const ask = {
    chosen,
    onClose: () => setAsking(undefined),
    onDone: async () => {
      selection.set(new Set())
      await forget(client, ['listDeliveries', 'listEvents', 'getEvent', 'listLogs'])
    },
  }
  return (
    <>
      <SelectionBar selection={selection}>
        {dead && (
          <Button
            size="sm"
            look="primary"
            icon={<RotateCcw className="h-3.5 w-3.5" />}
            disabled={chosen.length === 0}
            onClick={() => setAsking('replay')}
          >
            Replay
          </Button>
        )}
        {!dead && <TryChosen chosen={chosen} onDone={ask.onDone} />}
        <Button
          size="sm"
          look="danger"
          icon={<Trash2 className="h-3.5 w-3.5" />}
          disabled={chosen.length === 0}
          onClick={() => setAsking('discard')}
        >
          Discard
        </Button>
      </SelectionBar>
      {asking === 'replay' && <ReplayChosen {...ask} />}
      {asking === 'discard' && <DiscardChosen {...ask} />}
    </>
  )
}

/** Tries those that wait for their retry; the first reason is said where some cannot be. */
function TryChosen({ chosen, onDone }: Omit<AskProps, 'onClose'>) {
  const [busy, setBusy] = useState(false)
  const run = async () => {
    setBusy(true)
    try {
      const tally = await inTurns(chosen, row =>
        call('tryEventNow', {
          path: { webhook_id: row.webhook_id },
          body: { subscription_ids: [row.subscription_id] },
        }),
      )
      const [first] = tally.failed
      toast(sentenceOfTally(tally, tally.done.length === 1 ? 'is tried now' : 'are tried now'))
      if (first !== undefined) toastError(first.error)
      await onDone()
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Button
      size="sm"
      look="primary"
      icon={<FastForward className="h-3.5 w-3.5" />}
      disabled={chosen.length === 0}
      busy={busy}
      onClick={() => void run()}
    >
      Try now
    </Button>
  )
}

/** One request for each event among them. */
function ReplayChosen({ chosen, onClose, onDone }: AskProps) {
  const subscriptions = subscriptionsOf(chosen)
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Replay ${deliveriesText(chosen.length)}`}
      verb={`Replay ${numberText(chosen.length)}`}
      description={`They are sent again to ${subscriptions}, with their own webhook-id, so that a receiver that has one already can tell.`}
      act={async () => {
        const events = Map.groupBy(chosen, row => row.webhook_id)
        const tally = await inTurns([...events], ([id, members]) =>
          call('replayEvent', {
            path: { webhook_id: id },
            body: { subscription_ids: members.map(row => row.subscription_id) },
          }),
        )
        toast(
          sentenceOfTally(tally, tally.done.length === 1 ? 'event is sent again' : 'events are sent again'),
        )
        await onDone()
      }}
    />
  )
}

/** As many as the service takes in one request. */
const atOnce = 500
/** From this many on, the word has to be typed. */
export const discardTypedFrom = 10

function DiscardChosen({ chosen, onClose, onDone }: AskProps) {
  const discard = useChange('discardDeliveries', { quiet: true })
  return (
    <ConfirmDialog
      open
      danger
      onClose={onClose}
      title={`Discard ${deliveriesText(chosen.length)}`}
      verb={`Discard ${numberText(chosen.length)}`}
      {...(chosen.length >= discardTypedFrom && { type: 'discard' })}
      description={`They are not sent to ${subscriptionsOf(chosen)} any more, and end as cancelled. They stay in the log, and this cannot be taken back.`}
      act={async () => {
        const keys = chosen.map(row => ({
          webhook_id: row.webhook_id,
          subscription_id: row.subscription_id,
        }))
        let done = 0
        for (let from = 0; from < keys.length; from += atOnce) {
          const { count } = await discard.mutateAsync({
            body: { deliveries: keys.slice(from, from + atOnce) },
          })
          done += count
        }
        const rest = keys.length - done
        toast(
          `${numberText(done)} discarded.${rest > 0 ? ` ${numberText(rest)} had ended in another way, or ${rest === 1 ? 'is' : 'are'} being sent.` : ''}`,
        )
        await onDone()
      }}
    />
  )
}

function deliveriesText(count: number): string {
  return `${numberText(count)} ${count === 1 ? 'delivery' : 'deliveries'}`
}

function subscriptionsOf(rows: readonly ListedDelivery[]): string {
  const count = new Set(rows.map(row => row.subscription_id)).size
  return `${count} ${count === 1 ? 'subscription' : 'subscriptions'}`
}
