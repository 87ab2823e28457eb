import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import pg from 'pg'
import type { Certificate } from './certificate.ts'
import { type TestConnection, urlOf } from './database.ts'
import { eventually } from './eventually.ts'

/** A real PgBouncer of a test's own, before the server of the test database. */
export interface TestPgBouncer extends AsyncDisposable {
  readonly port: number
  /** The test database through it. */
  readonly url: string
}

export interface PgBouncerOptions {
  /** Lines of its section `[pgbouncer]`; everything else has its defaults. */
  readonly settings?: Readonly<Record<string, string | number>>
  /** It speaks TLS only, and shows this. */
  readonly certificate?: Certificate
}

/** Debian has it where only root looks. */
const program = ['pgbouncer', '/usr/sbin/pgbouncer'].find(path => spawnSync(path, ['--version']).status === 0)

/** Without pgbouncer a test is skipped; in CI it fails, or nobody would notice. @returns undefined when skipped */
export async function testPgBouncer(
  t: TestContext,
  database: TestConnection,
  { settings = {}, certificate }: PgBouncerOptions = {},
): Promise<TestPgBouncer | undefined> {
  if (program === undefined) {
    if (process.env.CI) throw new Error('pgbouncer is not on PATH; .ci/run installs it')
    t.skip('pgbouncer is not on PATH')
    return undefined
  }
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-pgbouncer-'))
  await chmod(folder, 0o755) // it reads it under another account
  const port = await freePort()
  const { host, port: serverPort, user, password } = database
  const file = async (name: string, content: string) => {
    await writeFile(join(folder, name), content)
    return join(folder, name)
  }
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'any',
    ...(certificate && {
      client_tls_sslmode: 'require',
      client_tls_key_file: await file('key.pem', certificate.key),
      client_tls_cert_file: await file('cert.pem', certificate.cert),
    }),
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
  const to = `* = host=${host} port=${serverPort} user=${user} password='${password}'`
  const config = await file('pgbouncer.ini', `[databases]\n${to}\n[pgbouncer]\n${lines.join('\n')}\n`)
  const child = spawn(program, [config], { stdio: 'ignore', ...(await accountFor(database)) })
  const connection = { ...database, host: '127.0.0.1', port }
  await eventually(() => answers(connection, certificate !== undefined), Boolean)
  return {
    port,
    url: urlOf(connection),
    async [Symbol.asyncDispose]() {
      await ended(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** It refuses to run as root, and must be allowed to open the socket of the server. */
async function accountFor({ host, port }: TestConnection): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  if (!host.startsWith('/')) return { uid: 65_534, gid: 65_534 }
  const { uid, gid } = await stat(join(host, `.s.PGSQL.${port}`))
  return { uid, gid }
}

async function answers(connection: TestConnection, tls: boolean): Promise<boolean> {
  const client = new pg.Client({ ...connection, ssl: tls && { rejectUnauthorized: false } })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    client.end().catch(() => {})
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no port was given')
  return address.port
}
