import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { QueryClient } from '@tanstack/react-query'
import { eventually } from '../../../support/eventually.ts'

type KeepFresh = (client: QueryClient, tenant: string | undefined) => () => void

/** What the modules of the dashboard find in a browser, as far as these need it. */
async function pageAt(origin: string) {
  const nothing = () => {}
  const browser = {
    document: {
      ...{ baseURI: `${origin}/ui/`, visibilityState: 'visible' },
      ...{ addEventListener: nothing, removeEventListener: nothing },
    },
    location: { hash: '', search: '' },
  }
  Object.assign(globalThis, browser)
  // By its address: what is checked with it knows no browser.
  const { href } = new URL('../../../../ui/src/api/fresh.ts', import.meta.url)
  const { keepFresh } = (await import(href)) as { keepFresh: KeepFresh }
  const leave = () => {
    for (const name of Object.keys(browser)) Reflect.deleteProperty(globalThis, name)
  }
  return { keepFresh, leave }
}

test('what no page shows is old once the stream tells that it changed, and what does not change with it is not', async t => {
  let stream: ServerResponse | undefined
  const server = createServer((_, response) => {
    stream = response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const { keepFresh, leave } = await pageAt(`http://127.0.0.1:${port}`)
  const client = new QueryClient()
  for (const id of ['getEvent', 'listOrderingKeys', 'listTenants'])
    client.setQueryData([id, 'shown before'], {})
  const old = () =>
    client
      .getQueryCache()
      .getAll()
      .filter(({ state }) => state.isInvalidated)
      .map(({ queryKey: [id] }) => id)
  const end = keepFresh(client, undefined)
  t.after(() => {
    end()
    leave()
    server.close()
    server.closeAllConnections()
  })
  await eventually(() => stream !== undefined)
  assert.deepEqual(old(), [])
  stream?.write('id: 1\nevent: accepted\ndata: {}\n\n')
  await eventually(() => old().length > 0)
  assert.deepEqual(old(), ['listOrderingKeys'], 'one more may wait behind a key')
  stream?.write('id: 2\nevent: attempt\ndata: {}\n\n')
  await eventually(() => old().length > 1)
  assert.deepEqual(old(), ['getEvent', 'listOrderingKeys'])
})
