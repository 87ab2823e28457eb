import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { StartCancelled } from '../../../src/errors.ts'
import { EmbeddedPostgresError } from '../../../src/platform/embedded-postgres/embedded-postgres.ts'
import { isAlive } from '../../../src/platform/embedded-postgres/process.ts'
import {
  copyMadeData,
  installedPackage,
  moduleUrl,
  otherProcess,
  query,
  uidOf,
  world,
  worldThatWasStarted,
} from '../../support/embedded-postgres.ts'
import { eventually } from '../../support/eventually.ts'

const isRoot = process.getuid?.() === 0
const nobody = 65_534

test('the first start makes a durable, checked database that only its password opens, and stop ends it', async t => {
  const { dataDir, folder, start } = await world(t)
  // What the service and others may have put there first.
  await mkdir(dataDir)
  await writeFile(join(dataDir, 'encryption.key'), 'a key\n')
  await writeFile(join(dataDir, '.gitkeep'), '')
  const server = await start()
  assert.equal(server.adopted, false)
  assert.equal(server.dataDir, join(dataDir, 'postgres'))
  const settings = await query(
    server.connection,
    `select current_setting('server_version_num')::int / 10000 as version, current_database() as name,
       current_setting('fsync') as fsync, current_setting('data_checksums') as checksums,
       current_setting('server_encoding') as encoding, current_setting('listen_addresses') as addresses,
       current_setting('max_connections') as connections, current_setting('max_wal_size') as wal,
       (select datlocale from pg_database where datname = current_database()) as locale`,
  )
  assert.deepEqual(settings, {
    ...{ version: 18, name: 'webhooks', fsync: 'on', checksums: 'on', encoding: 'UTF8', connections: '220' },
    ...{ addresses: process.platform === 'win32' ? '127.0.0.1' : '', wal: '4GB', locale: 'C.UTF-8' },
  })
  await assert.rejects(
    query({ ...server.connection, password: 'wrong' }, 'select 1'),
    /authentication failed/,
  )
  assert.equal((await stat(join(dataDir, 'postgres.password'))).mode & 0o777, 0o600)
  assert.equal((await stat(server.dataDir)).mode & 0o777, 0o700)
  await query(server.connection, 'create table kept as select 1 as n')

  await server.stop()
  assert.equal(isAlive(server.pid), false)
  const left = await readdir(dataDir)
  assert.deepEqual(left.sort(), [
    '.gitkeep',
    'encryption.key',
    'postgres',
    'postgres.log',
    'postgres.password',
  ])
  assert.deepEqual(await readdir(folder), ['data'])

  const again = await start()
  assert.deepEqual(again.connection, server.connection)
  assert.deepEqual(await query(again.connection, 'select n from kept'), { n: 1 })
  await again.stop()
})

test('a server that a killed process left running is adopted', async t => {
  const here = await worldThatWasStarted(t)
  const other = await otherProcess(t, here)
  await other.kill()
  assert.ok(isAlive(other.started.pid))
  const server = await here.start()
  assert.equal(server.adopted, true)
  assert.equal(server.pid, other.started.pid)
  await query(server.connection, 'select 1')
  await server.stop()
  assert.equal(isAlive(server.pid), false)
})

test('starts at the same moment make one server, and the last to leave stops it', async t => {
  const here = await world(t)
  const [mine, twin, other] = await Promise.all([here.start(), here.start(), otherProcess(t, here)])
  assert.equal(mine.pid, twin.pid)
  assert.equal(mine.pid, other.started.pid)
  assert.equal([mine, twin, other.started].filter(({ adopted }) => !adopted).length, 1)
  await mine.stop()
  await query(twin.connection, 'select 1')
  await twin.stop()
  await query(other.started.connection, 'select 1')
  const back = await here.start()
  await Promise.all([back.stop(), other.end()])
  assert.equal(isAlive(mine.pid), false, 'nor does it stay when the last two leave at the same moment')
})

test('a killed server is started again at the same address, and so again by an adopter', async t => {
  const here = await worldThatWasStarted(t)
  let exits = 0
  const server = await here.start({ onUnexpectedExit: () => exits++ })
  const first = server.pid
  await query(server.connection, 'create table kept as select 1 as n')
  // A child of the killed server that is busy holds its memory for a while.
  const busy = query(server.connection, 'select from generate_series(1, 3000000)').catch(() => {})
  const other = await otherProcess(t, here)
  process.kill(first, 'SIGKILL')
  await eventually(() => exits === 1)
  await busy
  here.pids.add(server.pid)
  assert.notEqual(server.pid, first)
  assert.deepEqual(await query(server.connection, 'select n from kept'), { n: 1 })
  await server.stop()
  assert.ok(isAlive(server.pid), 'the other process brought it back or adopted it, so it stays')
  await other.end()
  assert.equal(isAlive(server.pid), false)
})

test('stop ends the attempts to bring a server back', async t => {
  const here = await worldThatWasStarted(t)
  const said: string[] = []
  const server = await here.start({ log: message => said.push(message) })
  await rm(join(server.dataDir, 'global'), { recursive: true })
  process.kill(server.pid, 'SIGKILL')
  await eventually(() => said.some(message => message.includes('could not be brought back')))
  await server.stop()
  assert.equal(isAlive(server.pid), false)
})

