import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Example {
  readonly command: string
  readonly expected: readonly string[]
}

/** The commands of a page (blocks marked `bash`), each with the lines of the block after it: what comes of them. */
export function examplesIn(text: string): readonly Example[] {
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, kind, body = '']) => ({
    kind,
    body,
  }))
  return blocks.flatMap(({ kind, body }, index) => {
    if (kind !== 'bash') return []
    const next = blocks[index + 1]
    return [{ command: body, expected: next && next.kind !== 'bash' ? next.body.trim().split('\n') : [] }]
  })
}

/**
 * Runs the commands of a guide one after the other, as in one shell, and wants of each what the guide says; `…` stands for
 * anything. What only reads is asked again until it says it: things happen a moment later.
 */
export async function tryGuide(guide: string, url: string, cwd: string): Promise<number> {
  const path = guide === 'README.md' ? guide : `docs/guides/${guide}`
  const text = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8')
  return tryExamples(examplesIn(text), url, cwd)
}

export async function tryExamples(examples: readonly Example[], url: string, cwd: string): Promise<number> {
  for (const { command, expected } of examples) {
    const ask = () => runExample(command.replaceAll('http://localhost:8000', url), cwd)
    let missing: string | undefined
    let answered = await ask()
    missing = missingIn(answered, expected)
    const until = performance.now() + 60_000
    while (missing !== undefined && !/ -(X|d) /.test(command) && performance.now() < until) {
      await sleep(200)
      answered = await ask()
      missing = missingIn(answered, expected)
    }
    assert.equal(missing, undefined, `${command}\nanswered ${answered}\nwithout ${missing}`)
  }
  return examples.length
}

/** Variables and functions of one example are there for the next. */
async function runExample(command: string, cwd: string): Promise<string> {
  const script = `set -a; if [ -f .variables ]; then . ./.variables; fi\n${command}\n{ export -p; declare -f; } > .variables`
  // Beside this process, in which the service may be.
  const shell = run('bash', ['-e', '-c', script], { cwd, encoding: 'utf8', timeout: 60_000 })
  const { stdout } = await shell.catch(error =>
    assert.fail(`${command}\n${error.stdout}\n${error.stderr}\n${error.message}`),
  )
  return stdout
}

/** The first part of a line that is not there, in the order of the line. */
function missingIn(answered: string, expected: readonly string[]): string | undefined {
  for (const line of expected) {
    let from = 0
    for (const part of line.split('…')) {
      const at = answered.indexOf(part, from)
      if (at < 0) return part
      from = at + part.length
    }
  }
  return undefined
}
