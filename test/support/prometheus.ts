import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'

/** One line of the text format. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Reads the text format strictly: what is no sample, no comment and no empty line fails. */
export function readSamples(text: string): readonly Sample[] {
  assert.ok(text.endsWith('\n'))
  const lines = text.split('\n').filter(line => line !== '' && !/^# (HELP|TYPE) \S+ .+$/.test(line))
  return lines.map(line => {
    const [, name = '', labels = '', value = ''] =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    assert.ok(name !== '', `not a sample: ${line}`)
    const pairs = [...labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/g)]
    assert.equal(pairs.map(([all]) => all).join(''), labels, line)
    const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
    assert.ok(!Number.isNaN(number), line)
    return { name, labels: Object.fromEntries(pairs.map(([, key, text]) => [key, text])), value: number }
  })
}

/** The sum of the samples of a metric that have these labels. */
export function total(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const found = samples.filter(
    sample =>
      sample.name === name && Object.entries(labels).every(([key, text]) => sample.labels[key] === text),
  )
  return found.reduce((sum, { value }) => sum + value, 0)
}

/** Types of the metrics in a text. */
export function typesIn(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]))
}

/** What Prometheus' own program says of a text or a file. @returns undefined where there is none; with CI set that fails */
export function promtool(
  args: readonly string[],
  input = '',
): { status: number | null; said: string } | undefined {
  const { error, status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' })
  if (error) {
    assert.ok(!process.env.CI, 'promtool is not here (Debian has it in the package prometheus)')
    return undefined
  }
  return { status, said: stdout + stderr }
}
