import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { makeCertificate } from '../support/certificate.ts'
import { pagesWorld, withoutBrowser } from '../support/dashboard-world.ts'
import { complaintsOf } from '../support/page.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, eventually } from '../support/service.ts'
import { startTokenEndpoint } from '../support/token-endpoint.ts'

// What operators do in the dashboard all day: many at once, files for others, signatures that do not match, what is stored.

const skip = withoutBrowser
const { world: theWorld, open: openPath } = pagesWorld()

const open = (path: string) => openPath(`/ui${path}`)

test('several subscriptions are paused at once, after a question with their number, and that is undone', {
  skip,
}, async () => {
  const { service } = theWorld()
  const sender = client(service.url)
  const made = []
  for (const name of ['one', 'two', 'three'])
    made.push(await sender.subscribe({ target_url: 'http://127.0.0.1:9/', description: `bulk ${name}` }))
  const { page, complaints } = await open('/subscriptions?q=bulk')
  await page.getByRole('checkbox', { name: 'Choose all that are shown' }).check()
  const bar = page.getByRole('toolbar')
  await bar.getByText('3 chosen').waitFor()
  await bar.getByRole('button', { name: 'Pause' }).click()
  const dialog = page.getByRole('dialog', { name: 'Pause 3 subscriptions' })
  await dialog.getByRole('button', { name: 'Pause 3' }).click()
  await page.getByText('3 paused.').waitFor()
  const stateOf = async (id: number) =>
    ((await (await fetch(`${service.url}/subscriptions/${id}`)).json()) as { state: string }).state
  for (const { id } of made) assert.equal(await stateOf(id), 'paused')
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByText('3 resumed.').waitFor()
  for (const { id } of made) assert.equal(await stateOf(id), 'active')
  assert.deepEqual(complaints, [])
})

test('dead letters that are chosen are replayed, and no others', { skip }, async () => {
  let broken = true
  await using receiver = await startReceiver(() => (broken ? { status: 500 } : {}))
  const sender = client(theWorld().service.url)
  const { id } = await sender.subscribe({ target_url: receiver.origin, retry: { max_attempts: 1 } })
  const events = []
  for (let index = 0; index < 3; index++) events.push(await sender.ingest(id))
  const { page, complaints } = await open(`/dead-letters?subscription_id=${id}`)
  // What is given up later waits behind a button, as rows are chosen.
  await page.locator('table[aria-rowcount="4"]').waitFor()
  for (const event of events.slice(0, 2))
    await page.getByRole('checkbox', { name: `Choose ${event} ${id}` }).check()
  broken = false
  await page.getByRole('toolbar').getByRole('button', { name: 'Replay' }).click()
  await page
    .getByRole('dialog', { name: 'Replay 2 deliveries' })
    .getByRole('button', { name: 'Replay 2' })
    .click()
  await receiver.waitFor(5)
  const again = receiver.received.slice(3).map(({ headers }) => headers['webhook-id'])
  assert.deepEqual(new Set(again), new Set(events.slice(0, 2)))
  // The list is read again; what it comes to counts, not each moment on the way.
  for (const event of events.slice(0, 2))
    await page.getByRole('checkbox', { name: `Choose ${event} ${id}` }).waitFor({ state: 'detached' })
  await page.getByRole('checkbox', { name: `Choose ${events[2]} ${id}` }).waitFor()
  assert.deepEqual(complaints, [])
})

