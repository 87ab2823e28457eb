import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { describeConfig, readConfig } from '../../src/config/config.ts'
import { settings } from '../../src/config/settings.ts'
import { StartupError } from '../../src/errors.ts'

const key = Buffer.alloc(32, 7)
const database = 'postgresql://user:hunter2@db:5432/webhooks'

/** What a start with these variables is refused with. */
function refusal(environment: Record<string, string>): string {
  try {
    readConfig(environment)
  } catch (error) {
    assert.ok(error instanceof StartupError, String(error))
    return error.message
  }
  return assert.fail('these settings should have been refused')
}

test('without any variable it is local mode, on the loopback, without keys', () => {
  const config = readConfig({}, false)
  assert.equal(config.mode, 'local')
  assert.equal(config.host, '127.0.0.1')
  assert.equal(config.port, 8000)
  assert.equal(config.auth, 'none')
  assert.equal(config.logRetentionHours, 72)
  assert.equal(config.logFormat, 'json')
  assert.deepEqual(config.warnings, [])
})

test('DATABASE_URL makes it server mode, on all interfaces, with keys', () => {
  const config = readConfig({ DATABASE_URL: database })
  assert.equal(config.mode, 'server')
  assert.equal(config.host, '0.0.0.0')
  assert.equal(config.auth, 'keys')
  assert.equal(config.databaseUrl, database)
})

test('local mode asks for keys once it listens beyond the loopback', () => {
  assert.equal(readConfig({ HOST: '0.0.0.0' }).auth, 'keys')
  assert.equal(readConfig({ HOST: '::1' }).auth, 'none')
  assert.equal(readConfig({ HOST: 'localhost' }).auth, 'none')
})

test('an empty variable counts as one that is not set', () => {
  assert.equal(readConfig({ PORT: '', DATABASE_URL: '', DATABASE_URL_FILE: '', LOG_LEVEL: '' }).port, 8000)
})

test('the settings cannot be changed after they were read', () => {
  const config = readConfig({})
  assert.ok(Object.isFrozen(config))
  assert.ok(Object.isFrozen(config.warnings))
})

test('all mistakes are told at once, each with what was given and what is allowed', () => {
  const message = refusal({
    PORT: '80a',
    LOG_LEVEL: 'loud',
    MAX_IN_FLIGHT: '0',
    HOST: 'a b',
    LOG_RETENTION_HOURS: '72h',
  })
  assert.match(message, /^5 settings are not right:/)
  assert.match(message, /PORT must be a whole number from 0 to 65535; "80a" is not\./)
  assert.match(message, /LOG_LEVEL must be one of trace, debug, info, warn, error, silent; "loud" is not\./)
  assert.match(message, /MAX_IN_FLIGHT must be a whole number from 1 to 10000; "0" is not\./)
  assert.match(message, /HOST must be an IP address or a host name; "a b" is not\./)
  assert.match(message, /LOG_RETENTION_HOURS .* "72h" is not\./)
})

test('a number is plain digits within its bounds, nothing else', () => {
  for (const text of ['-1', '+1', '1.0', '1e3', '0x10', ' 80', '65536', '99999999999999999999', 'NaN']) {
    assert.match(refusal({ PORT: text }), /PORT must be/, text)
  }
  assert.equal(readConfig({ PORT: '0' }).port, 0)
  assert.equal(readConfig({ PORT: '65535' }).port, 65_535)
})

test('any text for PORT is either read as the number it says or refused', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 8 }), text => {
      const digits = /^\d+$/.test(text) && Number(text) <= 65_535
      if (digits) assert.equal(readConfig({ PORT: text }).port, Number(text))
      else assert.match(refusal({ PORT: text }), /PORT must be/)
    }),
  )
})

test('a wrong secret is named, never shown', () => {
  const message = refusal({
    DATABASE_URL: 'mysql://hunter2',
    ENCRYPTION_KEYS: 'hunter2',
    REDIS_URL: 'hunter2',
  })
  assert.match(message, /DATABASE_URL must be a URL such as postgresql:/)
  assert.match(message, /ENCRYPTION_KEYS must be one key or several/)
  assert.match(message, /REDIS_URL must be/)
  assert.doesNotMatch(message, /hunter2/)
})

test('an address with a password that is not percent-encoded is refused, says so, and is not shown', () => {
  for (const password of ['12/34', '12@34', '12#34', '12?34', '1%x34']) {
    for (const [variable, before] of [
      ['DATABASE_URL', 'postgresql://user'],
      ['REDIS_URL', 'redis://user'],
      ['EGRESS_PROXY', 'http://user'],
    ] as const) {
      const message = refusal({ [variable]: `${before}:${password}@server:1/0` })
      assert.match(message, /in the password percent-encoded \(@ as %40\)/)
      assert.doesNotMatch(message, /34|server/)
    }
  }
})

