import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Member, Start } from './crew.ts'
import { NetworkLink } from './network-link.ts'
import type { PostgresServer } from './postgres-server.ts'
import type { World } from './world.ts'

/** What is different on a host. */
export interface HostOptions {
  readonly args?: readonly string[]
  /** How far its wall clock is wrong. */
  readonly wallClockMs?: number
  /** How fast its clocks go; 1 unless given. */
  readonly clockRate?: number
}

/** A host with one process of the service, and its own ways to the servers that all share. */
export interface Host {
  readonly name: string
  readonly database: NetworkLink
  /** Undefined where there is no Redis. */
  readonly redis: NetworkLink | undefined
  readonly start: Start
}

const preload = (file: string) => `--import=${fileURLToPath(new URL(file, import.meta.url))}`

/** The hosts of one installation. */
export class Hosts implements AsyncDisposable {
  readonly all: Host[] = []
  readonly #options: readonly HostOptions[]
  readonly #redisPort: number | undefined
  #folder: string | undefined

  constructor(options: readonly HostOptions[], redisPort?: number) {
    this.#options = options
    this.#redisPort = redisPort
  }

  /** Connects them. @returns how the process of each is started */
  async starts(server: PostgresServer): Promise<readonly Start[]> {
    const folder = await mkdtemp(join(tmpdir(), 'webhooks-faults-'))
    this.#folder = folder
    for (const [index, options] of this.#options.entries()) {
      const name = `host-${index + 1}`
      const database = new NetworkLink(server.port)
      const redis = this.#redisPort === undefined ? undefined : new NetworkLink(this.#redisPort)
      const clockFile = join(folder, name)
      await writeFile(clockFile, String(options.wallClockMs ?? 0))
      const env = {
        NODE_OPTIONS: [preload('other-host.ts'), preload('shift-clock.ts')].join(' '),
        FAULTS_HOST: name,
        FAULTS_CLOCK_RATE: String(options.clockRate ?? 1),
        FAULTS_CLOCK_FILE: clockFile,
        DATABASE_URL: server.url(await database.listen()),
        ...(redis && { REDIS_URL: `redis://127.0.0.1:${await redis.listen()}` }),
      }
      this.all.push({ name, database, redis, start: { env, args: options.args ?? [] } })
    }
    return this.all.map(({ start }) => start)
  }

  /** The host of this turn: one after the other. */
  inTurn(turn: number): Host {
    const host = this.all[turn % this.all.length]
    if (host === undefined) throw new Error('there is no host')
    return host
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.flatMap(({ database, redis }) => [database.close(), redis?.close()]))
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true })
  }
}

/** The process on a host. */
export function processOn({ crew }: World, { name, start }: Host): Member {
  const member = crew.members.find(one => one.start === start)
  if (member === undefined) throw new Error(`there is no process on ${name}`)
  return member
}
