import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { StartupError } from '../../src/errors.ts'
import { readDatabaseUrl } from '../../src/platform/database-url.ts'

const connectionOf = (text: string) => readDatabaseUrl(text).connection

async function aFile(t: TestContext, content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'database-url-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'file.pem'), content)
  return join(folder, 'file.pem')
}

test('host, port, user, password and database are decoded', () => {
  assert.deepEqual(readDatabaseUrl('postgresql://a%40b:p%2Fw+%25@db:6543/my%20db'), {
    connection: { host: 'db', port: 6543, user: 'a@b', password: 'p/w+%', database: 'my db' },
    description: 'db:6543/my db',
    unknown: [],
  })
  assert.deepEqual(connectionOf('postgres://[::1]/x'), { host: '::1', database: 'x' })
})

test('the host may be the folder of a Unix socket, as Cloud SQL gives it, and has no TLS then', () => {
  const cloud = 'postgresql://user:pw@/db?host=/cloudsql/project:region:instance&sslmode=require'
  assert.deepEqual(readDatabaseUrl(cloud), {
    connection: {
      host: '/cloudsql/project:region:instance',
      user: 'user',
      password: 'pw',
      database: 'db',
      ssl: false,
    },
    description: '/cloudsql/project:region:instance/db',
    unknown: [],
  })
  const socket = { host: '/var/run/postgresql', database: 'db', ssl: false }
  assert.deepEqual(connectionOf('postgresql://%2Fvar%2Frun%2Fpostgresql/db'), socket)
  assert.deepEqual(connectionOf('postgresql:///db?host=/var/run/postgresql'), socket)
  assert.deepEqual(connectionOf('postgresql:///?host=/s&user=u&password=a+b&dbname=d&port=5433'), {
    ...{ host: '/s', port: 5433, user: 'u', password: 'a+b', database: 'd', ssl: false },
  })
})

test('sslmode means what it means to PostgreSQL', async t => {
  const ca = await aFile(t, 'the authority')
  const sslOf = (query: string) => Object(connectionOf(`postgresql://db/x?${query}`).ssl)
  assert.equal('ssl' in connectionOf('postgresql://db/x'), false, 'not said: PGSSLMODE, or none')
  assert.equal(connectionOf('postgresql://db/x?sslmode=disable').ssl, false)
  for (const query of ['sslmode=require', 'sslmode=prefer', 'sslmode=no-verify', 'ssl=true'])
    assert.deepEqual(sslOf(query), { rejectUnauthorized: false }, query)
  for (const query of [`sslmode=require&sslrootcert=${ca}`, `sslmode=verify-ca&sslrootcert=${ca}`]) {
    const { checkServerIdentity, ...ssl } = sslOf(query)
    assert.deepEqual(ssl, { ca: 'the authority' }, query)
    assert.equal(checkServerIdentity(), undefined, 'any name')
  }
  assert.deepEqual(sslOf('sslmode=verify-full'), {})
  assert.deepEqual(sslOf('sslmode=verify-full&sslrootcert=system'), {})
  assert.deepEqual(sslOf(`sslmode=verify-full&sslrootcert=${ca}&sslcert=${ca}&sslkey=${ca}&sslpassword=x`), {
    ca: 'the authority',
    cert: 'the authority',
    key: 'the authority',
    passphrase: 'x',
  })
})

test('what cannot be used is refused in one sentence, without a password', () => {
  for (const [text, sentence] of [
    ['postgresql://u:hunter/2@db/x', /percent-encoded/],
    ['postgresql://u:hunter2@db/x?sslmode=verify-ca', /needs sslrootcert/],
    ['postgresql://u:hunter2@db/x?sslmode=on', /sslmode in DATABASE_URL must be one of/],
    [
      'postgresql://u:hunter2@db/x?sslmode=verify-full&sslrootcert=/none.pem',
      /\/none\.pem cannot \(ENOENT\)/,
    ],
  ] as const) {
    assert.throws(
      () => readDatabaseUrl(text),
      error => error instanceof StartupError && sentence.test(error.message) && !/hunter/.test(error.message),
      text,
    )
  }
})

test('parameters that nothing here knows are named', () => {
  const text = 'postgresql://db/x?pgbouncer=true&connect_timeout=10&channel_binding=require&schema=web'
  assert.deepEqual(readDatabaseUrl(text).unknown, ['pgbouncer', 'schema'])
})