test('an address that was given to another setting is not shown, either', () => {
  const url = 'postgresql://user:hunter2@db/x'
  const message = refusal({
    HOST: url,
    LOG_LEVEL: url,
    CONTACT_URL: url,
    ENCRYPTION_KEYS_FILE: url,
    PORT: url,
  })
  assert.doesNotMatch(message, /hunter2/)
  assert.match(message, /HOST must be an IP address or a host name; "postgresql:\/\/\*\*\*" is not\./)
})

test('an address that others are shown has no password, and is not shown where it has one', () => {
  for (const password of [
    'hunter2',
    'hun/ter2',
    'hun@ter2',
    'hun#ter2',
    'hun?ter2',
    'hun%40ter2',
    'hun\\ter2',
  ])
    for (const variable of ['PUBLIC_URL', 'CONTACT_URL']) {
      const message = refusal({ [variable]: `https://user:${password}@example.com/x` })
      assert.match(message, /without user, password.*"https:\/\/\*\*\*" is not\./)
      assert.doesNotMatch(message, /hun|ter2/)
    }
  const shown = {
    PUBLIC_URL: 'https://[::1]:8443/hooks',
    CONTACT_URL: 'https://social.example.com/@team?from=webhooks#top',
  }
  assert.equal(readConfig(shown).contactUrl, shown.CONTACT_URL)
  assert.equal(readConfig(shown).publicUrl, shown.PUBLIC_URL)
  assert.equal(readConfig({ CONTACT_URL: 'mailto:team@example.com' }).contactUrl, 'mailto:team@example.com')
})

test('the database may be behind a Unix socket, without a host in the address', () => {
  const url = 'postgresql://user:hunter2@/db?host=/cloudsql/a:b:c'
  assert.deepEqual(describeConfig(readConfig({ DATABASE_URL: url })), [
    'DATABASE_URL=postgresql://user:***@/db?***',
  ])
})

test('Redis has numbers for names of databases, and Redis and proxies have a host', () => {
  for (const REDIS_URL of ['redis://redis/webhooks', 'redis:///0', 'redis://redis:99999'])
    assert.match(refusal({ REDIS_URL }), /REDIS_URL must be/)
  assert.match(refusal({ EGRESS_PROXY: 'http://:3128' }), /EGRESS_PROXY must be/)
})

test('encryption keys are read as base64, base64url or hex, newest first', () => {
  const other = Buffer.alloc(32, 0xfb)
  const list = [key.toString('base64'), other.toString('base64url'), key.toString('hex')].join(' , ')
  assert.deepEqual(readConfig({ ENCRYPTION_KEYS: list }).encryptionKeys, [key, other, key])
  for (const wrong of ['', 'x'].map(end => `${key.subarray(1).toString('base64')}${end}`))
    refusal({ ENCRYPTION_KEYS: wrong })
  refusal({ ENCRYPTION_KEYS: `${key.toString('base64')},` })
})

test('a secret can come from a file, but not from both places', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'config-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'url')
  await writeFile(path, `${database}\n`)
  assert.equal(readConfig({ DATABASE_URL_FILE: path }).databaseUrl, database)
  assert.equal(readConfig({ DATABASE_URL_FILE: path }).mode, 'server')
  assert.match(refusal({ DATABASE_URL_FILE: path, DATABASE_URL: database }), /are both set; set one of them/)
  assert.match(
    refusal({ REDIS_URL_FILE: join(folder, 'none') }),
    /REDIS_URL_FILE must be a file that can be read/,
  )
  await writeFile(path, ' \n')
  assert.match(refusal({ DATABASE_URL_FILE: path }), /is empty/)
})

test('a body that is allowed must fit into the memory for deliveries', () => {
  assert.match(refusal({ BODY_LIMIT_BYTES: '2097152', MEMORY_LIMIT_MB: '1' }), /must hold at least one body/)
})

test('the processes of local mode must find room in its database', () => {
  assert.equal(readConfig({ PROCESSES: '15' }).processes, 15)
  assert.match(
    refusal({ PROCESSES: '16' }),
    /PROCESSES \(16\) .* 208 connections; the embedded PostgreSQL has 200/,
  )
  assert.equal(readConfig({ PROCESSES: '64', DATABASE_URL: database }).processes, 64)
})

