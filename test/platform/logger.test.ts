import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { createLogger, type LoggerOptions, prettyLine, silentLogger } from '../../src/platform/logger.ts'

/** A logger and the lines it wrote. */
function recorded(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = []
  const output = { write: (line: string) => void lines.push(line) }
  return { lines, logger: createLogger({ level: 'info', format: 'json', output, ...options }) }
}

test('a line is one JSON object with level, time and message', () => {
  const { lines, logger } = recorded()
  logger.info({ subscription_id: 7 }, 'accepted')
  const line: unknown = JSON.parse(lines.join(''))
  assert.ok(typeof line === 'object' && line !== null && 'time' in line)
  assert.match(String(line.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.deepEqual({ ...line, time: '' }, { level: 'info', time: '', subscription_id: 7, msg: 'accepted' })
})

test('lines below the level are not written', () => {
  const { lines, logger } = recorded({ level: 'warn' })
  logger.info('no')
  logger.warn('yes')
  assert.equal(lines.length, 1)
})

test('fields that stand for secrets and payloads are hidden, at any of the first levels', () => {
  const { lines, logger } = recorded()
  const fields = {
    secret: 'hunter2',
    subscription: { signing_secret: 'hunter2', id: 1 },
    req: { headers: { authorization: 'hunter2' } },
  }
  logger.info(fields, 'line')
  logger.child({ process: 1 }).info({ payload: 'hunter2', body: 'hunter2' }, 'child')
  assert.doesNotMatch(lines.join(''), /hunter2/)
  assert.match(lines[0] ?? '', /"signing_secret":"\[hidden\]","id":1/)
  assert.equal(fields.secret, 'hunter2', 'the object that was logged is left alone')
})

test('an error is logged with its stack and its causes', () => {
  const { lines, logger } = recorded()
  logger.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed')
  assert.match(lines.join(''), /outer.*logger\.test\.ts.*caused by: Error: inner/)
})

test('the pretty form is a time, a level, the message and its fields', () => {
  const { lines, logger } = recorded({ format: 'pretty' })
  logger.warn({ attempt: 2, url: 'http://a/b', text: 'two words', list: [1] }, 'retry later')
  assert.match(
    lines.join(''),
    /^\d\d:\d\d:\d\d\.\d{3} WARN {2}retry later attempt=2 url=http:\/\/a\/b text="two words" list=\[1\]\n$/,
  )
})

test('the pretty form puts an error below its line', () => {
  const { lines, logger } = recorded({ format: 'pretty' })
  logger.error(new Error('broken'))
  assert.match(lines.join(''), / ERROR broken\n {4}Error: broken\n {8}at /)
})

test('text from outside cannot steer the terminal', () => {
  const msg = '\u001b[2Jclear\u0007\u009b'
  const line = prettyLine(
    JSON.stringify({ level: 'info', time: '2026-01-01T00:00:00.000Z', msg, url: '\u001b[31m' }),
  )
  assert.doesNotMatch(line.replace(/\n$/, ''), /\p{Cc}/u)
})

test('nothing is lost when the process ends by an exception, an exit or a fatal line', () => {
  const source = new URL('../../src/platform/logger.ts', import.meta.url).href
  for (const format of ['json', 'pretty']) {
    for (const end of [
      'throw new Error("end")',
      'process.exit(3)',
      'logger.fatal("end"); process.abort()',
      '',
    ]) {
      const script = `
        import { createLogger } from ${JSON.stringify(source)}
        const logger = createLogger({ level: 'info', format: ${JSON.stringify(format)} })
        for (let i = 0; i < 500; i++) logger.info({ i }, 'line')
        ${end}`
      const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
      })
      const lines = stdout.split('\n').filter(line => line.includes('line'))
      assert.equal(lines.length, 500, `${format}, ${end}`)
    }
  }
})

test('the silent logger says nothing and costs no destination', () => {
  const logger = silentLogger()
  assert.equal(logger.isLevelEnabled('fatal'), false)
  logger.fatal('nothing')
})

test('with several processes on one output every line says whose it is', () => {
  const { lines, logger } = recorded({ shared: true })
  logger.info('mine')
  assert.equal(JSON.parse(lines.join('')).pid, process.pid)
})

test('two processes that write to one pipe do not tear the lines of each other', t => {
  if (process.platform !== 'linux') return t.skip('pipes of other systems take less in one piece')
  const source = new URL('../../src/platform/logger.ts', import.meta.url).href
  const script = `
    import { createLogger } from ${JSON.stringify(source)}
    const logger = createLogger({ level: 'info', format: 'json', shared: true })
    for (let n = 0; n < 5000; n++) logger.info({ n, text: 'x'.repeat(n % 300) }, 'line')`
  // By a shell, since Node would give a socket and not a pipe. The pipe must be full: only then is a line torn.
  const { stdout } = spawnSync(
    'sh',
    [
      '-c',
      '(for n in 1 2; do "$0" --input-type=module -e "$1" & done; wait) | (sleep 1; dd bs=3000 2>/dev/null)',
      process.execPath,
      script,
    ],
    { encoding: 'utf8', maxBuffer: 2 ** 24 },
  )
  const lines = stdout.trimEnd().split('\n')
  assert.equal(lines.length, 10_000)
  assert.equal(new Set(lines.map(line => JSON.parse(line).pid)).size, 2)
})
