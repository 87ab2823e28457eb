import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { type Received, startReceiver } from '../support/receiver.ts'
import { client, eventually, processWorld } from '../support/service.ts'

/** What an incoming webhook of Slack does: it takes JSON with a text, answers `ok`, and refuses all else. */
function asSlack({ headers, body }: Received) {
  const isJson = headers['content-type'] === 'application/json'
  const { text, ...others } = isJson ? JSON.parse(body.toString()) : {}
  const isTaken = typeof text === 'string' && text !== '' && Object.keys(others).length === 0
  return isTaken ? { status: 200, body: 'ok' } : { status: 400, body: 'invalid_payload' }
}

test('two processes, one of which is killed: Slack and a tenant hear once each that a receiver was disabled', async () => {
  await using gone = await startReceiver({ status: 410 })
  await using slack = await startReceiver(asSlack)
  await using own = await startReceiver()
  await using world = await processWorld()
  const [first, second] = [await world.start(), await world.start()]
  const api = client(first.url)
  const alerts = await api.subscribe({
    ...{ tenant: 'system', target_url: `${slack.origin}/services/T0/B0/X`, format: 'slack' },
    event_types: ['subscription.*', 'delivery.given_up'],
  })
  await api.subscribe({ target_url: own.origin, event_types: ['subscription.disabled'] })
  const { id } = await api.subscribe({ target_url: gone.origin, event_types: ['order.paid'] })
  await api.ingest(id, '{"n":1}', { 'x-event-type': 'order.paid' })
  await gone.waitFor(1)
  await first.end('SIGKILL')
  // One for the state of the subscription, and one for its delivery.
  await slack.waitFor(2)
  await own.waitFor(1)
  const texts = slack.received.map(({ body }) => String(JSON.parse(body.toString()).text))
  assert.equal(texts.filter(text => text.startsWith('*Disabled: subscription')).length, 1, texts.join('\n'))
  assert.equal(
    texts.filter(text => text.startsWith('*A delivery was given up: ')).length,
    1,
    texts.join('\n'),
  )
  const [message] = own.received
  assert.ok(message)
  const { type, timestamp, data } = JSON.parse(message.body.toString())
  assert.equal(type, 'subscription.disabled')
  assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 300_000)
  assert.deepEqual([data.tenant, data.subscription_id, data.target_origin], ['default', id, gone.origin])
  assert.equal(message.headers['x-event-type'], 'subscription.disabled')

  // What is signed is what is sent.
  const key = Buffer.from(String(alerts.signing_secret).replace('whsec_', ''), 'base64')
  for (const { headers, body } of slack.received) {
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
    const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
    assert.equal(headers['webhook-signature'], expected)
  }
  await eventually(async () => {
    const answer = await fetch(`${second.url}/events?tenant=system`)
    const events = (await answer.json()) as readonly { readonly status: string }[] // as openapi.json has it
    return events.length === 2 && events.every(({ status }) => status === 'success')
  })
})
