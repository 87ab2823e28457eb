import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { after, type TestContext, test } from 'node:test'
import { StartupError } from '../../src/errors.ts'
import { type MigrateOptions, migrate } from '../../src/platform/migrate.ts'
import { Database } from '../../src/platform/postgres.ts'
import { testDatabase } from '../support/database.ts'
import { columnsOf, holdOpen, indexIsValid, migrationFolder, running } from '../support/migrations.ts'
import { eventually } from '../support/service.ts'

const ours = (await readdir(new URL('../../migrations/', import.meta.url))).sort()

/** The first release of a small program, whose next ones the tests write. */
const first = { '0001_things.sql': 'create table things (id int primary key, name text);' }

const world = await testDatabase({ migrated: false })
after(world.close)

/** Of one database that all tests share: much cheaper than a database each. */
async function emptyDatabase(): Promise<Database> {
  await world.database.query({ text: 'drop schema public cascade' })
  await world.database.query({ text: 'create schema public' })
  return world.database
}

/** A database that the first release has migrated, and a way to run later ones on it. */
async function released(t: TestContext) {
  const database = await emptyDatabase()
  await migrate(database, { directory: await migrationFolder(t, first) })
  return {
    database,
    run: async (later: Readonly<Record<string, string>>, options: MigrateOptions = {}, by = database) =>
      migrate(by, { directory: await migrationFolder(t, { ...first, ...later }), ...options }),
  }
}

/** Fails with a StartupError that says this. */
async function refused(migrating: Promise<unknown>, sentence: RegExp): Promise<void> {
  await assert.rejects(migrating, error => {
    assert.ok(error instanceof StartupError, String(error))
    assert.match(error.message, sentence)
    return true
  })
}

test('all files run, in order, and then never again', async () => {
  const database = await emptyDatabase()
  assert.deepEqual(await migrate(database), ours)
  assert.deepEqual(await migrate(database), [])
  const { rows } = await database.query<{ name: string }>({
    text: 'select name from schema_migrations order by ran_at',
  })
  assert.deepEqual(
    rows.map(row => row.name),
    ours,
  )
})

test('an empty database is told of in one line, and each later change in a line of its own', async t => {
  const lines: unknown[] = []
  const logger = {
    info: (fields: object, text: string) => lines.push([text, fields]),
    warn: () => {},
  } as unknown as MigrateOptions['logger'] & object // of a logger, what is used here
  const database = await emptyDatabase()
  const second = { '0002_more.sql': 'create table more (id int);' }
  await migrate(database, { directory: await migrationFolder(t, { ...first, ...second }), logger })
  assert.deepEqual(lines.splice(0), [['making the tables', { migrations: 2 }]])
  const third = { '0003_most.sql': 'create table most (id int);' }
  await migrate(database, { directory: await migrationFolder(t, { ...first, ...second, ...third }), logger })
  assert.deepEqual(lines, [['migrating the database', { migration: '0003_most.sql' }]])
})

test('of processes that start at the same moment one migrates, and the others find it done', async () => {
  const database = await emptyDatabase()
  const ran = await Promise.all([1, 2, 3, 4].map(() => migrate(database)))
  assert.deepEqual(
    ran.toSorted((a, b) => b.length - a.length),
    [ours, [], [], []],
  )
})

test('who has nothing to run does not wait for one that migrates', async t => {
  const { database, run } = await released(t)
  const slow = run({ '0002_slow.sql': 'create table slow (); select pg_sleep(1);' })
  await running(database, '%pg_sleep%')
  assert.deepEqual(await run({}), [])
  await running(database, '%pg_sleep%')
  assert.deepEqual(await slow, ['0002_slow.sql'])
})

test('a process that dies while it migrates leaves nothing half done, and its lock', async t => {
  const { database, run } = await released(t)
  const slow = { '0002_slow.sql': 'alter table things add column late int; select pg_sleep(30);' }
  const dying = refused(run(slow), /0002_slow\.sql failed/)
  const pid = await running(database, '%pg_sleep%')
  await database.query({ text: 'select pg_terminate_backend($1)', values: [pid] })
  await dying
  assert.deepEqual(await columnsOf(database, 'things'), ['id', 'name'])
  assert.deepEqual(await run({ '0002_other.sql': 'alter table things add column other int;' }), [
    '0002_other.sql',
  ])
})

