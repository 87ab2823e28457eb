import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'

/** One file of migrations/. */
export interface Migration {
  /** `0001_schema.sql`: four digits and its subject. Files run in the order of their names. */
  readonly name: string
  readonly text: string
  readonly checksum: string
  /** It has the line `-- breaking`: a process that does not know it must not run beside it. */
  readonly isBreaking: boolean
  /** With the line `-- concurrently`: its statements, each run by itself outside a transaction. */
  readonly statements?: readonly ConcurrentStatement[]
}

/** A statement that runs outside a transaction, and may be run again after it was cut off. */
export interface ConcurrentStatement {
  readonly text: string
  /** The index it makes. When it is cut off, an invalid one is left, which IF NOT EXISTS takes for done. */
  readonly indexMade?: string
}

/** Resolves from `src/platform` and from `dist/platform` alike. */
export const migrationsDirectory = new URL('../../migrations/', import.meta.url)

/**
 * All migrations of a folder, in the order in which they run.
 *
 * @throws Error when a file does not keep the rules of docs/adr/0012-expand-and-contract.md
 */
export async function readMigrations(directory: URL): Promise<readonly Migration[]> {
  const names = await namesIn(directory)
  for (const [index, name] of names.entries()) {
    if (!/^\d{4}_[a-z0-9_]+\.sql$/.test(name))
      throw new Error(`${name} is not named as 0001_what_it_does.sql`)
    if (name.slice(0, 4) === names[index - 1]?.slice(0, 4)) {
      throw new Error(`${names[index - 1]} and ${name} have the same number`)
    }
  }
  return Promise.all(
    names.map(async name => parseMigration(name, await readFile(new URL(name, directory), 'utf8'))),
  )
}

/** The name of the last file that this program knows: a database with a later one is newer than the program. */
export async function newestMigration(directory = migrationsDirectory): Promise<string> {
  return (await namesIn(directory)).at(-1) ?? ''
}

/** The tables that these files make, in their order: so each comes after those that it refers to. */
export function tablesMadeBy(migrations: readonly Migration[]): readonly string[] {
  return migrations.flatMap(({ text }) =>
    splitStatements(text).flatMap(
      statement => /^create table (?:if not exists )?(\w+)/i.exec(statement)?.[1] ?? [],
    ),
  )
}

async function namesIn(directory: URL): Promise<readonly string[]> {
  return (await readdir(directory)).filter(name => name.endsWith('.sql')).sort()
}

function parseMigration(name: string, file: string): Migration {
  const text = file.replaceAll('\r\n', '\n') // as a checkout on Windows has it; the checksum must not depend on that
  const isBreaking = /^-- breaking$/m.test(text)
  const isConcurrent = /^-- concurrently$/m.test(text)
  const checksum = createHash('sha256').update(text).digest('hex')
  if (!isConcurrent) return { name, text, checksum, isBreaking }
  if (isBreaking) throw new Error(`${name}: give the mark "breaking" to a file that runs in a transaction`)
  return {
    name,
    text,
    checksum,
    isBreaking,
    statements: splitStatements(text).map(statement => concurrentStatement(name, statement)),
  }
}

/** Cuts SQL at each semicolon that is not inside a text, a quoted name or a comment; comments are left out. */
export function splitStatements(sql: string): readonly string[] {
  const tokens = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$[\s\S]*?\$\1\$|[\s\S]/g
  const statements = ['']
  for (const [token] of sql.matchAll(tokens)) {
    if (token === ';') statements.push('')
    else if (!/^(--|\/\*)/.test(token)) statements.push(`${statements.pop()}${token}`)
  }
  return statements.map(statement => statement.trim()).filter(statement => statement !== '')
}

/** What may run outside a transaction: only what blocks no reader and no writer, and can be run again. */
function concurrentStatement(name: string, statement: string): ConcurrentStatement {
  const text = statement.replaceAll(/\s+/g, ' ')
  const [, indexMade] = /^create (?:unique )?index concurrently if not exists (\w+) on /i.exec(text) ?? []
  if (indexMade !== undefined) return { text, indexMade }
  if (/^drop index concurrently if exists \w+$|^alter table \w+ validate constraint \w+$/i.test(text))
    return { text }
  throw new Error(
    `${name} is marked "concurrently", so it may hold only CREATE INDEX CONCURRENTLY IF NOT EXISTS, DROP INDEX ` +
      `CONCURRENTLY IF EXISTS and ALTER TABLE … VALIDATE CONSTRAINT, not: ${text}`,
  )
}
