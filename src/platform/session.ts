/**
 * What the statements of this service rely on. A database or a role can have other values (ALTER ROLE … SET), so each new
 * connection sets them, as SQL and not as parameters of the connection, most of which PgBouncer refuses.
 *
 * Left alone is what operators decide: `search_path` (where the tables are), `role`, `default_tablespace`, and
 * `default_transaction_read_only`, with which a provider stops the writes to a full disk.
 */
const reliedOn: Readonly<Record<string, string>> = {
  client_encoding: 'UTF8',
  // How values are written as text: node-postgres reads these forms only.
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  // How the text of statements is read.
  array_nulls: 'on',
  standard_conforming_strings: 'on',
  transform_null_equals: 'off',
  quote_all_identifiers: 'off',
  // Statements that meet rows of others skip them, or wait and look again. A stricter level would make them fail.
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  // What ends a wait is `statement_timeout`, and a pinned connection may be idle.
  lock_timeout: '0',
  idle_session_timeout: '0',
  idle_in_transaction_session_timeout: '30s',
}

const settings = Object.entries(reliedOn).map(([name, value]) => `set_config('${name}', '${value}', false)`)

// Of the values of synchronous_commit only `off` breaks the promise that a 202 is on disk; the others are the operator's
// choice. PostgreSQL 17 has one more limit. set_config, because SET knows no condition.
const whereNeeded = `
  select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';
  select set_config('transaction_timeout', '0', false) where current_setting('transaction_timeout', true) <> '0'`

/**
 * SQL that a new connection begins with; several statements in one message, so one round trip. The time limit comes first:
 * that of the database may be too short for the rest.
 */
export function sessionSettings(statementTimeoutMs: number): string {
  return `set statement_timeout = ${Math.ceil(statementTimeoutMs)}; select ${settings.join(', ')};${whereNeeded}`
}
