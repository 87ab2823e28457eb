import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'

const folder = new URL('../../.github/workflows/', import.meta.url)

export interface WorkflowStep {
  readonly uses?: string
  readonly with?: Readonly<Record<string, unknown>>
  readonly run?: string
}

export interface WorkflowJob {
  readonly needs?: string
  readonly uses?: string
  /** Who must approve it. */
  readonly environment?: string
  readonly permissions?: Readonly<Record<string, string>>
  readonly 'timeout-minutes'?: number
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly unknown[]>> }
  readonly steps?: readonly WorkflowStep[]
}

export interface Workflow {
  /** The name of the file. */
  readonly file: string
  readonly text: string
  readonly permissions?: Readonly<Record<string, string>>
  readonly concurrency?: { readonly group: string }
  readonly jobs: Readonly<Record<string, WorkflowJob>>
}

/** The workflows of hosted CI, as written: expressions in them are not evaluated. */
export function workflows(): readonly Workflow[] {
  return readdirSync(folder).map(file => {
    const text = readFileSync(new URL(file, folder), 'utf8')
    return { ...(parse(text) as Omit<Workflow, 'file' | 'text'>), file, text } // our own files
  })
}

export function workflow(file: string): Workflow {
  const found = workflows().find(candidate => candidate.file === file)
  if (found === undefined) throw new Error(`there is no .github/workflows/${file}`)
  return found
}

/** All steps of a workflow, job by job. */
export function stepsOf({ jobs }: Workflow): readonly WorkflowStep[] {
  return Object.values(jobs).flatMap(({ steps }) => steps ?? [])
}

/** The job, and all that must have passed before it. */
export function needsOf(flow: Workflow, job: string): readonly string[] {
  const needs = flow.jobs[job]?.needs
  return needs === undefined ? [job] : [job, ...needsOf(flow, needs)]
}

/** What a workflow or a script of CI runs that is of this repository: names of npm scripts, and paths. */
export function commandsIn(text: string): {
  readonly scripts: readonly string[]
  readonly paths: readonly string[]
} {
  const scripts = [...text.matchAll(/\bnpm (?:run ([\w:-]+)|(test)\b)/g)].map(
    match => match[1] ?? match[2] ?? '',
  )
  const paths = text.matchAll(/\b(?:bash|node|uses:) (?:\.\/)?([\w.][\w./-]*\/[\w.-]+)(?=[\s"]|$)/gm)
  return { scripts, paths: [...paths].map(match => match[1] ?? '') }
}
