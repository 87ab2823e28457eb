import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ. The kernel shows 100 to every program on the architectures Node runs on, whatever its own tick is. */
const TICK_US = 10_000

/** CPU used since a process began, in microseconds. */
export interface Cpu {
  readonly ownUs: number
  /** Undefined for a program without a database. */
  readonly postgresUs: number | undefined
}

/** Memory in bytes; undefined where there is no /proc. */
export interface Memory {
  readonly ownBytes: number | undefined
  readonly postgresBytes: number | undefined
}

interface ProcessStat {
  readonly pid: number
  readonly parent: number
  readonly usedUs: number
  /** Of children that have ended and were waited for. */
  readonly reapedUs: number
}

/**
 * Watches one program and, apart, its PostgreSQL. A backend that ends between two samples is not lost: the
 * postmaster waits for it, and its time appears in the postmaster's children's time.
 */
export class Meter {
  readonly #root: number
  readonly #postmaster: number | undefined
  readonly #timer: NodeJS.Timeout
  #ownPeak: number | undefined
  #postgresPeak: number | undefined

  constructor(root: number, postmaster: number | undefined) {
    this.#root = root
    this.#postmaster = postmaster
    this.#sampleMemory()
    this.#timer = setInterval(() => this.#sampleMemory(), 1_000)
  }

  /** Undefined where there is no /proc. */
  cpu(): Cpu | undefined {
    const { own, postgres } = this.#processes()
    if (own.length === 0) return undefined
    return { ownUs: sumOf(own), postgresUs: this.#postmaster === undefined ? undefined : sumOf(postgres) }
  }

  memory(): Memory {
    this.#sampleMemory()
    return { ownBytes: this.#ownPeak, postgresBytes: this.#postgresPeak }
  }

  /** Resident memory now, not at its peak. */
  resident(): Memory {
    const { own, postgres } = this.#processes()
    const ownBytes = own.map(one => readStatusBytes(one.pid).get('VmRSS') ?? 0).reduce((a, b) => a + b, 0)
    return {
      ownBytes: own.length > 0 ? ownBytes : undefined,
      postgresBytes: postgres.length > 0 ? postgresBytes(postgres.map(one => one.pid)) : undefined,
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #processes(): { readonly own: readonly ProcessStat[]; readonly postgres: readonly ProcessStat[] } {
    const all = readProcesses()
    const postgres = this.#postmaster === undefined ? [] : treeOf(all, this.#postmaster)
    const pids = new Set(postgres.map(one => one.pid))
    return { own: treeOf(all, this.#root).filter(one => !pids.has(one.pid)), postgres }
  }

  #sampleMemory(): void {
    const { own, postgres } = this.#processes()
    // VmHWM is the kernel's own high-water mark: no peak between two samples is missed.
    const ownNow = own.map(one => readStatusBytes(one.pid).get('VmHWM') ?? 0).reduce((a, b) => a + b, 0)
    const postgresNow = postgresBytes(postgres.map(one => one.pid))
    if (own.length > 0) this.#ownPeak = Math.max(this.#ownPeak ?? 0, ownNow)
    if (postgres.length > 0) this.#postgresPeak = Math.max(this.#postgresPeak ?? 0, postgresNow)
  }
}

/** CPU of one process alone, in microseconds. */
export function cpuOf(pid: number): number | undefined {
  return readStat(pid)?.usedUs
}

/** CPU used by everything on the machine and stolen by its host, in microseconds of one core; undefined without /proc. */
export function machineCpuUs(): number | undefined {
  try {
    // Interrupts are left out: they are not charged to a process either. See proc_stat(5).
    const [, user = 0, nice = 0, system = 0, , , , , steal = 0] = readFileSync('/proc/stat', 'latin1')
      .slice(0, 200)
      .split(/\s+/)
      .map(Number)
    return (user + nice + system + steal) * TICK_US
  } catch {
    return undefined
  }
}

/** Every backend maps the same shared buffers; their resident sizes added up would count those many times. */
function postgresBytes(pids: readonly number[]): number {
  let own = 0
  let shared = 0
  for (const pid of pids) {
    const status = readStatusBytes(pid)
    own += status.get('RssAnon') ?? 0
    shared = Math.max(shared, status.get('RssShmem') ?? 0)
  }
  return own + shared
}

function sumOf(processes: readonly ProcessStat[]): number {
  return processes.reduce((sum, one) => sum + one.usedUs + one.reapedUs, 0)
}

function treeOf(all: readonly ProcessStat[], root: number): readonly ProcessStat[] {
  const tree = all.filter(one => one.pid === root)
  // The list grows while it is walked: children of children are found too.
  for (const member of tree) tree.push(...all.filter(one => one.parent === member.pid))
  return tree
}

function readProcesses(): readonly ProcessStat[] {
  try {
    const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
    return pids.flatMap(pid => readStat(Number(pid)) ?? [])
  } catch {
    return []
  }
}

function readStat(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name is in parentheses and may hold spaces; what follows the last one is plain. See proc_pid_stat(5).
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const [, parent = 0] = fields
    const [user = 0, system = 0, reapedUser = 0, reapedSystem = 0] = fields.slice(11, 15)
    return { pid, parent, usedUs: (user + system) * TICK_US, reapedUs: (reapedUser + reapedSystem) * TICK_US }
  } catch {
    return undefined
  }
}

function readStatusBytes(pid: number): ReadonlyMap<string, number> {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1')
    return new Map(
      [...text.matchAll(/^(\w+):\s+(\d+) kB$/gm)].map(([, name = '', size]) => [name, Number(size) * 1024]),
    )
  } catch {
    return new Map()
  }
}
