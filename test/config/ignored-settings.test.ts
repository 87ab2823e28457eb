import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { families, ignoredEnvFile, ignoredVariables } from '../../src/config/ignored-settings.ts'
import { settings } from '../../src/config/settings.ts'

const variables = Object.values(settings).map(({ variable }) => variable)

test('what looks like a setting and is none is told, with what was meant where that is clear', () => {
  for (const [variable, advice] of [
    ['LOG_LEVLE', 'did you mean LOG_LEVEL?'],
    ['port', 'did you mean PORT?'],
    ['WEBHOOKS_PORT', 'did you mean PORT?'],
    ['WEBHOOK_LOG_LEVELS', 'did you mean LOG_LEVEL?'],
    ['WEBHOOKS_COLOUR', 'all settings: webhooks config docs'],
    ['PORT_FILE', 'only secrets are read from files. Set PORT.'],
    ['DATABASE_PASSWORD', 'all settings: webhooks config docs'],
    ['SUBSCRIPTION_TIMEOUT', 'all settings: webhooks config docs'],
  ] as const) {
    assert.deepEqual(ignoredVariables({ [variable]: 'x' }), [
      `${variable} is not a setting and has no effect; ${advice}`,
    ])
  }
})

test('settings, and variables of other programs, are not told of', () => {
  const others = [
    ...['HOME', 'HOSTNAME', 'PATH', 'PGPORT', 'REQUEST_TIMEOUT', 'HTTPS_PROXY', 'NODE_ENV', 'MAX_MEMORY'],
    ...[
      'REDIS_PORT',
      'REDIS_PORT_6379_TCP',
      'REDIS_SERVICE_HOST',
      'DATABASE_SERVICE_PORT_POSTGRES',
      'PYTHON_FILE',
    ],
  ]
  const environment = [...variables, 'DATABASE_URL_FILE', ...others].map(variable => [variable, 'x'])
  assert.deepEqual(ignoredVariables(Object.fromEntries(environment)), [])
})

test('each family has a setting', () => {
  for (const family of families)
    assert.ok(
      variables.some(name => name.startsWith(family)),
      family,
    )
})

test('a file .env with settings that are not set is told of, since nothing reads it', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-env-'))
  t.after(() => rm(folder, { recursive: true }))
  assert.equal(await ignoredEnvFile(folder, {}), undefined, 'there is none')
  await writeFile(
    join(folder, '.env'),
    '# mine\nexport AUTH="keys"\nPORT=9000\nHOST=\nOTHER=1\nREDIS_URL_FILE=/x\n',
  )
  const sentence = (await ignoredEnvFile(folder, { HOME: '/' })) ?? ''
  assert.match(sentence, /^The file \.env .* no effect: AUTH, PORT, REDIS_URL_FILE\. .*--env-file=\.env/)
  const given = { AUTH: 'none', PORT: '9000', REDIS_URL_FILE: '/x' }
  assert.equal(await ignoredEnvFile(folder, given), undefined, 'the environment goes first')
})
