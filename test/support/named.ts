/**
 * For the tests whose names match. Of a file in which none does Node.js runs what is to be before the tests, and nothing of
 * what is to be after them: a browser or a service would keep its process without end.
 */
export function namedOptions(name: string): readonly string[] {
  const reporter = new URL('none-ran.ts', import.meta.url).href
  return ['--test-force-exit', `--test-reporter=${reporter}`, `--test-name-pattern=${name}`]
}
