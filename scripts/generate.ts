import { mkdirSync, writeFileSync } from 'node:fs'
import { generatedFiles } from './generated-files.ts'

// Writes the committed files that are generated from the sources. test/generated.test.ts fails when one has drifted.
for (const [path, content] of await generatedFiles()) {
  const file = new URL(`../${path}`, import.meta.url)
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, content)
  console.log(`wrote ${path}`)
}
