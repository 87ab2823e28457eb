import { Readable } from 'node:stream'
import { spec, type TestEvent } from 'node:test/reporters'

/** The usual reporter, for runs of tests with a name: when there was none it says so, and the run fails. */
export default async function* noneRan(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let count = 0
  async function* counted() {
    for await (const event of source) {
      const { type, data } = event
      // A file in which nothing was run is reported as if it were a test.
      if ((type === 'test:pass' || type === 'test:fail') && !data.file?.endsWith(data.name)) count++
      yield event
    }
  }
  yield* Readable.from(counted()).pipe(new spec())
  if (count > 0) return
  process.exitCode = 1
  yield '\nno test matches\n'
}
