import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const FUNCTIONS_SHOWN = 25

/** The parts of a .cpuprofile that are used; see the Chrome DevTools protocol, Profiler.Profile. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
  readonly startTime: number
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  readonly children?: readonly number[]
}

/** A span on the clock of `nowUs`; V8 stamps its samples with the same clock. */
export interface Span {
  readonly startUs: number
  readonly endUs: number
}

/** Flags that make Node write a profile into this directory when it exits. */
export function profileFlags(directory: string): readonly string[] {
  return ['--cpu-prof', `--cpu-prof-dir=${directory}`, '--cpu-prof-interval=500']
}

/** Reads the largest profile in the directory and says where the time within the span went. */
export function formatProfile(directory: string, span: Span, load: string): string {
  if (!existsSync(directory)) return 'No profile was written.'
  const texts = globSync('*.cpuprofile', { cwd: directory }).map(file =>
    readFileSync(join(directory, file), 'utf8'),
  )
  const largest = texts.toSorted((a, b) => b.length - a.length)[0]
  if (largest === undefined) return 'No profile was written: the program did not exit by itself.'
  // Written by V8 itself.
  const profile = JSON.parse(largest) as CpuProfile
  const timeById = selfTimes(profile, span)
  const total = [...timeById.values()].reduce((sum, us) => sum + us, 0)
  const groupById = groupsOf(profile)
  const nameById = new Map(profile.nodes.map(node => [node.id, nameOf(node, groupById.get(node.id))]))
  const groups = sumBy(profile.nodes, timeById, groupById)
  const functions = sumBy(profile.nodes, timeById, nameById)
  return [
    `Profile of ${(total / 1e6).toFixed(1)} s ${load}. By group (who called for it):`,
    ...shares(groups, total, groups.length),
    `By function (self time), the first ${FUNCTIONS_SHOWN}:`,
    ...shares(functions, total, FUNCTIONS_SHOWN),
  ].join('\n')
}

function selfTimes(profile: CpuProfile, span: Span): ReadonlyMap<number, number> {
  const times = new Map<number, number>()
  let at = profile.startTime
  for (const [index, id] of profile.samples.entries()) {
    // A delta is the time since the sample before, and is charged to the sample it leads to.
    const delta = profile.timeDeltas[index] ?? 0
    at += delta
    if (at < span.startUs || at > span.endUs || delta < 0) continue
    times.set(id, (times.get(id) ?? 0) + delta)
  }
  return times
}

/**
 * Assigns every node to the group that it works for. Common code (net, streams, timers, buffers, native code) is called
 * by all groups, so its time is assigned to the nearest caller that belongs to a group.
 */
function groupsOf(profile: CpuProfile): ReadonlyMap<number, string> {
  const groups = new Map<number, string>()
  const byId = new Map(profile.nodes.map(node => [node.id, node]))
  const walk = (id: number, inherited: string) => {
    const node = byId.get(id)
    if (node === undefined) return
    const group = ownGroupOf(node) ?? inherited
    groups.set(id, group)
    for (const child of node.children ?? []) walk(child, group)
  }
  const [root] = profile.nodes
  if (root !== undefined) walk(root.id, 'node: event loop, net, timers')
  return groups
}

function ownGroupOf({ callFrame: { functionName, url } }: ProfileNode): string | undefined {
  if (functionName === '(garbage collector)') return 'garbage collection'
  if (functionName === '(idle)') return 'idle'
  if (functionName === '(program)') return 'native code outside JavaScript (sockets, epoll)'
  if (/^node:(_http|internal\/http)/.test(url)) return 'node:http'
  const folder = /\/(src\/[^/]+|bench)\/[^/]+\.[jt]s$/.exec(url) ?? /\/(src)\/[^/]+\.[jt]s$/.exec(url)
  const library = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)
  return library?.[1] ?? folder?.[1]
}

/** The name of a function. A native or common one, such as `writev`, is shown with its caller's group. */
function nameOf(node: ProfileNode, group = ''): string {
  const { functionName, url, lineNumber } = node.callFrame
  const file = url.replace(/^.*\/node_modules\//, '').replace(/^.*\/((?:src|bench)\/)/, '$1')
  const place = url === '' ? '' : `  ${file}:${lineNumber + 1}`
  const asker = ownGroupOf(node) === undefined ? `  for ${group}` : ''
  return `${functionName || '(anonymous)'}${place}${asker}`
}

function sumBy(
  nodes: readonly ProfileNode[],
  times: ReadonlyMap<number, number>,
  keys: ReadonlyMap<number, string>,
): readonly (readonly [string, number])[] {
  const sums = new Map<string, number>()
  for (const { id } of nodes) {
    const key = keys.get(id) ?? 'unknown'
    sums.set(key, (sums.get(key) ?? 0) + (times.get(id) ?? 0))
  }
  return [...sums].filter(([, us]) => us > 0).toSorted((a, b) => b[1] - a[1])
}

function shares(
  sums: readonly (readonly [string, number])[],
  total: number,
  count: number,
): readonly string[] {
  return sums.slice(0, count).map(([name, us]) => `${((us / total) * 100).toFixed(1).padStart(6)} %  ${name}`)
}
