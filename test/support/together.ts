import { after, suite } from 'node:test'
import { keepTime, measureFile } from './times.ts'

const root = new URL('../../', import.meta.url)

/**
 * Runs the tests of several files in this process, one file after the other. Each file is a suite: its hooks, and what it
 * makes where it is loaded, belong to it alone, and its tests have ended before the next file is loaded.
 *
 * @param paths from the root of the repository
 */
export async function runTogether(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await suite(path, async () => {
      const measured = measureFile(path)
      await import(new URL(path, root).href)
      // Hooks run in the order in which they were made: those of the file have ended by now.
      after(() => {
        if (process.env.TEST_TIMES) keepTime(process.env.TEST_TIMES, measured())
      })
    })
  }
}
