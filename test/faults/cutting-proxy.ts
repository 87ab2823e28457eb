import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Where connections go through, and are cut. */
export class CuttingProxy {
  /** Connections that were cut in the middle of what was being said. */
  cuts = 0
  /** Connections on which a request went through, and its answer was thrown away. */
  swallowed = 0
  readonly #target: number
  readonly #bytes: () => number
  readonly #open = new Set<Socket>()
  readonly #server: Server
  #isCutting = false

  /** @param bytes after how many a connection is cut */
  constructor(target: number, bytes: () => number) {
    this.#target = target
    this.#bytes = bytes
    this.#server = createServer(socket => this.#pass(socket))
  }

  /** @returns the port */
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port // it listens on TCP
  }

  begin(): void {
    this.#isCutting = true
  }

  end(): void {
    this.#isCutting = false
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #pass(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1')
    const cut = () => {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
    for (const socket of [near, far]) {
      this.#open.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#open.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    let left = this.#bytes()
    // Half of the connections lose an answer: what was asked for is done, and nobody hears of it.
    const swallows = Math.random() < 0.5
    const forward = (chunk: Buffer, to: Socket, isAnswer: boolean) => {
      if (!this.#isCutting || chunk.length < left) {
        if (this.#isCutting) left -= chunk.length
        to.write(chunk)
        return
      }
      if (!swallows) {
        this.cuts++
        to.write(chunk.subarray(0, left), cut)
        left = 0
      } else if (isAnswer) {
        this.swallowed++
        cut()
      } else {
        to.write(chunk) // its answer is the one
      }
    }
    near.on('data', (chunk: Buffer) => forward(chunk, far, false))
    far.on('data', (chunk: Buffer) => forward(chunk, near, true))
  }
}
