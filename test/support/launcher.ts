import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is run with the name of a command: in a run of many tests a bundle of it, which starts sooner (bundle.ts). */
export const launcher = (): string =>
  process.env.TEST_LAUNCHER ?? fileURLToPath(new URL('../../bin/webhooks.js', import.meta.url))

/** Where Node.js keeps what it compiled of a bundle. */
export const compiledBeside = (bundle: string) => join(dirname(bundle), 'compiled')
