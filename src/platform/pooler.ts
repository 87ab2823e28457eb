import type { Connection, Database } from './postgres.ts'

/**
 * Whether a pooler gives this program a session of PostgreSQL for each transaction only, and not for each connection.
 * LISTEN, session settings and session locks are lost then, without an error.
 *
 * Two connections are asked in turn which server process they talk to. With a session for each, they are two processes
 * and stay the same. Poolers take the session that was used last, or the one that waits longest, and may have other
 * clients: the order of asking and its repetition find each of these.
 */
export async function sharesSessions(database: Database): Promise<boolean> {
  const connections = ['check-1', 'check-2'].map(name => database.connection(name, { reopens: false }))
  const [one, other] = connections
  if (one === undefined || other === undefined) return false
  try {
    const pids = new Map<Connection, number>()
    for (const asked of [one, other, other, one, one, other, one, other]) {
      const pid = await processOf(asked)
      if ((pids.get(asked) ?? pid) !== pid) return true
      pids.set(asked, pid)
    }
    return pids.get(one) === pids.get(other)
  } finally {
    await Promise.allSettled(connections.map(connection => connection.close()))
  }
}

async function processOf(connection: Connection): Promise<number> {
  const { rows } = await connection.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' })
  return rows[0]?.pid ?? 0
}
