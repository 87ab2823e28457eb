/** The plan of one statement, as `auto_explain` prints it: a line with the duration, then the nodes. */
export interface Plan {
  readonly name: string
  readonly text: string
}

/** What a plan comes to. */
export interface PlanSummary {
  readonly durationMs: string
  readonly nodes: number
  /** How rows were found: the indexes that were used, and tables that were read whole. Without those of partitions. */
  readonly scans: readonly string[]
  /** Pages of 8 KiB, from the cache or from disk. */
  readonly pages: number
}

interface PlanNode {
  readonly line: string
  /** Pages of this node and all below it. */
  pages: number
}

/**
 * Sums a plan up. The pages of a node include those of the nodes below it. A data-modifying CTE that no node reads is
 * run after the main plan, so its pages are added.
 */
export function summaryOf({ text }: Plan): PlanSummary {
  const nodes: PlanNode[] = []
  const ctes = new Map<string, number>()
  let counts = false
  for (const line of text.split('\n')) {
    const cte = /^\s*CTE (\S+)$/.exec(line)?.[1]
    if (cte !== undefined) ctes.set(cte, nodes.length)
    else if (/\((cost|actual)/.test(line)) counts = nodes.push({ line, pages: 0 }) > 0
    const node = nodes.at(-1)
    // The first line of this kind after a node is its own.
    if (!counts || node === undefined || !/^\s*Buffers: /.test(line)) continue
    node.pages = pagesOf(line)
    counts = false
  }
  const isRead = (name: string) => nodes.some(({ line }) => line.includes(`CTE Scan on ${name} `))
  const apart = [...ctes].filter(([name]) => !isRead(name)).map(([, index]) => nodes[index]?.pages ?? 0)
  return {
    durationMs: /^duration: ([\d.]+) ms/m.exec(text)?.[1] ?? '',
    nodes: nodes.length,
    scans: [...new Set(nodes.flatMap(({ line }) => scanOf(line) ?? []))],
    pages: (nodes[0]?.pages ?? 0) + apart.reduce((sum, pages) => sum + pages, 0),
  }
}

function pagesOf(line: string): number {
  const shared = /shared ([^,]*)/.exec(line)?.[1] ?? ''
  return [...shared.matchAll(/(?:hit|read)=(\d+)/g)].reduce((sum, [, pages]) => sum + Number(pages), 0)
}

function scanOf(line: string): string | undefined {
  const index = /Index (?:Only )?Scan (?:Backward )?using (\S+)/.exec(line)?.[1]
  if (index !== undefined) return index.replace(/_\d{8,10}_/, '_')
  const table = /Seq Scan on (\S+)/.exec(line)?.[1]
  return table === undefined ? undefined : `all of ${table}`
}

/** One row for each plan, as Markdown. */
export function planTable(plans: readonly Plan[]): string {
  const rows = plans.map(plan => {
    const { durationMs, nodes, scans, pages } = summaryOf(plan)
    return `| ${plan.name} | ${nodes} | ${scans.join(', ')} | ${pages.toLocaleString('en')} | ${durationMs} |`
  })
  return ['| statement | nodes | found by | pages | ms |', '|---|---|---|---|---|', ...rows].join('\n')
}

/** The plans themselves, as Markdown. */
export function wholePlans(plans: readonly Plan[]): string {
  return plans.map(({ name, text }) => `### ${name}\n\n\`\`\`\n${text}\n\`\`\``).join('\n\n')
}
