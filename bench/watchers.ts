// Readers of the event stream, in a process of their own, which throw away what they are told.
import { connect } from 'node:net'
import type { Reply } from './protocol.ts'

const port = Number(process.env.BENCH_PORT)
const count = Number(process.env.BENCH_WATCHERS)

let open = 0
for (let n = 0; n < count; n++) {
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /stream HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n')
  socket.once('data', first => {
    if (!first.toString('latin1').startsWith('HTTP/1.1 200')) throw new Error(first.toString('latin1'))
    if (++open === count) process.send?.({ kind: 'ready', port } satisfies Reply)
  })
  socket.on('data', () => {})
  socket.on('error', () => {}) // the service has ended
}
