import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/**
 * Keeps V8's young generation from growing beyond about this size. By default it grows to 134 MB under load, all of it
 * resident, though little in it lives: a service that is always busy would keep a quarter of its memory for garbage.
 *
 * V8 sets its own bound when it starts (`--max-semi-space-size`), which not every way to start the service can give. So
 * it is left to grow up to here, and then told to grow by a factor of 1.
 */
export function boundYoungGeneration(bytesMax: number): void {
  const observer = new PerformanceObserver(() => {
    const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')
    if (space && space.space_size < bytesMax) return
    setFlagsFromString('--semi-space-growth-factor=1')
    observer.disconnect()
  })
  observer.observe({ entryTypes: ['gc'] })
}