test('leftovers of dead processes do not keep it from starting; data of another version do', async t => {
  const here = await worldThatWasStarted(t)
  const server = await here.start()
  await server.stop()
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  await writeFile(join(here.dataDir, 'postgres.lock'), `${dead} 1 0\n`)
  // In a container the id of the dead server soon belongs to something else: here, to the parent of this test. PostgreSQL
  // overlooks its own parent, which is this test.
  const { uid, gid } = await stat(server.dataDir)
  for (const name of ['postmaster.pid', '.s.PGSQL.5432.lock']) {
    const path = join(server.dataDir, name)
    await writeFile(path, `${process.ppid}\n${server.dataDir}\n1\n5432\n${server.dataDir}\n\n`)
    await chown(path, uid, gid)
  }
  const again = await here.start()
  assert.equal(again.adopted, false)
  await again.stop()
  await writeFile(join(here.dataDir, 'postgres', 'PG_VERSION'), '17\n')
  await assert.rejects(here.start(), (error: unknown) => {
    assert.ok(error instanceof EmbeddedPostgresError)
    assert.match(error.message, /made by PostgreSQL 17, and this release brings PostgreSQL 18/)
    assert.match(error.message, /DATABASE_URL/)
    return true
  })
})

test('a copy of a folder that is in use starts beside it, and so it does when that was started again', async t => {
  if (process.platform === 'win32') return t.skip('Windows does not copy files that are in use')
  const here = await worldThatWasStarted(t)
  const server = await here.start()
  await query(server.connection, 'create table kept as select 1 as n')
  const copies = [join(here.folder, 'first'), join(here.folder, 'second')]
  for (const copy of copies) execFileSync('cp', ['-a', here.dataDir, copy])
  const startCopy = async (dataDir = '') => {
    const said: string[] = []
    const copy = await here.start({ dataDir, log: message => said.push(message) })
    assert.notEqual(copy.pid, server.pid)
    assert.ok(said.some(message => message.includes('are a copy that was made while their PostgreSQL ran')))
    assert.deepEqual(await query(copy.connection, 'select n from kept'), { n: 1 })
    await query(copy.connection, 'drop table kept')
    await copy.stop()
  }
  await startCopy(copies[0])
  await server.stop()
  const again = await here.start()
  await startCopy(copies[1])
  assert.deepEqual(await query(again.connection, 'select n from kept'), { n: 1 })
  await again.stop()
})

test('a folder that was moved while it is in use is said to be that, and starts when it is not any more', async t => {
  if (process.platform !== 'linux') return t.skip('only there a process tells where it works')
  const here = await worldThatWasStarted(t)
  const other = await otherProcess(t, here)
  await other.kill()
  const dataDir = join(here.folder, 'moved')
  await rename(here.dataDir, dataDir)
  await assert.rejects(here.start({ dataDir }), new RegExp(`moved there from .*kill ${other.started.pid}`))
  process.kill(other.started.pid, 'SIGINT')
  await eventually(() => !isAlive(other.started.pid))
  await (await here.start({ dataDir })).stop()
})

test('a first start that is cancelled leaves nothing that keeps the next one from starting', async t => {
  const here = await world(t)
  const names = async () => (await readdir(here.dataDir).catch(() => [])).join(' ')
  // While the data are being made, and while the server starts.
  for (const moment of [/postgres\.new-/, /(^| )postgres( |$)/]) {
    const cancel = new AbortController()
    const starting = here.start({ signal: cancel.signal })
    const outcome = assert.rejects(starting, StartCancelled)
    await eventually(async () => moment.test(await names()))
    cancel.abort()
    await outcome
    assert.doesNotMatch(await names(), /new-|lock/)
    const pid = (await readFile(join(here.dataDir, 'postgres/postmaster.pid'), 'utf8').catch(() => '')).split(
      '\n',
    )[0]
    assert.equal(pid, '', 'no server runs')
  }
  const server = await here.start()
  await query(server.connection, 'select 1')
  await server.stop()
})

test('a folder that holds something else is refused and left as it is', async t => {
  const here = await world(t)
  const refused = async (names: readonly string[], message: RegExp) => {
    const dataDir = await mkdtemp(join(here.folder, 'foreign-'))
    for (const name of names) {
      await mkdir(dirname(join(dataDir, name)), { recursive: true })
      await writeFile(join(dataDir, name), 'here\n')
    }
    const before = await readdir(dataDir, { recursive: true })
    await assert.rejects(here.start({ dataDir }), message)
    assert.deepEqual(await readdir(dataDir, { recursive: true }), before)
  }
  await refused(['holiday.jpg'], /not empty and not ours.*holiday\.jpg/)
  await refused(['PG_VERSION', 'base'], /data of another PostgreSQL/)
  await refused(['postgres/notes.txt'], /holds no PostgreSQL data/)
  await refused(
    ['WHERE-IS-MY-DATA.txt'],
    /says that the data of this folder are in a folder that it does not name/,
  )
})