test('what is chosen among dead letters and among what waits is discarded, after its number was said', {
  skip,
}, async () => {
  const { service } = theWorld()
  await using receiver = await startReceiver({ status: 500 })
  const sender = client(service.url)
  const make = (max_attempts: number) =>
    sender.subscribe({ target_url: receiver.origin, retry: { max_attempts, base_seconds: 600 } })
  const statusOf = async (event: string) => (await sender.status(event)).deliveries[0]?.status
  const ended = async (event: string) =>
    assert.equal(await eventually(() => statusOf(event), Boolean), 'cancelled')

  const { id: gaveUp } = await make(1)
  const dead = [await sender.ingest(gaveUp), await sender.ingest(gaveUp), await sender.ingest(gaveUp)]
  const { page, complaints } = await open(`/dead-letters?subscription_id=${gaveUp}`)
  for (const event of dead.slice(0, 2))
    await page.getByRole('checkbox', { name: `Choose ${event} ${gaveUp}` }).check()
  const discardOf = (rows: string) => page.getByRole('dialog', { name: `Discard ${rows}` })
  const bar = page.getByRole('toolbar', { name: 'What to do with those that are chosen' })
  await bar.getByRole('button', { name: 'Discard' }).click()
  await discardOf('2 deliveries').getByText('to 1 subscription any more').waitFor()
  await discardOf('2 deliveries').getByRole('button', { name: 'Discard 2' }).click()
  await page.getByText('2 discarded.').waitFor()
  for (const event of dead.slice(0, 2)) await ended(event)
  assert.equal(await statusOf(dead[2] ?? ''), 'failed')

  const { id: waits } = await make(5)
  const waiting = [await sender.ingest(waits), await sender.ingest(waits)]
  await receiver.waitFor(5)
  await page.goto(`${service.url}/ui/subscriptions/${waits}?tab=deliveries&status=waiting`)
  await page.getByRole('checkbox', { name: `Choose ${waiting[0]} ${waits}` }).check()
  await bar.getByRole('button', { name: 'Discard' }).click()
  await discardOf('1 delivery').getByRole('button', { name: 'Discard 1' }).click()
  await page.getByText('1 discarded.').waitFor()
  await page.getByRole('checkbox', { name: `Choose ${waiting[0]} ${waits}` }).waitFor({ state: 'detached' })
  await ended(waiting[0] ?? '')
  assert.equal(await statusOf(waiting[1] ?? ''), 'pending')
  assert.deepEqual(complaints, [])
})

test('what waits for its retry is tried at once from its event and its attempt, or the answer says why not', {
  skip,
}, async () => {
  const { service } = theWorld()
  await using receiver = await startReceiver({ status: 500 })
  const sender = client(service.url)
  const { id } = await sender.subscribe({
    target_url: receiver.origin,
    retry: { max_attempts: 5, base_seconds: 600 },
  })
  const event = await sender.ingest(id)
  await receiver.waitFor(1)
  const { page, complaints } = await open(`/events/${event}`)
  const details = page.getByLabel('Details')
  await details.getByRole('button', { name: 'Try now' }).click()
  await page.getByText('It is tried now.').waitFor()
  await receiver.waitFor(2)
  await details.getByText('Attempt 2').waitFor()
  await details.getByText('manual', { exact: true }).first().waitFor()

  await details.getByRole('link', { name: 'Attempt 2' }).click()
  await page.getByRole('heading', { name: 'Attempt 2' }).waitFor()
  await page.getByRole('button', { name: 'Try now' }).click()
  await receiver.waitFor(3)
  await page.getByRole('button', { name: 'Watch it' }).click()
  await details.getByText('Attempt 3').waitFor()

  await sender.post(`/subscriptions/${id}/pause`, '{}', { 'content-type': 'application/json' })
  await page.goto(`${service.url}/ui/subscriptions/${id}?tab=deliveries&status=waiting`)
  await page.getByText('when resumed').waitFor()
  await page.getByRole('checkbox', { name: `Choose ${event} ${id}` }).check()
  await page.getByRole('toolbar').getByRole('button', { name: 'Try now' }).click()
  await page.getByText(`Subscription ${id} is paused. Resume it, and what waits is sent.`).waitFor()
  assert.equal(receiver.received.length, 3)
  // The browser tells of each answer that is no success; the page has shown it.
  assert.deepEqual(
    complaints.filter(text => !/409/.test(text)),
    [],
  )
})

