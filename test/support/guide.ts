import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'

/** The commands of a guide (blocks marked `bash`), each with the lines of the block after it: what comes of them. */
export async function examplesOf(
  guide: string,
): Promise<readonly { readonly command: string; readonly expected: readonly string[] }[]> {
  const text = await readFile(new URL(`../../docs/guides/${guide}`, import.meta.url), 'utf8')
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

/** Runs the commands of a guide one after the other, and wants of each what the guide says; `…` stands for anything. */
export async function tryGuide(guide: string, url: string, cwd: string): Promise<number> {
  const examples = await examplesOf(guide)
  for (const { command, expected } of examples) {
    const script = command.replaceAll('http://localhost:8000', url)
    const { stdout, stderr, status } = spawnSync('bash', ['-e', '-c', script], {
      cwd,
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.equal(status, 0, `${command}\n${stdout}\n${stderr}`)
    for (const line of expected)
      for (const part of line.split('…'))
        assert.ok(stdout.includes(part), `${command}\nanswered ${stdout}\nwithout ${part}`)
  }
  return examples.length
}