test('LOG_EVENTS is a word, or a share of all events', () => {
  assert.equal(readConfig({}).logEvents, 'all')
  for (const given of ['all', 'failures', 'none', 'sample:0.01', 'sample:.5', 'sample:0', 'sample:1']) {
    assert.equal(readConfig({ LOG_EVENTS: given }).logEvents, given)
  }
  for (const given of ['some', 'sample', 'sample:', 'sample:1.5', 'sample:2', 'sample:1%', '0.01', 'ALL']) {
    assert.match(
      refusal({ LOG_EVENTS: given }),
      /LOG_EVENTS must be one of all, failures, none, or sample:/,
      given,
    )
  }
})

test('a setting that another one leaves without effect is warned about', () => {
  const warned = (environment: Record<string, string>) => readConfig(environment).warnings.join('\n')
  assert.match(
    warned({ CONNECT_TIMEOUT_MS: '9000', DELIVERY_TIMEOUT_MS: '8000' }),
    /^CONNECT_TIMEOUT_MS=9000 is more than DELIVERY_TIMEOUT_MS \(8000\)/,
  )
  assert.match(
    warned({ CAPTURE_BODY_BYTES: '100', RESPONSE_LIMIT_BYTES: '99' }),
    /^CAPTURE_BODY_BYTES=100 is more than RESPONSE_LIMIT_BYTES \(99\)/,
  )
  assert.match(
    warned({ CAPTURE_BODY_BYTES: '100', CAPTURE_RESPONSES: 'none' }),
    /^CAPTURE_BODY_BYTES=100 has no/,
  )
  assert.match(warned({ LOG_EVENTS: 'failures', LOG_LEVEL: 'warn' }), /^LOG_EVENTS=failures has no effect/)
  for (const defaults of [
    { DELIVERY_TIMEOUT_MS: '1000' },
    { RESPONSE_LIMIT_BYTES: '0' },
    { CAPTURE_RESPONSES: 'none' },
    { LOG_LEVEL: 'warn' },
    { LOG_LEVEL: 'warn', LOG_EVENTS: 'none' },
  ]) {
    assert.equal(warned(defaults), '', 'what was not given is not warned about')
  }
})

test('settings about keys are warned about where no keys are asked for, and the other way round', () => {
  const warned = (environment: Record<string, string>) => readConfig(environment).warnings.join('\n')
  const FIRST_KEY = `whk_${'a'.repeat(40)}`
  const keyless = warned({ FIRST_KEY, RATE_LIMIT_PER_KEY: '5', SESSION_HOURS: '3' })
  for (const variable of ['FIRST_KEY', 'RATE_LIMIT_PER_KEY', 'SESSION_HOURS'])
    assert.match(keyless, new RegExp(`^${variable} has no effect: this service asks for no API keys`, 'm'))
  assert.doesNotMatch(keyless, /aaaa/)
  assert.equal(warned({ FIRST_KEY, AUTH: 'keys', SESSION_HOURS: '3' }), '')
  assert.match(warned({ ALLOWED_HOSTS: 'hooks.example.com', AUTH: 'keys' }), /^ALLOWED_HOSTS has no effect/)
  assert.equal(warned({ ALLOWED_HOSTS: 'hooks.example.com' }), '')
  assert.match(warned({ PORTAL_NAME: 'Acme', UI_ENABLED: 'false' }), /^PORTAL_NAME has no effect: UI_/)
  assert.match(
    warned({ CIRCUIT_COOLDOWN_SECONDS: '9', CIRCUIT_FAILURES: '0' }),
    /^CIRCUIT_COOLDOWN_SECONDS=9/,
  )
})

test('REDIS_URL names a database by its number', () => {
  for (const path of ['/x', '/1/2', '/-1', '/1.5']) {
    const message = refusal({ REDIS_URL: `redis://:hunter2@redis:6379${path}` })
    assert.match(message, /REDIS_URL must be a URL such as redis:\/\/redis:6379\/0/, path)
    assert.doesNotMatch(message, /hunter2/)
  }
  for (const path of ['', '/', '/0', '/15']) {
    assert.equal(readConfig({ REDIS_URL: `redis://redis:6379${path}` }).redisUrl, `redis://redis:6379${path}`)
  }
})

test('a variable that is nearly a setting is warned about, others are not', () => {
  const { warnings } = readConfig({
    LOG_RETENTION_HOUR: '1',
    database_url: 'x',
    ENCRYPTION_KEY_FILE: 'x',
    HOME: '/home',
    HOSTNAME: 'x',
    PATH: '/bin',
    PGPORT: '5432',
    REQUEST_TIMEOUT: '1',
  })
  assert.deepEqual(warnings, [
    'LOG_RETENTION_HOUR is not a setting and has no effect; did you mean LOG_RETENTION_HOURS?',
    'database_url is not a setting and has no effect; did you mean DATABASE_URL?',
    'ENCRYPTION_KEY_FILE is not a setting and has no effect; did you mean ENCRYPTION_KEYS_FILE?',
  ])
})

