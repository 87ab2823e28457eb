import pg from 'pg'
import { AppError, codeOf, StartupError } from '../errors.ts'

/**
 * What PostgreSQL itself has said, or the system on the way to it: the innermost cause of an error, in one line and
 * without a full stop.
 */
export function wordsOf(error: unknown): string {
  const inner = rootOf(error)
  const words = inner instanceof Error ? inner.message || (codeOf(inner) ?? inner.name) : String(inner)
  return words.replaceAll(/\s+/g, ' ').replace(/\.$/, '')
}

/**
 * Turns an error of the database into one sentence that says what to do, for a start or a command that cannot go on. Other
 * errors stay as they are.
 *
 * @param description where the database is, without a password
 */
export function asStartupError(error: unknown, description: string): unknown {
  const inner = rootOf(error)
  const isOfDatabase =
    inner instanceof pg.DatabaseError || (error instanceof AppError && error.code === 'database_unavailable')
  if (error instanceof StartupError || !isOfDatabase) return error
  return new StartupError(`Cannot use the database ${description}: ${wordsOf(error)}. ${adviceFor(inner)}`, {
    cause: error,
  })
}

/** Whether it says that the disk of the database has no room left. */
export function isDiskFull(error: unknown): boolean {
  const inner = rootOf(error)
  if (inner instanceof pg.DatabaseError && inner.code === '53100') return true
  return /No space left on device|ENOSPC/.test(inner instanceof Error ? inner.message : '')
}

/** An error without the wrappers of this program, and the first of several that are one. */
function rootOf(error: unknown): unknown {
  if (error instanceof pg.DatabaseError) return error
  if (error instanceof AggregateError && error.errors.length > 0) return rootOf(error.errors[0])
  if (error instanceof Error && error.cause !== undefined) return rootOf(error.cause)
  return error
}

/** What to do, by SQLSTATE, or by the code of Node.js. */
const adviceByCode: Readonly<Record<string, string>> = {
  '28P01': 'Check user and password in DATABASE_URL, and percent-encode what is not a letter or a digit.',
  '28000':
    'Make the role, and allow it in pg_hba.conf; where this says "no encryption", add sslmode=require to DATABASE_URL.',
  '3D000': 'Make the database with createdb, or name another one in DATABASE_URL.',
  '3F000': 'Make a schema for the tables, and name it in the search_path of the role.',
  '25006':
    'It takes no writes: let DATABASE_URL lead to the primary, or unset default_transaction_read_only of database and role.',
  '42501':
    'Make the role the owner of its database, or grant it CREATE on the schema of its tables (GRANT CREATE, USAGE ON SCHEMA …).',
  '53300':
    'Allow more connections (max_connections; ALTER ROLE … CONNECTION LIMIT), or lower DATABASE_POOL_SIZE or PROCESSES: docs/scaling.md has how many are needed.',
  '53100': 'Make room on the disk of the database.',
  '57P03': 'It is starting or stopping; start again when it takes connections.',
  '08P01': 'Is it a pooler that refuses a parameter of DATABASE_URL? Leave that out, or connect directly.',
  ENOENT: 'There is no such socket: check the folder given as host, and whether PostgreSQL runs.',
  ECONNREFUSED: 'Check host and port in DATABASE_URL, and whether PostgreSQL runs.',
  ENOTFOUND: 'Check the host in DATABASE_URL.',
  EAI_AGAIN: 'Check the host in DATABASE_URL, and the name servers of this machine.',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'Use the host name that the certificate has, or check less with sslmode=verify-ca and sslrootcert.',
  CERT_HAS_EXPIRED: 'Give the server a new certificate.',
}

const untrusted =
  'Name the file of the authority that signs the certificates of the server: sslmode=verify-full&sslrootcert=/path/ca.pem in DATABASE_URL (sslmode=require encrypts without a check).'

function adviceFor(error: unknown): string {
  const code = codeOf(error)
  const message = error instanceof Error ? error.message : ''
  if (/SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/.test(code ?? '')) return untrusted
  if (/timeout|no answer/i.test(message)) {
    return 'Look at the load and the locks of the server; a pooler must have room for all of them (default_pool_size of PgBouncer).'
  }
  if (/does not support SSL/.test(message)) return 'It has no TLS: take sslmode out of DATABASE_URL.'
  return adviceByCode[code ?? ''] ?? 'Check DATABASE_URL.'
}