test('a list is saved as a file, in which no cell is a formula', { skip }, async () => {
  const { service } = theWorld()
  const published = await fetch(`${service.url}/events?event_type=export.me&event_id=%3D1%2B1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  })
  assert.equal(published.status, 202, await published.clone().text())
  const { webhook_id: event } = (await published.json()) as { webhook_id: string }
  const { page, complaints } = await open('/events?event_type=export.me')
  await page.getByRole('link', { name: /export\.me/ }).waitFor()
  const save = async (kind: RegExp) => {
    const coming = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Save as a file' }).click()
    await page.getByRole('menuitem', { name: kind }).click()
    const file = await coming
    return { name: file.suggestedFilename(), text: await readFile(await file.path(), 'utf8') }
  }
  const csv = await save(/CSV/)
  assert.equal(csv.name, 'events.csv')
  const [head, first] = csv.text.split('\r\n')
  assert.match(head ?? '', /^webhook_id,event_id,event_type,/)
  assert.ok(first?.startsWith(`${event},'=1+1,export.me,`), first)
  const json = await save(/JSON/)
  assert.equal(JSON.parse(json.text).webhook_id, event)
  assert.deepEqual(complaints, [])
})

test('a view is saved with its filters, and is there again', { skip }, async () => {
  const { page } = await open('/dead-letters?error_class=timeout&since=7d')
  await page.getByRole('button', { name: 'Saved views' }).click()
  await page.getByRole('menuitem', { name: 'Save this view' }).click()
  await page.goto(`${theWorld().service.url}/ui/dead-letters`)
  await page.getByRole('button', { name: 'Saved views' }).click()
  await page.getByRole('menuitem', { name: 'error_class:timeout since:7d' }).click()
  await page.waitForURL(/error_class=timeout&since=7d/)
})

test('a signature that a receiver got is checked step by step with the secret of the subscription', {
  skip,
}, async () => {
  await using receiver = await startReceiver({ status: 500 })
  const sender = client(theWorld().service.url)
  const { id } = await sender.subscribe({ target_url: receiver.origin, retry: { max_attempts: 1 } })
  await sender.ingest(id, '{"total": 12}')
  await receiver.waitFor(1)
  const { page, complaints } = await open(`/subscriptions/${id}?tab=deliveries`)
  await page.getByRole('table').getByRole('link').first().click()
  await page.getByText('Check the signature').click()
  await page.getByRole('button', { name: /Use that of subscription/ }).click()
  const seen = receiver.received[0]?.headers ?? {}
  const headers = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
    name => `${name}: ${seen[name]}`,
  )
  await page.getByLabel('Headers as the receiver saw them').fill(headers.join('\n'))
  await page.getByText('Yes: the signature is valid.').waitFor()
  await page.getByLabel('Body as it came').fill('{"total":12}')
  await page.getByText(/parsed and written again/).waitFor()
  assert.deepEqual(complaints, [])
})

test('what came in is seen at once, without asking again and again', { skip }, async () => {
  const { service, browser } = theWorld()
  const page = await browser.newPage()
  const complaints = complaintsOf(page, service.url)
  const asked: string[] = []
  page.on('request', request => {
    if (/\/events\?/.test(request.url())) asked.push(request.url())
  })
  const listening = page.waitForResponse(response => new URL(response.url()).pathname === '/stream')
  await page.goto(`${service.url}/ui/events?event_type=seen.at.once`)
  await page.getByText('Nothing fits these filters').waitFor()
  await listening
  await client(service.url).post('/events?event_type=seen.at.once', '{}', {
    'content-type': 'application/json',
  })
  await page.getByRole('link', { name: 'seen.at.once' }).waitFor()
  assert.ok(asked.length <= 3, `asked ${asked.length} times`)
  assert.deepEqual(complaints, [])
  await page.close()
})

