import { useQueryClient } from '@tanstack/react-query'
import { RotateCcw } from 'lucide-react'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { forget } from '../../api/queries.ts'
import type { ListedDelivery } from '../../api/schema.ts'
import { Button } from '../../design/button.tsx'
import { ConfirmDialog } from '../../design/dialog.tsx'
import { type Selection, SelectionBar } from '../../design/selection.tsx'
import { numberText } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { inTurns, sentenceOfTally } from '../../parts/in-turns.ts'

export const keyOfDelivery = (row: ListedDelivery) => `${row.webhook_id} ${row.subscription_id}`

/** What can be done with the dead letters that are chosen: one request for each event among them. */
export function BulkActions({
  rows,
  selection,
}: {
  readonly rows: readonly ListedDelivery[]
  readonly selection: Selection
}) {
  const client = useQueryClient()
  const [isAsking, setAsking] = useState(false)
  const chosen = rows.filter(row => selection.keys.has(keyOfDelivery(row)))
  const said = `${numberText(chosen.length)} ${chosen.length === 1 ? 'delivery' : 'deliveries'}`
  const subscriptions = new Set(chosen.map(row => row.subscription_id)).size
  return (
    <>
      <SelectionBar selection={selection}>
        <Button
          size="sm"
          look="primary"
          icon={<RotateCcw className="h-3.5 w-3.5" />}
          disabled={chosen.length === 0}
          onClick={() => setAsking(true)}
        >
          Replay
        </Button>
      </SelectionBar>
      {isAsking && (
        <ConfirmDialog
          open
          onClose={() => setAsking(false)}
          title={`Replay ${said}`}
          verb={`Replay ${numberText(chosen.length)}`}
          description={`They are sent again to ${subscriptions} ${subscriptions === 1 ? 'subscription' : 'subscriptions'}, with their own webhook-id, so that a receiver that has one already can tell.`}
          act={async () => {
            const events = Map.groupBy(chosen, row => row.webhook_id)
            const tally = await inTurns([...events], ([id, members]) =>
              call('replayEvent', {
                path: { webhook_id: id },
                body: { subscription_ids: members.map(row => row.subscription_id) },
              }),
            )
            toast(
              sentenceOfTally(
                tally,
                tally.done.length === 1 ? 'event is sent again' : 'events are sent again',
              ),
            )
            selection.set(new Set())
            await forget(client, ['listDeliveries', 'listEvents', 'getEvent'])
          }}
        />
      )}
    </>
  )
}