test('a path too long for a socket gets a private one elsewhere', async t => {
  const here = await world(t)
  const dataDir = join(here.folder, 'a, "long" path '.repeat(8))
  await copyMadeData(dataDir)
  const server = await here.start({ dataDir })
  t.after(() => rm(server.connection.host, { recursive: true, force: true }))
  assert.ok(server.connection.host.length < 80)
  assert.equal((await stat(server.connection.host)).mode & 0o777, 0o700)
  await query(server.connection, 'select 1')
  await server.stop()
})

test('as root, data below a folder that root alone can enter lie beside it, and stay there', async t => {
  if (!isRoot) return t.skip('only root has such folders')
  const here = await world(t)
  const closed = join(here.folder, 'closed')
  await mkdir(closed, { mode: 0o700 })
  const source = join(closed, 'package')
  await cp(installedPackage(), source, { recursive: true, verbatimSymlinks: true })
  const options = { dataDir: join(closed, 'data'), binariesDir: source }
  const server = await here.start(options)
  assert.ok(server.dataDir.startsWith(`${here.stateDir}/`))
  assert.ok((await readdir(here.stateDir)).some(name => name.startsWith('binaries-18.')))
  assert.match(await readFile(join(options.dataDir, 'WHERE-IS-MY-DATA.txt'), 'utf8'), /state/)
  assert.equal(await uidOf(server.pid), (await stat(server.dataDir)).uid)
  assert.notEqual(await uidOf(server.pid), 0)
  await server.stop()
  await chmod(closed, 0o755)
  const again = await here.start(options)
  assert.equal(again.dataDir, server.dataDir)
  await again.stop()
})

test('as root, data that lie elsewhere follow a folder that is moved, and are not shared by its copy', async t => {
  if (!isRoot) return t.skip('only root has such folders')
  const here = await world(t)
  const closed = join(here.folder, 'closed')
  await mkdir(closed, { mode: 0o700 })
  const first = { dataDir: join(closed, 'data') }
  const server = await here.start(first)
  await query(server.connection, 'create table kept as select 1 as n')
  await server.stop()

  const moved = { dataDir: join(closed, 'moved') }
  await rename(first.dataDir, moved.dataDir)
  const again = await here.start(moved)
  assert.equal(again.dataDir, server.dataDir)
  assert.deepEqual(await query(again.connection, 'select n from kept'), { n: 1 })
  await again.stop()

  // Where it was before, and wherever its text is deleted, is room for another one.
  const fresh = await here.start(first)
  assert.notEqual(fresh.dataDir, server.dataDir)
  await fresh.stop()

  const copy = { dataDir: join(closed, 'copy') }
  await cp(moved.dataDir, copy.dataDir, { recursive: true })
  await assert.rejects(here.start(copy), /is a copy of .*moved, and both name the same data.*webhooks backup/)
  await rm(join(copy.dataDir, 'WHERE-IS-MY-DATA.txt'))
  const own = await here.start(copy)
  assert.deepEqual(await query(own.connection, "select to_regclass('kept') as kept"), { kept: null })
  await own.stop()

  await rm(dirname(server.dataDir), { recursive: true })
  await assert.rejects(here.start(moved), /are in .*, and there are none.*delete that text file/)
})

test('an ordinary user needs nothing but a folder', async t => {
  if (!isRoot) return t.skip('every other test here ran as an ordinary user')
  const canRun = spawnSync(process.execPath, ['-e', `await import(${JSON.stringify(moduleUrl)})`], {
    uid: nobody,
    gid: nobody,
    cwd: '/',
  })
  if (canRun.status !== 0) return t.skip('this checkout cannot be read by an ordinary user')
  const here = await world(t)
  await chown(here.folder, nobody, nobody)
  const other = await otherProcess(t, here, nobody)
  assert.equal(await uidOf(other.started.pid), nobody)
  assert.equal((await stat(here.dataDir)).uid, nobody)
  // Root that comes later runs what is there as its owner.
  const server = await here.start()
  assert.equal(server.pid, other.started.pid)
  await other.end()
  await server.stop()
  await (await here.start()).stop()
  const back = await otherProcess(t, here, nobody)
  await back.end()
})

test('links and rights that npm left out are made', async t => {
  if (process.platform === 'win32') return t.skip('the package for Windows has no links')
  const here = await world(t)
  const binariesDir = join(here.folder, 'package')
  await cp(installedPackage(), binariesDir, { recursive: true, verbatimSymlinks: true })
  const lib = join(binariesDir, 'native', 'lib')
  for (const name of ['libpq.so', 'libpq.so.5', 'libicui18n.so.60'])
    await rm(join(lib, name), { force: true })
  await chmod(join(binariesDir, 'native', 'bin', 'initdb'), 0o644)
  const server = await here.start({ binariesDir })
  assert.ok(existsSync(join(lib, 'libpq.so.5')))
  assert.equal(existsSync(join(here.dataDir, '..', 'state')), false)
  await server.stop()
})
