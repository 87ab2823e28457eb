import { setTimeout as sleep } from 'node:timers/promises'
import type { Ground, Ran, Scenario } from './scenario.ts'
import { World } from './world.ts'

/** What receivers do. */
export const receiverScenarios: readonly Scenario[] = [
  {
    name: 'receiver',
    title:
      'the receiver resets connections in the middle of its answers: after the status line, after half a body',
    isLong: true,
    run: receiver,
  },
]

/** Of all requests. */
const resetShare = 0.3

async function receiver(ground: Ground): Promise<Ran> {
  await using world = await World.open(ground, { processes: 2, perSecond: 200 })
  await sleep(1000)
  const well = world.receiver.treat
  await world.fault('answers cut short', async () => {
    world.receiver.treat = () => {
      if (Math.random() > resetShare) return well()
      return { kind: 'reset', after: Math.random() < 0.5 ? 'status line' : 'half a body' }
    }
    await sleep(ground.short ? 3000 : 30_000)
    world.receiver.treat = well
  })
  await sleep(1000)
  const arrivals = () => [...world.receiver.records.values()].flatMap(record => record.arrivals)
  const ran = await world.finish(60_000, () => ({
    repeats: arrivals().filter(({ treatment, isAccepted }) => treatment === 'reset' && isAccepted).length,
    why: 'answers cut in their body whose status was not read before the reset came and took it away',
  }))
  const resets = arrivals().filter(({ treatment }) => treatment === 'reset').length
  return { ...ran, notes: [...ran.notes, `${resets} answers were cut short`] }
}
