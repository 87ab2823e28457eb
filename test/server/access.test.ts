import assert from 'node:assert/strict'
import { test } from 'node:test'
import { access } from '../../src/server/access.ts'
import { testServer } from '../support/server.ts'

test('a server with a route that has no entry in the table does not start', async () => {
  await assert.rejects(
    testServer({
      registerIngest: scope => {
        scope.get('/forgotten', async () => 'nobody was asked')
      },
    }),
    /GET \/forgotten has no entry/,
  )
})

test('every entry of the table is a route of the document, or a page', async () => {
  await using server = await testServer()
  const document = JSON.parse((await server.request('/openapi.json')).text) as {
    paths: Record<string, Record<string, unknown>>
  }
  const documented = new Set(
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    ),
  )
  const entries = Object.entries(access)
  const pages = ['GET /', 'GET /errors/:code', 'GET /openapi.json', 'GET /docs*', 'GET /redoc*']
  // The ingest of test servers is a stand-in without documentation.
  const unknown = entries.map(([key]) => key).filter(key => !documented.has(key) && !pages.includes(key))
  assert.deepEqual(unknown, ['POST /ingest/:id'])
})
