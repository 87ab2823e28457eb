import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { accessSentences } from '../../src/http/access.ts'
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
  // Described with POST, which is what receivers get and what providers send.
  const ofReceivers = ['GET', 'PUT', 'PATCH', 'DELETE'].map(method => `${method} /t/:token`)
  const ofProviders = ['GET', 'OPTIONS'].map(method => `${method} /in/:token`)
  const pages = ['GET /', 'GET /errors/:code', 'GET /openapi.json', 'GET /docs*', 'GET /redoc*', 'GET /ui*']
  const ofDashboard = ['POST /ui/session', 'DELETE /ui/session']
  const unknown = Object.keys(access).filter(
    key => !documented.has(key) && ![...pages, ...ofDashboard, ...ofReceivers, ...ofProviders].includes(key),
  )
  assert.deepEqual(unknown, [])
})

test('the document says of every route who may call it, as the table has it', async () => {
  const document = JSON.parse(await readFile(new URL('../../openapi.json', import.meta.url), 'utf8')) as {
    paths: Record<string, Record<string, Documented>>
  }
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      entry: `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      operation,
    })),
  )
  assert.ok(operations.length > 20)
  for (const { entry, operation } of operations) {
    const kind = access[entry]
    assert.equal(operation['x-access'], kind, entry)
    assert.ok(kind !== undefined && operation.description?.endsWith(accessSentences[kind]), entry)
    if (kind === 'open') assert.deepEqual(operation.security, [], entry)
    else for (const status of ['401', '403']) assert.ok(operation.responses[status], `${entry} ${status}`)
  }
})

interface Documented {
  readonly 'x-access'?: string
  readonly description?: string
  readonly security?: readonly object[]
  readonly responses: Readonly<Record<string, unknown>>
}
