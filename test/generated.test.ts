import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { generatedFiles } from '../scripts/generated-files.ts'

const generated = await generatedFiles()

test('the document of the API and the list of settings are generated', () => {
  for (const path of ['openapi.json', '.env.example']) assert.ok(generated.has(path), path)
})

for (const [path, content] of generated) {
  test(`${path} is what its sources say`, async () => {
    const committed = await readFile(new URL(`../${path}`, import.meta.url), 'utf8')
    assert.ok(
      committed === content,
      `${path} has drifted from its sources: run "npm run generate" and commit it`,
    )
  })
}
