import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Command, exitCode } from '../../src/cli/command.ts'
import { runDeliveries } from '../../src/cli/deliveries.ts'
import { runReplay } from '../../src/cli/replay.ts'
import type { Environment } from '../../src/config/config.ts'
import { parseUuid, type Uuid } from '../../src/platform/id.ts'
import { ended, owedRuns } from '../support/replay.ts'
import { client, testService } from '../support/service.ts'

async function run(command: Command, environment: Environment, ...args: string[]) {
  const out: string[] = []
  const err: string[] = []
  const io = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    environment,
  }
  return { code: await command(args, io), out: out.join('\n'), err: err.join('\n') }
}

test('what is wrong with the arguments is said in a sentence, with the usage', async () => {
  for (const [command, args, sentence] of [
    [runReplay, [], /Give the id of an event, or one of --failed/],
    [runReplay, ['--failed', '--any'], /one of --failed/],
    [runReplay, ['again'], /"again" is no id of an event/],
    [runReplay, ['show', '7'], /Give the id of one replay/],
    [runReplay, ['--failed', '--since', 'yesterday'], /"yesterday" is no time/],
    [runReplay, ['--failed', '--since', '1h', '--until', '2h'], /before --until/],
    [runReplay, ['--failed', '--rate', '0'], /Give --rate/],
    [runReplay, ['--failed', '--subscription', 'x'], /Give --subscription/],
    [runReplay, ['--faild'], /--faild/],
    [runDeliveries, [], /Say what to do/],
    [runDeliveries, ['drop'], /It cannot drop/],
    [runDeliveries, ['list', '--state', 'lost'], /Give --state/],
    [runDeliveries, ['discard', '--state', 'success'], /cannot be discarded/],
    [runDeliveries, ['list', '--error-class', 'bad'], /Give --error-class/],
    [runDeliveries, ['list', '--limit', '0'], /Give --limit/],
    [runDeliveries, ['list', '--tenant', 'A'], /Give --tenant/],
  ] as const) {
    const { code, err, out } = await run(command, {}, ...args)
    assert.equal(code, exitCode.usage, args.join(' '))
    assert.match(err, sentence)
    assert.match(err, /Usage: webhooks (replay|deliveries)/)
    assert.equal(out, '')
  }
  for (const command of [runReplay, runDeliveries])
    assert.equal((await run(command, {}, '--help')).code, exitCode.ok)
})

test('what failed is counted, listed, sent again and discarded from the command line', async () => {
  await using world = await testService()
  const { database } = world.world
  const { id } = await client(world.url).subscribe({ target_url: 'http://127.0.0.1:9/', paused: true })
  const dead: Uuid[] = []
  for (let n = 0; n < 3; n++) dead.push(await ended(database, { [id]: 'given_up' }))
  const replay = (...args: string[]) => run(runReplay, world.environment, ...args)
  const deliveries = (...args: string[]) => run(runDeliveries, world.environment, ...args)

  assert.match((await replay('--failed', '--since', '1h', '--dry-run')).out, /^3 deliveries match/)
  const unsure = await replay('--failed')
  assert.deepEqual([unsure.code, unsure.out], [exitCode.usage, '3 deliveries match.'])
  assert.match(unsure.err, /--yes/)
  assert.equal((await replay('list')).out, 'There are no replays.')

  const listed = await deliveries('list', '--state', 'failed', '--subscription', `${id}`, '--json')
  assert.deepEqual(
    (JSON.parse(listed.out) as { webhook_id: string }[]).map(row => row.webhook_id),
    dead.toReversed(),
  )
  assert.match((await deliveries('list', '--limit', '2')).err, /There are more/)

  assert.equal((await replay(dead[0] ?? '')).out, '1 deliveries are owed again.')
  assert.deepEqual(
    (await owedRuns(database)).map(row => [row.webhook_id, row.trigger]),
    [[dead[0], 'manual']],
  )

  const made = await replay('--failed', '--rate', '5', '--yes', '--json')
  const replayId = parseUuid((JSON.parse(made.out) as { id: string }).id)
  assert.ok(replayId)
  assert.match((await replay('cancel', replayId)).out, /cancelled/)
  assert.match((await replay('show', replayId)).out, /cancelled/)
  assert.match((await replay('show', dead[0] ?? '')).err, /There is no replay/)

  assert.match((await deliveries('discard')).err, /--yes/)
  assert.match((await deliveries('discard', '--yes')).out, /^3 deliveries have ended as cancelled/)
  assert.deepEqual(await owedRuns(database), [])
  // Where nothing matches, there is nothing to be sure of.
  for (const { code, err } of [await replay('--failed'), await deliveries('discard')]) {
    assert.equal(code, exitCode.ok)
    assert.doesNotMatch(err, /--yes/)
  }
  const { rows } = await database.query({
    text: `select actor_kind, actor_name from audit_log where action = 'delivery.discarded'`,
  })
  assert.equal(rows.length, 2) // of what was owed, and of what was dead
})

test('a subscription is named by its uid, too, which is one of the tenant', async () => {
  await using world = await testService()
  const { database } = world.world
  const { id } = await client(world.url).subscribe({
    ...{ uid: 'theirs', target_url: 'http://127.0.0.1:9/', paused: true },
  })
  const dead = await ended(database, { [id]: 'given_up' })
  const replay = (...args: string[]) => run(runReplay, world.environment, ...args)
  const named = ['--subscription', 'uid:theirs']
  assert.match((await replay('--failed', '--dry-run', ...named)).out, /^1 deliveries match/)
  const listed = await run(runDeliveries, world.environment, 'list', ...named)
  assert.match(listed.out, new RegExp(`^${dead}  subscription ${id}  failed`))
  await assert.rejects(replay('--failed', '--subscription', 'uid:other'), /uid:other in the tenant default/)
  await assert.rejects(replay('--failed', ...named, '--tenant', 'acme'), /no subscription uid:theirs\.$/)
  assert.equal((await replay(dead, ...named)).out, '1 deliveries are owed again.')
})
