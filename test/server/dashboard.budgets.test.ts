import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtDashboard, builtFile, builtSizes } from '../support/dashboard.ts'

// How much a browser has to load: compressed, as it is sent.
const firstLoadMax = 220 * 1024
const screenMax = 60 * 1024
const stylesMax = 30 * 1024

await builtDashboard()
const sizes = builtSizes()
const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`

test('the first load is within its budget', t => {
  const page = builtFile('index.html')
  const scripts = [...sizes].filter(([name]) => name.endsWith('.js') && page.includes(name))
  assert.ok(scripts.length > 0)
  const all = scripts.reduce((sum, [, bytes]) => sum + bytes, 0)
  t.diagnostic(`${kib(all)} in ${scripts.length} scripts`)
  assert.ok(all <= firstLoadMax, `${kib(all)} is more than ${kib(firstLoadMax)}`)
  const styles = [...sizes]
    .filter(([name]) => name.endsWith('.css'))
    .reduce((sum, [, bytes]) => sum + bytes, 0)
  t.diagnostic(`${kib(styles)} of styles`)
  assert.ok(styles <= stylesMax, `styles: ${kib(styles)}`)
})

test('each screen is within its budget', t => {
  const page = builtFile('index.html')
  const later = [...sizes]
    .filter(([name]) => name.endsWith('.js') && !page.includes(name))
    .sort((a, b) => b[1] - a[1])
  assert.ok(later.length > 5, 'screens are loaded when they are gone to')
  for (const [name, bytes] of later.slice(0, 3)) t.diagnostic(`${name}: ${kib(bytes)}`)
  for (const [name, bytes] of later) assert.ok(bytes <= screenMax, `${name}: ${kib(bytes)}`)
})

test('nothing in it leads to another host', () => {
  for (const name of sizes.keys()) {
    const hosts = [
      ...builtFile(`assets/${name}`).matchAll(
        /\b(?:fetch|import|src|href|url)\(?["'`=(]+https?:\/\/([\w.-]+)/g,
      ),
    ]
    assert.deepEqual(
      hosts.map(([, host]) => host),
      [],
      name,
    )
  }
})