test('the overview has the failures of each day, and the system what is stored and set', {
  skip,
}, async () => {
  const { browser, service } = theWorld()
  // One that fails now, so that it is of today whatever the clock says.
  const sender = client(service.url)
  const { id } = await sender.subscribe({ target_url: 'http://127.0.0.1:9/', retry: { max_attempts: 1 } })
  const event = await sender.ingest(id)
  await eventually(
    () => sender.status(event),
    ({ status }) => status === 'failed',
  )
  const { page, complaints } = await open('/')
  // What waited has a picture, a sentence, and a table for who does not see the picture.
  await page
    .getByRole('figure', { name: 'Deliveries that waited' })
    .getByText(/^At most \d+ at a time\.|^There is no sample yet\./)
    .waitFor()
  await page.getByRole('table', { name: 'How late the oldest one was' }).waitFor()
  const cell = (day: string) =>
    page.getByRole('link', { name: new RegExp(`^${day}: [1-9]\\d* of \\d+ attempts failed`) })
  // The clock of the browser is somewhere else; days are those of the clock that is chosen on the page.
  const zone = await browser.newCDPSession(page)
  const days = [
    ['Etc/GMT-14', 14, 'Days begin at midnight of your time (Etc/GMT-14).'],
    ['Etc/GMT+11', -11, 'Days begin at midnight of your time (Etc/GMT+11).'],
    ['Asia/Kolkata', 0, 'is not a whole number of hours ahead.'],
  ] as const
  for (const [timezoneId, hoursAhead, sentence] of days) {
    await zone.send('Emulation.setTimezoneOverride', { timezoneId })
    await page.goto(`${service.url}/ui/`)
    await page.getByText(sentence).waitFor()
    await cell(new Date(Date.now() + hoursAhead * 3_600_000).toISOString().slice(0, 10)).waitFor()
  }
  await page.getByRole('button', { name: 'Times and rows' }).click()
  await page.getByRole('menuitem', { name: 'UTC' }).click()
  await page.getByText('Days begin at midnight UTC.', { exact: false }).waitFor()
  await cell(new Date().toISOString().slice(0, 10)).click()
  await page.waitForURL(/events\?status=failed&since=.*&until=/)
  await page.goto(`${service.url}/ui/system`)
  await page.getByText('Events and payloads').waitFor()
  await page.getByText('DATABASE_URL').waitFor()
  await page.getByLabel('Find a setting').fill('max_streams')
  await page.getByRole('cell', { name: 'MAX_STREAMS' }).waitFor()
  assert.deepEqual(complaints, [])
})

test('who is in trouble is told alike in words and in the list: not one whose failed attempt was followed by an accepted one', {
  skip,
}, async () => {
  const { service } = theWorld()
  const sender = client(service.url)
  const tenant = 'in-trouble'
  const post = (path: string, body: object) =>
    sender.post(path, JSON.stringify(body), { 'content-type': 'application/json' })
  await post('/tenants', { id: tenant, name: 'In trouble' })
  let answers = 0
  await using recovers = await startReceiver(() => (answers++ === 0 ? { status: 500 } : {}))
  let broken = true
  await using fails = await startReceiver(() => (broken ? { status: 500 } : {}))
  const subscribe = (target_url: string, retry: object) => sender.subscribe({ tenant, target_url, retry })
  const { id: recovered } = await subscribe(recovers.origin, { base_seconds: 0.1 })
  await sender.ingest(recovered)
  await recovers.waitFor(2)
  const { page, complaints } = await open('/')
  const showTenant = (id: string) =>
    page.evaluate(`localStorage.setItem('webhooks.preferences', '{"tenant":"${id}"}')`)
  await showTenant(tenant)
  await page.reload()
  await page.getByText('Everything is being delivered.').waitFor()
  await page.getByText('No subscription is in trouble.').waitFor()

  const { id: failing } = await subscribe(fails.origin, { base_seconds: 600 })
  const event = await sender.ingest(failing)
  await page.getByText('1 subscription is in trouble.').waitFor()
  const section = page.locator('section').filter({ has: page.getByRole('heading', { name: 'In trouble' }) })
  await section.getByRole('link', { name: '1 to be tried again' }).waitFor()
  assert.equal(await section.getByRole('link', { name: `#${recovered} ` }).count(), 0)

  broken = false
  await post(`/events/${event}/try-now`, {})
  await fails.waitFor(2)
  await page.getByText('Everything is being delivered.').waitFor()
  await page.getByText('No subscription is in trouble.').waitFor()
  await showTenant('')
  assert.deepEqual(complaints, [])
})

