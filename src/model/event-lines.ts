import type { Uuid } from '../platform/id.ts'

/** Whether the process log has a line about this moment of an event: its acceptance, or an attempt that failed or not. */
export type HasLine = (webhookId: Uuid, failed: boolean) => boolean

/**
 * What `LOG_EVENTS` asks for: `all`, `failures`, `none`, or `sample:` and a share of events. An event is in the sample or
 * not by its id, so all its lines are there, whichever process writes them.
 */
export function eventLines(setting: string): HasLine {
  if (setting === 'all') return () => true
  if (setting === 'none') return () => false
  if (setting === 'failures') return (_webhookId, failed) => failed
  const share = Number(setting.replace(/^sample:/, ''))
  // The last 62 bits of a UUIDv7 are random.
  return (webhookId, failed) => failed || Number.parseInt(webhookId.slice(-8), 16) < share * 2 ** 32
}
