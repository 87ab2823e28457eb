import { execFile } from 'node:child_process'
import { chmod, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Ground, Ran, Result, Scenario } from './scenario.ts'
import { seconds, World } from './world.ts'

/** What disks do. */
export const diskScenarios: readonly Scenario[] = [
  {
    name: 'disk-full',
    title: 'the disk of the embedded PostgreSQL is full for a while',
    run: diskFull,
  },
]

const run = promisify(execFile)

/** Room for a new database, its log, and some events. */
const diskMb = 160

async function diskFull(ground: Ground): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-faults-'))
  await chmod(folder, 0o755)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${diskMb}m,mode=755`, 'tmpfs', folder])
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    const reason = error instanceof Error ? error.message.trim() : String(error)
    return { kind: 'skipped', why: `a small disk cannot be mounted here (it takes root): ${reason}` }
  }
  try {
    return await onSmallDisk(ground, folder)
  } finally {
    await run('umount', ['-l', folder])
    await rm(folder, { recursive: true, force: true })
  }
}

async function onSmallDisk(ground: Ground, folder: string): Promise<Ran> {
  const dataDir = join(folder, 'data')
  await using world = await World.open(ground, { processes: 2, perSecond: 150, embeddedIn: dataDir })
  const { load } = world
  const ballast = join(folder, 'ballast')
  const notes: string[] = []
  const problems: string[] = []
  for (let round = 0; round < (ground.short ? 1 : 3); round++) {
    await sleep(1500)
    const before = load.refusals.length
    const fault = await world.fault('full disk', async () => {
      await fill(ballast)
      await until(() => load.refusals.length > before, 60_000, 'nothing was refused though the disk is full')
      await sleep(ground.short ? 3000 : 15_000)
      await rm(ballast)
    })
    const accepted = load.accepted.length
    await until(() => load.accepted.length > accepted + 100, 60_000, 'it did not recover by itself')
    const refused = load.refusals.length - before
    notes.push(
      `full for ${seconds(fault.until - fault.at)}: ${refused} refused, accepted again ${seconds(performance.now() - fault.until)} after there was room`,
    )
    ground.say(notes.at(-1) ?? '')
  }
  await sleep(1000)
  const ran = await world.finish(30_000, () => ({
    repeats: 0,
    why: 'none: what receivers have answered is kept until it can be written',
  }))
  return { ...ran, notes: [...ran.notes, ...notes], problems: [...ran.problems, ...problems] }
}

/** Writes until there is no room for a byte more. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let bytes = 2 ** 20; bytes >= 1; ) {
      try {
        const { bytesWritten } = await file.write(Buffer.alloc(bytes))
        if (bytesWritten < bytes) bytes = Math.floor(bytes / 2)
      } catch {
        bytes = Math.floor(bytes / 2)
      }
    }
  } finally {
    await file.close()
  }
}

async function until(isSo: () => boolean, withinMs: number, otherwise: string): Promise<void> {
  for (const end = performance.now() + withinMs; !isSo(); await sleep(50)) {
    if (performance.now() > end) throw new Error(`${otherwise} within ${seconds(withinMs)}`)
  }
}