test('a source is made for a provider; what it refuses is listed with what to do', { skip }, async () => {
  const { page, complaints } = await open('/sources')
  await page.getByRole('button', { name: 'New source' }).first().click()
  await page.getByLabel('Provider').selectOption({ label: 'GitHub' })
  await page.getByLabel('Name').fill('our repositories')
  await page.getByLabel('Secret').fill('a secret that GitHub knows, too')
  await page.getByRole('button', { name: 'Create' }).click()
  const details = page.getByLabel('Details')
  const address = details.locator('code').filter({ hasText: '/in/' })
  const url = await address.innerText()
  const body = '{"action":"opened"}'
  const send = (secret: string, id: string) =>
    fetch(url, {
      method: 'POST',
      headers: {
        ...{ 'content-type': 'application/json', 'x-github-event': 'issues', 'x-github-delivery': id },
        'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
      },
      body,
    })
  assert.equal((await send('a secret that GitHub knows, too', 'one')).status, 200)
  assert.equal((await send('another secret', 'two')).status, 401)
  await details.getByText('signature mismatch').first().waitFor()
  await details.getByText(/made with another secret/).waitFor({ state: 'attached' })
  await details.getByText('1, of these 0 sent again').waitFor()
  await details.getByRole('button', { name: 'Turn off' }).click()
  await page.getByText('Its address takes nothing now.').waitFor()
  await page.getByRole('button', { name: 'Undo' }).click()
  await details.getByRole('button', { name: 'Turn off' }).waitFor()
  assert.deepEqual(complaints, [])
})

test('a subscription lists what its inbound refused with what to do', { skip }, async () => {
  const sender = client(theWorld().service.url)
  const { id } = await sender.subscribe({
    ...{ target_url: 'http://127.0.0.1:9/', paused: true },
    inbound: { preset: 'github', secrets: ['a secret that GitHub knows, too'] },
  })
  const body = '{"action":"opened"}'
  const signature = createHmac('sha256', 'another secret').update(body).digest('hex')
  const answer = await fetch(`${theWorld().service.url}/ingest/${id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` },
    body,
  })
  assert.equal(answer.status, 401)
  const { page, complaints } = await open(`/subscriptions/${id}`)
  await page.getByText('signature mismatch').click()
  await page.getByText(/made with another secret/).waitFor()
  await page.getByText(body).waitFor()
  const { id: without } = await sender.subscribe({ target_url: 'http://127.0.0.1:9/' })
  await page.goto(`${theWorld().service.url}/ui/subscriptions/${without}`)
  await page.getByText('Last attempts').waitFor()
  assert.equal(await page.getByText('What was refused').count(), 0)
  assert.deepEqual(complaints, [])
})

