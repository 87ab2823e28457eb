import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { eventually } from './eventually.ts'

/** A host and port that answer nothing at all to whoever wants to connect, as behind a firewall that drops packets. */
export interface BlackHole extends AsyncDisposable {
  readonly origin: string
}

/** A listener whose thread sleeps, so that it accepts nobody, behind a queue that has no place left. */
export async function startBlackHole(): Promise<BlackHole> {
  const state = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
     const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       setImmediate(() => {
         Atomics.store(workerData, 0, 1)
         Atomics.wait(workerData, 0, 1)
       })
     })`,
    { eval: true, workerData: state },
  )
  const [port] = (await once(worker, 'message')) as [number] // as it is posted above
  await eventually(() => Atomics.load(state, 0) === 1) // from here on it runs nothing more
  const queued = [1, 2, 3, 4].map(() => connect(port, '127.0.0.1').on('error', () => {}))
  await Promise.race([once(queued[1] ?? worker, 'connect'), sleep(2000)]) // the queue takes the first two
  return {
    origin: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of queued) socket.destroy()
      await worker.terminate()
    },
  }
}
