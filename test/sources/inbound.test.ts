import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InboundJudged } from '../../src/ingest/inbound.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { Certificates, type Visit } from '../../src/sources/certificates.ts'
import { inboundJudge, namesCertificate } from '../../src/sources/inbound.ts'
import { providers, snsMessage } from '../support/providers.ts'

const paypal = providers.paypal
assert.ok(paypal)
const sent = paypal.send(paypal.secrets[0], Date.now(), paypal.body)
const topic = 'arn:aws:sns:us-east-1:123456789012:orders'

function judging(preset: string, secret: string, visit: Visit) {
  const clock = { now: Date.now }
  const certificates = new Certificates({ visit, clock, logger: silentLogger() })
  const judge = inboundJudge({ ...{ clock, visit, certificates }, publicUrl: undefined })
  const inbound = {
    ...{ preset, secrets: [secret], toleranceSeconds: null, dedupe: null },
    requireSignature: true,
  }
  return (body: string, headers = {}) =>
    judge(inbound, { method: 'POST', headers, url: '/ingest/1', body: Buffer.from(body) })
}

const away: Visit = async () => {
  throw new Error('away')
}

test('a certificate that anybody can name is not waited for: it is left to who asks how long', async () => {
  const judge = judging('paypal', paypal.secrets[0], away)
  const judged = judge(sent.body, sent.headers)
  assert.ok(!(judged instanceof Promise))
  assert.ok(judged.kind === 'refused' && judged.fetching)
  assert.equal(judged.reason, 'certificate_unavailable')
  await judged.fetching
  const again = judge(sent.body, sent.headers) as InboundJudged // as above
  assert.equal(again.kind === 'refused' && again.reason, 'certificate_unavailable')
})

test('one for a sender that is expected is waited for, and the sender is asked to send again', async () => {
  const judge = judging('aws-sns', topic, away)
  const judged = judge(snsMessage({ Type: 'Notification', MessageId: 'm', TopicArn: topic }, Date.now()))
  assert.ok(judged instanceof Promise)
  const { kind, ...why } = await judged
  assert.deepEqual([kind, Object(why).reason], ['refused', 'certificate_unavailable'])
  assert.equal('fetching' in why, false)
})

test('a request names a certificate where its address is one of the provider’s, and anybody can name it', () => {
  assert.equal(namesCertificate(sent.headers), true)
  assert.equal(namesCertificate({ 'paypal-cert-url': 'https://api.paypal.com.evil.example/v1/x' }), false)
  assert.equal(namesCertificate({}), false)
})
