#!/usr/bin/env node
// The one plain JavaScript file: it must run, and speak, on a Node that is too old for the rest.
import { existsSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(
    `webhooks: needs Node.js 24.12 or newer, this is ${process.version}.\n` +
      'In a checkout, "npm ci" brings the right one with it (package "node"; its install script must run, ' +
      'so not with --ignore-scripts) and "npm start" uses it. Elsewhere install Node.js 24.',
  )
  process.exit(1)
}
// What was compiled at one start is not compiled again at the next, nor by other processes of the service. It is kept beside
// the code: who may write there may change the code as well. Where this process may not, it does without.
module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/webhooks', import.meta.url)))
// A checkout runs the sources by type stripping; the published package has only dist.
const source = new URL('../src/main.ts', import.meta.url)
await import(existsSync(source) ? source.href : new URL('../dist/main.js', import.meta.url).href)
