import assert from 'node:assert/strict'
import { test } from 'node:test'
import { access } from '../../src/server/access.ts'
import { operationsOfDocument } from '../support/document.ts'
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

test('every entry of the table is a route of the document, or a page', () => {
  const documented = new Set(
    operationsOfDocument().map(({ method, path }) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  )
  const pages = ['GET /', 'GET /errors/:code', 'GET /openapi.json', 'GET /docs*', 'GET /redoc*']
  const unknown = Object.keys(access).filter(key => !documented.has(key) && !pages.includes(key))
  assert.deepEqual(unknown, [])
})
