// In a process of its own: it believes an authority of its own from then on.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { presets } from '../../src/sources/presets.ts'
import { issue, makeAuthority } from '../support/certificate.ts'
import { examplesIn, tryExamples } from '../support/guide.ts'
import { startProxy } from '../support/proxy.ts'
import { testService } from '../support/service.ts'

// The examples of docs/reference/presets.md, as a reader would type them.

const page = await readFile(new URL('../../docs/reference/presets.md', import.meta.url), 'utf8')
const [, ...sections] = page.split(/^## /m)
const hasTools = ['curl', 'openssl'].every(tool => spawnSync(tool, ['version']).error === undefined)

interface Shown {
  readonly event_type: string | null
}

/** A server in the place of Amazon's and PayPal's, behind a proxy. It shows the certificates that the examples make. */
async function startStandIn(t: TestContext, folder: string) {
  const authority = await makeAuthority('an authority')
  setDefaultCACertificates([...getCACertificates('default'), authority.certificate.toString('pem')])
  const amazon = await issue(authority, { type: 'dns', name: 'sns.us-east-1.amazonaws.com' })
  const paypal = await issue(authority, { type: 'dns', name: 'api.paypal.com' })
  const asked: string[] = []
  const server = createServer(amazon, ({ headers, url = '' }, response) => {
    asked.push(`${headers.host}${url}`)
    if (url.startsWith('/?Action=ConfirmSubscription&')) response.end('<ConfirmSubscriptionResponse/>')
    else
      createReadStream(join(folder, headers.host === 'api.paypal.com' ? 'paypal.pem' : 'sns.pem')).pipe(
        response,
      )
  })
  server.addContext('api.paypal.com', paypal)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo // it listens on TCP
  const proxy = await startProxy(t, 200, 0, port)
  return { asked, proxy: proxy.address }
}

test('the page has a section for each preset, with an example', () => {
  assert.deepEqual(
    sections.map(section => section.split('\n', 1)[0]),
    presets.map(({ id }) => id),
  )
  for (const section of sections) {
    const examples = examplesIn(section)
    assert.ok(
      examples.some(({ command }) => command.includes('/sources ')),
      section,
    )
    assert.ok(
      examples.every(({ expected }) => expected.length > 0),
      section,
    )
  }
  for (const { id, challenge } of presets) {
    const section = sections.find(one => one.startsWith(`${id}\n`)) ?? ''
    if (challenge) assert.match(section, /first:|asks first|Its ping/, id)
  }
})

test('every preset takes what its example sends, and reads the type that the page says', async t => {
  if (!hasTools) return t.skip('there is no curl or no openssl here')
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-presets-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const { asked, proxy } = await startStandIn(t, folder)
  await using world = await testService({ EGRESS_PROXY: `http://${proxy}` })
  const events = async (): Promise<readonly Shown[]> =>
    JSON.parse(await (await fetch(`${world.url}/events?limit=200`)).text())
  for (const section of sections) {
    const [id = ''] = section.split('\n', 1)
    await t.test(id, async () => {
      const before = (await events()).length
      await tryExamples(examplesIn(section), world.url, folder)
      const after = await events()
      const types = after.slice(0, after.length - before).map(({ event_type: type }) => type)
      const said = /^\| of the example \| (.+) \|$/m.exec(section)?.[1]
      assert.ok(
        types.some(type => said === (type === null ? 'none' : `\`${type}\``)),
        `${said}, and not ${types}`,
      )
    })
  }
  assert.deepEqual(asked, [
    'sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem',
    'sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:123456789012:orders&Token=2336412f37fb687f',
    'api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594',
  ])
})