test('open to everyone beyond this machine has to be said in words, and is warned about', () => {
  const { warnings } = readConfig({ DATABASE_URL: database, AUTH: 'none' })
  assert.match(warnings.join(), /everyone who can reach port 8000 is the operator/)
  assert.deepEqual(readConfig({ AUTH: 'none' }).warnings, [])
})

test('the start-up lines show what differs from the defaults, without what makes a secret', () => {
  const config = readConfig({
    DATABASE_URL: `${database}?password=hunter2`,
    REDIS_URL: 'rediss://:hunter2@redis:6380/1',
    ENCRYPTION_KEYS: key.toString('base64'),
    PORT: '8001',
    LOG_RETENTION_HOURS: '72',
  })
  const lines = describeConfig(config)
  assert.deepEqual(lines, [
    'DATABASE_URL=postgresql://user:***@db:5432/webhooks?***',
    'REDIS_URL=rediss://:***@redis:6380/1',
    'PORT=8001',
    lines[3],
  ])
  assert.match(lines[3] ?? '', /^ENCRYPTION_KEYS=key [0-9a-f]{8}$/)
  assert.deepEqual(describeConfig(readConfig({})), [])
})

test('every default is a value that the setting itself would accept', () => {
  for (const setting of Object.values(settings)) {
    const value: unknown = setting.defaultFor({ mode: 'local', loopback: true, terminal: false })
    if (value !== undefined) assert.equal(setting.parse(String(value)), value, setting.variable)
  }
})

test('where deliveries may go depends on the mode, and on what the operator says', () => {
  assert.equal(readConfig({}).allowPrivateTargets, true)
  assert.equal(readConfig({ DATABASE_URL: database }).allowPrivateTargets, false)
  assert.equal(readConfig({ ALLOW_PRIVATE_TARGETS: 'false' }).allowPrivateTargets, false)
  const config = readConfig({
    DATABASE_URL: database,
    ALLOWED_TARGET_CIDRS: '10.1.0.0/16, fd00::1',
    ALLOWED_TARGET_PORTS: '443,8443',
    HTTPS_ONLY: 'true',
  })
  assert.deepEqual(config.allowedTargetCidrs, [
    { family: 'ipv4', address: '10.1.0.0', prefix: 16 },
    { family: 'ipv6', address: 'fd00::1', prefix: 128 },
  ])
  assert.deepEqual(config.allowedTargetPorts, [443, 8443])
  assert.equal(config.httpsOnly, true)
  assert.ok(describeConfig(config).includes('ALLOWED_TARGET_CIDRS=10.1.0.0/16, fd00::1/128'))
  assert.deepEqual(config.warnings, [])
})

test('a block or a port that is none stops the start, as a list with a hole does', () => {
  for (const text of ['10.0.0.0/33', '10.0.0.0/8,', 'example.com', '10.0.0.0-10.0.0.9']) {
    assert.match(
      refusal({ ALLOWED_TARGET_CIDRS: text }),
      /ALLOWED_TARGET_CIDRS must be an address or block/,
      text,
    )
    assert.match(
      refusal({ DENIED_TARGET_CIDRS: text }),
      /DENIED_TARGET_CIDRS must be an address or block/,
      text,
    )
  }
  for (const text of ['0', '65536', '443-445', 'https', '443,,80']) {
    assert.match(refusal({ ALLOWED_TARGET_PORTS: text }), /ALLOWED_TARGET_PORTS must be a port/, text)
  }
  assert.match(refusal({ HTTPS_ONLY: 'yes' }), /HTTPS_ONLY must be true or false; "yes" is not\./)
})

test('what weakens the guard is warned about, and the password of the proxy is not shown', () => {
  const config = readConfig({
    DATABASE_URL: database,
    ALLOW_PRIVATE_TARGETS: 'true',
    EGRESS_PROXY: 'http://user:hunter2@proxy:3128',
  })
  assert.match(
    config.warnings.join('\n'),
    /^ALLOW_PRIVATE_TARGETS=true in server mode: .*\nEGRESS_PROXY is set: .*/,
  )
  assert.ok(describeConfig(config).includes('EGRESS_PROXY=http://user:***@proxy:3128'))
  assert.match(refusal({ EGRESS_PROXY: 'socks5://proxy:1080' }), /EGRESS_PROXY must be a URL such as http:/)
})
