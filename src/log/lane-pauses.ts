import type { LanePause } from '../model/pause.ts'
import type { Settlement } from '../model/settlement.ts'

/**
 * The lane that a settlement closes. Where it waits for its head, that has to be owed still as it was attempted here: this
 * process may have slept while others delivered it, and what is behind it would wait for nothing.
 */
export function pauseOf(settlement: Settlement): LanePause | undefined {
  if (settlement.kind === 'ended' || !settlement.pause) return undefined
  const waitsForHead =
    settlement.kind === 'attempted' && settlement.keepsPlace && settlement.verdict.kind === 'retry'
  if (!waitsForHead) return settlement.pause
  const { webhookId, attempt } = settlement.delivery
  return { ...settlement.pause, head: { webhookId, attempt } }
}
