import { mkdirSync, writeFileSync } from 'node:fs'
import { generatedFiles } from './generated-files.ts'

// Writes what is made from the sources and committed; test/generated.test.ts fails when one of them drifts.
for (const [path, content] of await generatedFiles()) {
  const file = new URL(`../${path}`, import.meta.url)
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, content)
  console.log(`wrote ${path}`)
}
