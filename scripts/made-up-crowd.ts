import { startReceiver } from '../test/support/receiver.ts'
import { client } from '../test/support/service.ts'

// Much, and long: what breaks a page that looked well with five rows of four words.

export interface Crowd {
  readonly longSubscription: number
  readonly longEvent: string
  readonly hugeEvent: string
}

const names = [
  ...['Zürich: Bestellungen', '在庫管理システム（東京）', 'نظام الفواتير', 'Ünïcødé & Söhne GmbH 🦄', 'CRM'],
  'A name that somebody wrote down as a whole sentence, with who asked for it, when, and why it must never be deleted',
]

/** Fills a service that runs, with hundreds of events, failures of all kinds, and everything else there is. */
export async function crowded(url: string, opened: AsyncDisposableStack): Promise<Crowd> {
  const call = async (method: string, path: string, body: unknown) => {
    const answer = await fetch(url + path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as { id: number; webhook_id: string; url: string }
  }
  const failing = opened.use(
    await startReceiver((_, index) =>
      index % 3 === 0
        ? {
            status: 500,
            body: `<html><body><h1>Internal Server Error</h1>${'<p>stack</p>'.repeat(200)}</body></html>`,
          }
        : index % 3 === 1
          ? { fault: 'reset' }
          : { status: 404, body: 'not found' },
    ),
  )
  const long = `${failing.origin}/${'a-very-long-path-'.repeat(110)}`
  const made = []
  for (const [index, description] of names.entries())
    made.push(
      await call('POST', '/subscriptions/', {
        description,
        ...{
          target_url: index === 5 ? long : `${failing.origin}/hook/${index}`,
          event_types: [`${type(index)}.*`],
        },
        retry: index % 2 ? { max_attempts: 1 } : { max_attempts: 6, base_seconds: 60 },
      }),
    )
  for (let index = 0; index < 40; index++)
    await call('POST', '/subscriptions/', {
      description: index % 3 ? `Team ${index}` : null,
      ...{
        target_url: `http://127.0.0.1:9/team/${index}`,
        event_types: [`team${index}.*`],
        retry: { max_attempts: 1 },
      },
      paused: index % 7 === 0,
    })
  const lines = Array.from({ length: 700 }, (_, index) =>
    JSON.stringify({
      event_type: `${type(index % 14)}.${['made', 'changed', 'removed'][index % 3]}`,
      payload: { id: index, note: '🦄 ünïcode 中文', at: '2026-01-01T00:00:00Z' },
    }),
  )
  await fetch(`${url}/events/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  })
  await theRest(call)
  const sender = client(url)
  const typed = { 'content-type': 'application/json' }
  const longType = `${type(5)}.${'segment.'.repeat(12)}end`
  const deep = (levels: number): unknown => (levels === 0 ? 'the end' : { inner: deep(levels - 1) })
  const hostile = '<b onmouseover=alert(1)>🦄 "quoted" & \u202eesrever</b>'
  const publish = async (eventType: string, payload: unknown) => {
    const answer = await sender.post(`/events?event_type=${eventType}`, JSON.stringify(payload), typed)
    return ((await answer.json()) as { webhook_id: string }).webhook_id
  }
  const longEvent = await publish(longType, { [hostile]: 'y'.repeat(3000), deep: deep(20), url: long })
  const hugeEvent = await publish(`${type(2)}.made`, {
    items: Array.from({ length: 3000 }, (_, index) => ({
      index,
      name: `Article ${index}`,
      price: index * 3,
    })),
  })
  await new Promise(resolve => setTimeout(resolve, 4000))
  return { longSubscription: made[5]?.id ?? 0, longEvent, hugeEvent }
}

const type = (index: number) =>
  ['bestellung', 'inventory', 'invoice2', 'user', 'crm', 'contract'][index] ?? 'other'

/** Tenants, keys, types, sources, receivers, replays. */
async function theRest(
  call: (method: string, path: string, body: unknown) => Promise<{ id: number; url: string }>,
) {
  for (let index = 0; index < 25; index++)
    await call('POST', '/tenants', {
      id: index === 3 ? `${'long-'.repeat(12)}id` : `tenant-${index}`,
      name: names[index] ?? `Customer ${index}`,
    })
  for (const [index, scope] of ['admin', 'tenant', 'publish', 'read', 'read'].entries())
    await call('POST', '/keys', {
      ...{ name: names[index + 1] ?? 'a key', scope },
      ...((scope === 'tenant' || scope === 'publish') && { tenant: 'tenant-1' }),
      ...(index === 4 && { expires_at: new Date(Date.now() + 86_400_000).toISOString() }),
    })
  for (let index = 0; index < 12; index++)
    await call(
      'PUT',
      `/event-types/${type(index % 6)}.${['made', 'changed'][index % 2]}${index > 5 ? index : ''}`,
      {
        description: index % 2 ? names[index % 6] : null,
        schema: { type: 'object', properties: { id: { type: 'integer' } } },
        ...{ examples: [{ id: 1 }], deprecated: index % 5 === 4, validate: 'off' },
      },
    )
  for (const preset of ['github', 'stripe', 'shopify'])
    await call('POST', '/sources', {
      name: `Our ${preset}`,
      preset,
      secrets: ['whsec_c2VjcmV0c2VjcmV0c2VjcmV0'],
    })
  for (const name of ['Shop, staging', null, names[5]]) {
    const { url: to } = await call('POST', '/test-receivers', { name: name?.slice(0, 100) ?? null })
    for (let index = 0; index < 5; index++)
      await fetch(to, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: `{"n":${index}}`,
      })
  }
  for (const filter of [
    { state: 'failed', subscription_id: 3 },
    { state: 'success', event_type: 'order.*' },
  ])
    await call('POST', '/replays', { filter, rate_per_second: 5 })
}