test('the address of public keys stands with the secrets where a key pair signs, to be copied', {
  skip,
}, async () => {
  const { service } = theWorld()
  const sender = client(service.url)
  const { id } = await sender.subscribe({ target_url: 'http://127.0.0.1:9/', signing: { scheme: 'v1a' } })
  const { page, complaints } = await open(`/subscriptions/${id}?tab=secrets`)
  const address = `${service.url}/subscriptions/${id}/jwks.json`
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  const block = page.getByText('Address of its public keys').locator('..')
  await block.getByRole('button', { name: 'Copy' }).click()
  assert.equal(await page.evaluate('navigator.clipboard.readText()'), address)
  const { keys } = (await (await fetch(address)).json()) as { keys: readonly unknown[] }
  assert.equal(keys.length, 1)
  // A pair that signs no more has nothing there.
  const patched = await fetch(`${service.url}/subscriptions/${id}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ signing: { scheme: 'v1' } }),
  })
  assert.equal(patched.status, 200)
  assert.equal((await fetch(address)).status, 404)
  await page.reload()
  await page.getByText('How the receiver checks it').waitFor()
  assert.equal(await page.getByText('Address of its public keys').count(), 0)
  assert.deepEqual(complaints, [])
})

test('what waits for a paused subscription is discarded only after its id was typed', { skip }, async () => {
  const sender = client(theWorld().service.url)
  const { id } = await sender.subscribe({ target_url: 'http://127.0.0.1:9/', paused: true })
  const events = [await sender.ingest(id), await sender.ingest(id)]
  const { page, complaints } = await open(`/subscriptions/${id}?tab=settings`)
  await page.getByRole('button', { name: 'Resume without it' }).click()
  const dialog = page.getByRole('dialog', { name: 'Discard what waits' })
  await dialog.getByText('2 deliveries will end as cancelled').waitFor()
  const act = dialog.getByRole('button', { name: 'Discard it, and resume' })
  assert.ok(await act.isDisabled())
  await dialog.getByRole('textbox').fill(String(id))
  await act.click()
  await page.getByText('It is resumed; what waited is being discarded.').waitFor()
  for (const event of events)
    await eventually(
      () => sender.status(event),
      ({ deliveries }) => deliveries[0]?.status === 'cancelled',
    )
  assert.deepEqual(complaints, [])
})

test('a payload is removed for good only after that was typed', { skip }, async () => {
  const sender = client(theWorld().service.url)
  const { id } = await sender.subscribe({ target_url: 'http://127.0.0.1:9/', retry: { max_attempts: 1 } })
  const event = await sender.ingest(id, '{"card":"4242"}')
  await eventually(
    () => sender.status(event),
    ({ status }) => status === 'failed',
  )
  const { page, complaints } = await open(`/events/${event}`)
  const details = page.getByLabel('Details')
  await details.getByText('"4242"').waitFor()
  await details.getByRole('button', { name: 'More' }).click()
  await page.getByRole('menuitem', { name: 'Remove the payload' }).click()
  const dialog = page.getByRole('dialog', { name: 'Remove the payload' })
  await dialog.getByRole('textbox').fill('remove')
  await dialog.getByRole('button', { name: 'Remove it' }).click()
  await details.getByText('The payload was removed').waitFor()
  assert.equal(await details.getByText('"4242"').count(), 0)
  assert.deepEqual(complaints, [])
})

/** Saves the settings of a subscription, or is refused. */
async function save(page: Page): Promise<number> {
  const answered = page.waitForResponse(response => response.request().method() === 'PATCH')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  return (await answered).status()
}

test('an access token of OAuth 2 and a client certificate are saved, used, and there again after a reload', {
  skip,
}, async () => {
  const { service } = theWorld()
  await using receiver = await startReceiver()
  await using endpoint = await startTokenEndpoint()
  const sender = client(service.url)
  const { id } = await sender.subscribe({ target_url: receiver.origin })
  const { page, complaints } = await open(`/subscriptions/${id}?tab=settings`)
  const credentials = async (type: string) => {
    await page.getByText('Credentials', { exact: true }).click()
    if (type !== '') await page.getByLabel('Shown to the receiver').selectOption(type)
  }
  await credentials('oauth2')
  await page.getByLabel('Token address').fill(endpoint.url)
  await page.getByLabel('Client id').fill('me')
  await page.getByLabel('Client secret').fill('correct horse')
  await page.getByLabel('Scope').fill('hooks.write')
  assert.equal(await save(page), 200)
  await sender.ingest(id)
  await receiver.waitFor(1)
  assert.match(String(receiver.received[0]?.headers.authorization), /^Bearer token-/)
  await page.reload()
  await credentials('')
  assert.equal(await page.getByLabel('Token address').inputValue(), endpoint.url)
  assert.equal(await page.getByLabel('Scope').inputValue(), 'hooks.write')
  assert.equal(await page.getByLabel('Client secret').inputValue(), '', 'never shown again')

  const { cert, key } = await makeCertificate('client.example')
  const { id: tls } = await sender.subscribe({ target_url: 'https://127.0.0.1:9/', paused: true })
  await page.goto(`${service.url}/ui/subscriptions/${tls}?tab=settings`)
  await credentials('mtls')
  await page.getByLabel('Client certificate').fill(cert)
  assert.equal(await save(page), 422)
  await page.getByText('The type mtls needs it.', { exact: true }).waitFor()
  await page.getByLabel('Private key').fill(key)
  assert.equal(await save(page), 200)
  await page.reload()
  await page.getByText(/The one there is ends/).waitFor({ state: 'attached' })
  await credentials('')
  assert.equal((await page.getByLabel('Client certificate').inputValue()).trim(), cert.trim())
  assert.equal(await page.getByLabel('Private key').inputValue(), '', 'never shown again')
  await page.getByText(/The one there is ends .*20\d\d/).waitFor()
  assert.deepEqual(
    complaints.filter(text => !text.includes('422')),
    [],
  )
})

test('message signatures and a signature of one’s own are described with a preview, made, and there again', {
  skip,
}, async () => {
  const { service } = theWorld()
  await using receiver = await startReceiver()
  const sender = client(service.url)
  const { id, signing_secret: secret } = await sender.subscribe({ target_url: receiver.origin })
  const { page, complaints } = await open(`/subscriptions/${id}?tab=settings`)
  const signatures = () => page.getByText('Signatures', { exact: true }).click()
  await signatures()
  await page.getByRole('checkbox', { name: /^HTTP message signature, HMAC/ }).check()
  await page.getByLabel('Tag').fill('acme')
  await page.getByRole('checkbox', { name: /^as another service/ }).check()
  assert.equal(await save(page), 422)
  await page.getByText('Say what is signed, such as {timestamp}.{body}').first().waitFor()
  await page.getByRole('textbox', { name: 'What is signed' }).fill('{id}|{body}')
  await page.getByRole('textbox', { name: 'In the header' }).fill('X-Acme-Signature')
  await page.getByLabel('Algorithm').selectOption('hmac-sha512')
  await page.getByLabel('Written in').selectOption('base64')
  await page.getByLabel('Value of the header').fill('v=1;{signature}')
  const preview = page.getByRole('status', { name: 'For example' })
  await preview.getByText('0193e0a4-6d3c-7d0e-9d0a-3f4a5b6c7d8e|{"total":12}').waitFor()
  await preview.getByText('X-Acme-Signature: v=1;‹hmac-sha512 in base64›').waitFor()
  await page.getByText('Other names for the headers').click()
  await page.getByLabel('Number of the attempt').fill('X-Acme-Attempt')
  assert.equal(await save(page), 200)

  await sender.ingest(id, '{"total": 12}')
  await receiver.waitFor(1)
  const headers = receiver.received[0]?.headers ?? {}
  const signed = createHmac('sha512', secret)
    .update(`${headers['webhook-id']}|{"total": 12}`)
    .digest('base64')
  assert.equal(headers['x-acme-signature'], `v=1;${signed}`)
  assert.match(String(headers['signature-input']), /tag="acme"/)
  assert.equal(headers['x-acme-attempt'], '1')

  await page.reload()
  await signatures()
  assert.equal(await page.getByRole('textbox', { name: 'What is signed' }).inputValue(), '{id}|{body}')
  assert.equal(await page.getByLabel('Value of the header').inputValue(), 'v=1;{signature}')
  assert.equal(await page.getByLabel('Algorithm').inputValue(), 'hmac-sha512')
  assert.equal(await page.getByLabel('Tag').inputValue(), 'acme')
  assert.equal(await page.getByLabel('Number of the attempt').inputValue(), 'X-Acme-Attempt')

  // By what a repeat of what is sent to it is known.
  await page.getByText('Who may send to it alone').click()
  await page.getByLabel('Provider').selectOption('github')
  await page.getByLabel('Secret of the provider').fill('a secret that GitHub knows, too')
  await page.getByLabel('A repeat is known by').selectOption('own')
  await page.getByLabel('Places of its id').fill('somewhere')
  assert.equal(await save(page), 422)
  await page
    .getByRole('alert')
    .filter({ hasText: /header:NAME/ })
    .first()
    .waitFor()
  await page.getByLabel('Places of its id').fill('header:x-my-id')
  assert.equal(await save(page), 200)
  const send = (body: string) =>
    sender.ingest(id, body, {
      ...{ 'content-type': 'application/json', 'x-my-id': 'one' },
      'x-hub-signature-256': `sha256=${createHmac('sha256', 'a secret that GitHub knows, too').update(body).digest('hex')}`,
    })
  assert.equal(await send('{"n":1}'), await send('{"n":2}'), 'it is the same event by its id')
  await page.reload()
  await page.getByText('Who may send to it alone').click()
  assert.equal(await page.getByLabel('Places of its id').inputValue(), 'header:x-my-id')
  assert.deepEqual(
    complaints.filter(text => !text.includes('422')),
    [],
  )
})
