import { setTimeout as sleep } from 'node:timers/promises'
import { uuidLowerBound } from '../../src/platform/id.ts'
import { unloggedOnly } from './process-scenarios.ts'
import type { Ground, Ran, Scenario } from './scenario.ts'
import { between, World } from './world.ts'

/** What the event stream tells while processes and PostgreSQL fail. */
export const streamScenarios: readonly Scenario[] = [
  {
    name: 'stream',
    title:
      'readers of the event stream come back over kills and restarts of processes, and crashes of PostgreSQL: told is what was written, once, in order',
    run: streams,
  },
]

const readers = 3

async function streams(ground: Ground): Promise<Ran> {
  await using world = await World.open(ground, { processes: 3, perSecond: 200 })
  const { crew, postgres } = world
  const from = await newest(world)
  const reading = Array.from({ length: readers }, (_, index) => new Reader(() => crew.urls(), from, index))
  const rounds = ground.short ? 3 : 30
  for (let round = 0; round < rounds; round++) {
    await sleep(between(500, 2000))
    if (round % 5 === 2)
      await world.fault('kill -9 of PostgreSQL', async () => {
        await postgres.kill()
        await postgres.start()
      })
    else await killOrRestart(world)
    while (crew.urls().length === 0) await sleep(50)
    ground.say(`${round + 1} faults, ${reading[0]?.ids.length ?? 0} told`)
  }
  await Promise.all(crew.members.map(({ settled }) => settled))
  const ran = await world.finish(30_000, unloggedOnly)
  const problems = [...ran.problems]
  const written = await writtenSince(world, from)
  for (const [index, reader] of reading.entries()) {
    await reader.until(written.at(-1) ?? '', 30_000)
    await reader.close()
    problems.push(...differences(written, reader.ids).map(text => `reader ${index + 1}: ${text}`))
  }
  const notes = [
    `${written.length} rows were written, and told to each of ${readers} readers`,
    `readers connected ${reading.map(({ connections }) => connections).join(', ')} times`,
  ]
  return { ...ran, notes: [...ran.notes, ...notes], problems }
}

async function killOrRestart(world: World): Promise<void> {
  const { crew } = world
  const victim = crew.members[Math.floor(Math.random() * crew.members.length)]
  if (victim === undefined) return
  const signal = Math.random() < 0.5 ? 'SIGKILL' : 'SIGTERM'
  await world.fault(signal, () => crew.end(victim, signal))
  crew.launch(victim.start)
}

/** What is told of: events and attempts. */
const rows = `
  select webhook_id::text as id from events union all select id::text from delivery_logs where trigger <> 'test'`

/** The newest row, or one of a minute ago where there is none: what is older than the log is kept would be a gap. */
async function newest(world: World): Promise<string> {
  const [found] = await world.query<{ id: string | null }>(`select max(id) as id from (${rows}) r`)
  return found?.id ?? uuidLowerBound(Date.now() - 60_000)
}

async function writtenSince(world: World, from: string): Promise<readonly string[]> {
  const found = await world.query<{ id: string }>(`select id from (${rows}) r where id > $1 order by id`, [
    from,
  ])
  return found.map(({ id }) => id)
}

function differences(written: readonly string[], told: readonly string[]): readonly string[] {
  const [there, heard] = [new Set(written), new Set(told)]
  const problems: string[] = []
  const missing = written.filter(id => !heard.has(id))
  const unknown = told.filter(id => !there.has(id))
  if (missing.length > 0) problems.push(`${missing.length} rows were not told, such as ${missing[0]}`)
  if (unknown.length > 0)
    problems.push(`${unknown.length} were told that are not there, such as ${unknown[0]}`)
  if (told.length > heard.size) problems.push(`${told.length - heard.size} were told twice`)
  if (told.some((id, index) => id < (told[index - 1] ?? ''))) problems.push('not in the order of ids')
  return problems
}

/** Reads the stream of any process that is there, and goes on at another one when it ends. */
class Reader {
  /** Of the events and attempts that it was told of. */
  readonly ids: string[] = []
  connections = 0
  #lastId: string
  readonly #urls: () => readonly string[]
  readonly #index: number
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>

  constructor(urls: () => readonly string[], from: string, index: number) {
    this.#urls = urls
    this.#lastId = from
    this.#index = index
    this.#running = this.#run()
  }

  async until(id: string, withinMs: number): Promise<void> {
    for (const end = performance.now() + withinMs; this.#lastId < id && performance.now() < end; )
      await sleep(50)
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const urls = this.#urls()
      const url = urls[(this.#index + this.connections) % Math.max(1, urls.length)]
      if (url !== undefined) await this.#read(url, signal).catch(() => {})
      await sleep(100)
    }
  }

  async #read(url: string, signal: AbortSignal): Promise<void> {
    this.connections++
    const query = '?kind=accepted,attempt'
    const response = await fetch(`${url}/stream${query}`, {
      headers: { 'last-event-id': this.#lastId },
      signal,
    })
    if (response.status !== 200) throw new Error(`${response.status}`)
    const decoder = new TextDecoder()
    let rest = ''
    for await (const piece of response.body ?? []) {
      rest += decoder.decode(piece as Uint8Array, { stream: true })
      const blocks = rest.split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) this.#take(block)
    }
  }

  #take(block: string): void {
    const id = /^id: (.*)$/m.exec(block)?.[1]
    if (id !== undefined) this.#lastId = id
    if (id !== undefined && /^event: /m.test(block))
      this.ids.push(/^event: gap/m.test(block) ? `gap ${id}` : id)
  }
}
