import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { InboundRequest } from '../../src/sources/inbound-request.ts'
import { presetOf } from '../../src/sources/presets.ts'
import { verifyRequest } from '../../src/sources/verify.ts'

// Signatures that libraries of providers have made, or found to be right, which are too large to be a dependency: each was
// called once, and `by` says which version. What our own code says of them is checked here.

interface Vector {
  readonly preset: string
  readonly by: string
  readonly secret: string
  readonly headers: Record<string, string>
  readonly search?: string
  readonly publicUrl?: string
  readonly body: string
}

const file = new URL('../support/provider-vectors.json', import.meta.url)
const { at, vectors } = JSON.parse(readFileSync(file, 'utf8')) as { at: string; vectors: readonly Vector[] } // our own file

for (const { preset: id, by, secret, headers, search = '', publicUrl, body } of vectors) {
  test(`${id}: as ${by} has it`, () => {
    const preset = presetOf(id)
    assert.ok(preset)
    const check = (text: string, secrets: readonly string[]) => {
      const given = { method: 'POST', headers, search, publicUrl, body: Buffer.from(text) }
      return verifyRequest(preset.verification, new InboundRequest(given), { secrets, now: Date.parse(at) })
    }
    assert.deepEqual(check(body, [secret]), { kind: 'verified', secret: 0 })
    assert.deepEqual(check(body, ['00', secret]), { kind: 'verified', secret: 1 })
    assert.deepEqual(check(body, ['00']), { kind: 'failed', reason: 'signature_mismatch' })
    const changed = body.replace(/(order.pai)d|(AUTHORISATIO)N|(sen)t/, '$1$2$3x')
    assert.notEqual(changed, body)
    const reason = search.startsWith('?bodySHA256') ? 'body_hash_mismatch' : 'signature_mismatch'
    assert.deepEqual(check(changed, [secret]), { kind: 'failed', reason })
  })
}
