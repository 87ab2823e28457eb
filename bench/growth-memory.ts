import type { Children } from './children.ts'
import { median, openWorld, rounded } from './growth-world.ts'
import { type Ends, runPhase } from './trial.ts'

/** One load after the other, so that what is accepted is also checked to have arrived; a sample after each. */
const phaseSeconds = 15

interface Sample {
  readonly minute: number
  readonly ownMb: number
  readonly postgresMb: number
}

/** Memory of the service and of PostgreSQL at a steady rate: resident now, not at its peak. */
export async function watchMemory(
  children: Children,
  ends: Ends & { readonly receiverPort: number },
  { minutes, rate }: { readonly minutes: number; readonly rate: number },
) {
  const world = await openWorld(children, ends.receiverPort)
  try {
    const samples: Sample[] = []
    const beganAt = performance.now()
    let missing = 0
    while (performance.now() - beganAt < minutes * 60_000) {
      const load = { seconds: phaseSeconds, rate, size: 500, connections: 64 }
      missing += (await runPhase(ends, world.contender, load)).missing
      const { ownBytes = Number.NaN, postgresBytes = Number.NaN } = world.contender.meter.resident()
      const minute = rounded((performance.now() - beganAt) / 60_000, 2)
      samples.push({ minute, ownMb: rounded(ownBytes / 1e6, 1), postgresMb: rounded(postgresBytes / 1e6, 1) })
      console.error(JSON.stringify(samples.at(-1)))
    }
    const result = {
      service: trendOf(samples.map(({ minute, ownMb }) => [minute, ownMb])),
      postgres: trendOf(samples.map(({ minute, postgresMb }) => [minute, postgresMb])),
      samples: samples.length,
      missing,
    }
    console.log(`\n### memory, ${minutes} minutes at ${rate} events/s\n`)
    console.log('| | first third, MB | last third, MB | last ÷ first | slope of the second half, MB/h |')
    console.log('|---|---|---|---|---|')
    for (const name of ['service', 'postgres'] as const) {
      const { first, last, ratio, slopePerHour } = result[name]
      console.log(`| ${name} | ${first} | ${last} | ${ratio} | ${slopePerHour} |`)
    }
    return result
  } finally {
    await world.close()
  }
}

function trendOf(points: readonly (readonly [minute: number, mb: number])[]) {
  const third = Math.max(1, Math.floor(points.length / 3))
  const first = median(points.slice(0, third).map(([, mb]) => mb))
  const last = median(points.slice(-third).map(([, mb]) => mb))
  // The slope of the second half: caches are full by then.
  const slopePerHour = rounded(slopeOf(points.slice(Math.floor(points.length / 2))) * 60, 1)
  return { first: rounded(first, 1), last: rounded(last, 1), ratio: rounded(last / first, 2), slopePerHour }
}

/** Least squares, in units of y per unit of x. */
function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))]
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return above / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
}
