// What clients cost that begin bodies and do not finish them: `npm run bench:slow-bodies`. README.md says what is measured.
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { Children } from './children.ts'
import { startContender } from './contenders.ts'
import { readMachine } from './report.ts'

const { values } = parseArgs({
  options: {
    sockets: { type: 'string', default: '1500' },
    sent: { type: 'string', default: '1000000' },
    declared: { type: 'string', default: '1048576' },
    seconds: { type: 'string', default: '5' },
  },
})
const [sockets, sent, declared, seconds] = [values.sockets, values.sent, values.declared, values.seconds].map(
  Number,
) as [number, number, number, number] // as many as went in

const piece = Buffer.alloc(sent, 'x')

/** Sends a part of a body and then nothing. */
function stall(port: number, id: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}) // it is closed on purpose
  socket.write(
    `POST /ingest/${id} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${declared}\r\n\r\n`,
  )
  socket.write(piece)
  return socket.resume()
}

/** Resident memory now, or its highest until now. */
function residentMb(pid: number, which: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const kb = new RegExp(`^${which}:\\s+(\\d+)`, 'm').exec(status)?.[1]
  return Math.round(Number(kb) / 1024)
}

const children = new Children()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
try {
  const contender = await startContender('service', {
    children,
    receiverPort: 9, // nothing listens there: this is about what comes in
    nodeFlags: [],
    subscription: { paused: true },
  })
  const { pid } = contender.child
  const url = `http://127.0.0.1:${contender.port}${contender.path}`
  const id = Number(contender.path.split('/').at(-1))
  const beforeMb = residentMb(pid, 'VmRSS')
  const stalled = Array.from({ length: sockets }, () => stall(contender.port, id))
  const answers = new Map<number, number>()
  let slowestMs = 0
  const isDone = (socket: Socket) => socket.closed || (socket.writableLength === 0 && !socket.connecting)
  let until = Number.POSITIVE_INFINITY
  while (performance.now() < until) {
    if (until === Number.POSITIVE_INFINITY && stalled.every(isDone))
      until = performance.now() + seconds * 1000
    const sentAt = performance.now()
    const { status } = await fetch(url, {
      method: 'POST',
      body: 'event',
      signal: AbortSignal.timeout(60_000),
    })
    slowestMs = Math.max(slowestMs, performance.now() - sentAt)
    answers.set(status, (answers.get(status) ?? 0) + 1)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  const peakMb = residentMb(pid, 'VmHWM')
  const open = stalled.filter(socket => !socket.closed).length
  console.log(`${sockets} clients send ${sent} bytes of a body of ${declared}, and then nothing.\n`)
  console.log(`| before, MB | peak, MB | still open | others: answers | slowest, ms |\n|---|---|---|---|---|`)
  const said = [...answers].map(([status, count]) => `${count} × ${status}`).join(', ')
  console.log(`| ${beforeMb} | ${peakMb} | ${open} | ${said} | ${Math.round(slowestMs)} |`)
  console.log(`\n${JSON.stringify({ machine: readMachine(), beforeMb, peakMb, open, slowestMs })}`)
  for (const socket of stalled) socket.destroy()
  await contender.stop()
} finally {
  children.killAll()
}
