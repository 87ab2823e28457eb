import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/**
 * Keeps V8's young generation from growing beyond about this size. By default it grows to 134 MB under load, all of it
 * resident, though little in it lives: a service that is always busy would keep a quarter of its memory for garbage.
 *
 * V8 sets its own bound when it starts (`--max-semi-space-size`), which not every way to start the service can give. So
 * it is told after each collection whether it may grow. While little happens V8 makes the young generation as small as at
 * the start; it has to grow again then, or a service that had been idle for a moment collects far more often for good.
 */
export function boundYoungGeneration(bytesMax: number): void {
  let mayGrow = true
  new PerformanceObserver(() => {
    const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')
    const isSmall = space === undefined || space.space_size < bytesMax
    if (isSmall === mayGrow) return
    mayGrow = isSmall
    setFlagsFromString(`--semi-space-growth-factor=${isSmall ? growthUsual : 1}`)
  }).observe({ entryTypes: ['gc'] })
}

/** V8's own. */
const growthUsual = 2