test('a migration that fails leaves the database as the one before it did, and says which it was', async t => {
  const { database, run } = await released(t)
  const later = {
    '0002_good.sql': 'alter table things add column good int;',
    '0003_bad.sql': 'alter table things add column bad int; create table things ();',
  }
  await refused(run(later), /^migrations\/0003_bad\.sql failed: relation "things" already exists$/)
  assert.deepEqual(await columnsOf(database, 'things'), ['id', 'name', 'good'])
  assert.deepEqual(await run({ ...later, '0003_bad.sql': 'alter table things add column repaired int;' }), [
    '0003_bad.sql',
  ])
})

test('a file that ran and was changed since is refused, and nothing else runs', async t => {
  const { database, run } = await released(t)
  const changed = {
    '0001_things.sql': 'create table things (id int);',
    '0002_more.sql': 'create table more ();',
  }
  await refused(run(changed), /migrations\/0001_things\.sql ran on this database with another content/)
  assert.deepEqual(await run({ '0001_things.sql': first['0001_things.sql'].replaceAll('\n', '\r\n') }), [])
  const { rows } = await database.query({ text: "select to_regclass('more') as more" })
  assert.deepEqual(rows, [{ more: null }])
})

test('an older program accepts what a newer one has added', async t => {
  const { run } = await released(t)
  await run({ '0002_more.sql': 'alter table things add column more int;' })
  assert.deepEqual(await run({}), [])
})

test('an older program is refused where a newer one has made a breaking change, with what to do', async t => {
  const { run } = await released(t)
  const newer = {
    '0002_more.sql': 'alter table things add column more int;',
    '0003_less.sql': '-- Nobody reads the name any more.\n-- breaking\nalter table things drop column name;',
  }
  await run(newer)
  await refused(run({}), /newer version.*\(0003_less\.sql is marked as breaking\).*Run the newer version/)
  assert.deepEqual(await run(newer), [])
})

test('a breaking change waits for the end of the older processes, and gives up with their names', async t => {
  const { database, run } = await released(t)
  const processes = {
    '0002_processes.sql':
      'create table processes (id int, pid int, host text, version text, heartbeat_at timestamptz);',
  }
  const breaking = { ...processes, '0003_less.sql': '-- breaking\nalter table things drop column name;' }
  await run(processes)
  await database.query({
    text: `insert into processes values
             (1, 41, 'a/boot', '0.9', now()), (2, 42, 'b/boot', '0.8', now() - interval '1 min')`,
  })
  await refused(
    run(breaking, { limits: { triesMax: 3, pauseMs: 10 } }),
    /0003_less\.sql could not run: older processes.*Stop these: process 41 on a \(version 0\.9\)\.$/,
  )
  assert.deepEqual(await columnsOf(database, 'things'), ['id', 'name'])
  const waiting = run(breaking, { limits: { triesMax: 100, pauseMs: 10 } })
  await database.query({ text: 'delete from processes where id = 1' })
  assert.deepEqual(await waiting, ['0003_less.sql'])
})

test('a database of another line of development is refused', async t => {
  const { run } = await released(t)
  await run({ '0002_mine.sql': 'create table mine ();' })
  await refused(run({ '0002_yours.sql': '' }), /0002_mine\.sql.*development version/)
})

test('a file that comes too late is refused', async t => {
  const { run } = await released(t)
  await run({ '0003_c.sql': 'create table c ();' })
  await refused(
    run({ '0002_b.sql': 'create table b ();', '0003_c.sql': 'create table c ();' }),
    /0002_b\.sql did not run .*0003_c\.sql/,
  )
})

test('a statement may take longer than those of the service may, but not without end', async t => {
  const { run } = await released(t)
  const { connection } = world
  const hasty = new Database({ connection, poolSize: 1, queryTimeoutMs: 300, connectTimeoutMs: 5000 })
  t.after(() => hasty.close())
  const slow = { '0002_slow.sql': 'select pg_sleep(0.8);' }
  assert.deepEqual(await run(slow, {}, hasty), ['0002_slow.sql'])
  await refused(
    run({ ...slow, '0003_slower.sql': 'select pg_sleep(20);' }, { limits: { statementTimeoutMs: 500 } }),
    /0003_slower\.sql failed: .*statement timeout/,
  )
})

