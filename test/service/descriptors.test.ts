import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { allowedDescriptors, lackOfDescriptors, usedDescriptors } from '../../src/platform/descriptors.ts'
import { descriptorAdvice, receiverConnectionsMax } from '../../src/service/descriptors.ts'

test('half of the descriptors go to receivers; where it is not known how many there are, there is no bound', () => {
  assert.equal(receiverConnectionsMax(1024), 512)
  assert.equal(receiverConnectionsMax(1), 1)
  assert.equal(receiverConnectionsMax(undefined), undefined)
})

test('a limit that is too low for the settings is told in one sentence that says what to do', () => {
  const advice = descriptorAdvice({ role: 'all', maxInFlight: 1024 }, 256)
  assert.match(advice ?? '', /allows 256 .* at most 128 attempts .* MAX_IN_FLIGHT=1024.* `ulimit -n` to 2048/)
  assert.match(descriptorAdvice({ role: 'api', maxInFlight: 1024 }, 256) ?? '', /few clients/)
  assert.equal(descriptorAdvice({ role: 'worker', maxInFlight: 1024 }, 2048), undefined)
  assert.equal(descriptorAdvice({ role: 'all', maxInFlight: 100 }, 256), undefined)
  assert.equal(descriptorAdvice({ role: 'all', maxInFlight: 1024 }, undefined), undefined)
})

test('the limit is read as Linux writes it, and unknown elsewhere', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-limits-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'limits')
  await writeFile(
    file,
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024       4096    files\n',
  )
  assert.equal(allowedDescriptors(file), 1024)
  await writeFile(file, 'Max open files            unlimited       unlimited    files\n')
  assert.equal(allowedDescriptors(file), undefined)
  assert.equal(allowedDescriptors(`${file}-none`), undefined)
})

test('what is open is counted where the system tells it', {
  skip: process.platform !== 'linux',
}, async () => {
  const used = await usedDescriptors()
  assert.ok(used !== undefined && used > 2 && used < (allowedDescriptors() ?? 0), `${used}`)
  assert.equal(lackOfDescriptors(), undefined)
})