test('while a long transaction uses the table, a migration steps back again and again and lets the traffic through', async t => {
  const { database, run } = await released(t)
  const holder = await holdOpen(t, database, 'select from things')
  let isDone = false
  const warnings: string[] = []
  const logger = { info: () => {}, warn: (_fields: object, text: string) => warnings.push(text) }
  const migrating = run(
    { '0002_more.sql': 'alter table things add column more int;' },
    { logger: logger as MigrateOptions['logger'] & object, limits: { lockTimeoutMs: 50, pauseMs: 20 } },
  ).then(ran => {
    isDone = true
    return ran
  })
  await eventually(
    async () => warnings.length,
    tries => tries >= 3,
  )
  // Without lock_timeout these would wait for as long as the transaction lasts.
  for (let n = 0; n < 20; n++) {
    await database.query({ text: 'insert into things (id) values ($1)', values: [n] })
  }
  assert.equal(isDone, false)
  assert.match(warnings[0] ?? '', /cannot migrate yet: an open transaction/)
  await holder.query({ text: 'commit' })
  assert.deepEqual(await migrating, ['0002_more.sql'])
  assert.deepEqual(await columnsOf(database, 'things'), ['id', 'name', 'more'])
})

test('it does not step back without end', async t => {
  const { database, run } = await released(t)
  await holdOpen(t, database, 'select from things')
  await refused(
    run(
      { '0002_more.sql': 'alter table things add column more int;' },
      { limits: { lockTimeoutMs: 20, pauseMs: 10, triesMax: 3 } },
    ),
    /0002_more\.sql could not run: an open transaction uses a table.*pg_stat_activity/,
  )
  assert.deepEqual(await columnsOf(database, 'things'), ['id', 'name'])
})

const index = '-- concurrently\ncreate index concurrently if not exists things_name on things (name);'

test('an index that is made concurrently keeps no writer waiting', async t => {
  const { database, run } = await released(t)
  const holder = await holdOpen(t, database, "insert into things values (1, 'a')")
  const making = run({ '0002_index.sql': index })
  await running(database, 'create index concurrently%', 'Lock') // for the transaction that is open
  await database.query({ text: "insert into things values (2, 'b')" })
  await holder.query({ text: 'commit' })
  assert.deepEqual(await making, ['0002_index.sql'])
  assert.equal(await indexIsValid(database, 'things_name'), true)
})

test('an index whose making was cut off is made again', async t => {
  const { database, run } = await released(t)
  const holder = await holdOpen(t, database, "insert into things values (1, 'a')")
  const dying = refused(run({ '0002_index.sql': index }), /0002_index\.sql failed/)
  const pid = await running(database, 'create index concurrently%', 'Lock')
  await database.query({ text: 'select pg_terminate_backend($1)', values: [pid] })
  await dying
  await holder.query({ text: 'commit' })
  assert.equal(await indexIsValid(database, 'things_name'), false, 'this is what a cut leaves')
  assert.deepEqual(await run({ '0002_index.sql': index }), ['0002_index.sql'])
  assert.equal(await indexIsValid(database, 'things_name'), true)
})

test('a concurrent file that was cut off between two statements is run again from its beginning', async t => {
  const { database, run } = await released(t)
  await database.query({ text: "insert into things values (1, 'a'), (2, 'a')" })
  const two = `${index}\ncreate unique index concurrently if not exists things_unique on things (name); -- not yet`
  await refused(run({ '0002_two.sql': two }), /0002_two\.sql failed: could not create unique index/)
  assert.equal(await indexIsValid(database, 'things_name'), true)
  await database.query({ text: 'delete from things where id = 2' })
  assert.deepEqual(await run({ '0002_two.sql': two }), ['0002_two.sql'])
  assert.equal(await indexIsValid(database, 'things_unique'), true)
})

test('of processes that start together one makes an index concurrently, and does not wait for those who wait for it', async t => {
  const { database, run } = await released(t)
  const holder = await holdOpen(t, database, "insert into things values (1, 'a')")
  const both = [run({ '0002_index.sql': index }), run({ '0002_index.sql': index })]
  await running(database, 'create index concurrently%', 'Lock')
  await holder.query({ text: 'commit' })
  assert.deepEqual((await Promise.all(both)).map(ran => ran.length).sort(), [0, 1])
})

test('a partition has the indexes that its table got `on only`, and older partitions go without', async t => {
  const { database, run } = await released(t)
  await run({
    '0002_log.sql': `
      create table log (id int primary key, name text) partition by range (id);
      create table log_1 (like log including all);
      alter table log attach partition log_1 for values from (1) to (2);`,
    '0003_index.sql': 'create index log_name on only log (name);',
  })
  await database.query({ text: 'create table log_2 (like log including all)' })
  await database.query({ text: 'alter table log attach partition log_2 for values from (2) to (3)' })
  assert.equal(await indexIsValid(database, 'log_1_name_idx'), undefined)
  assert.equal(await indexIsValid(database, 'log_2_name_idx'), true)
})
