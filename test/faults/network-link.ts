import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Which way bytes go: from the service to a server, or back. */
export type Direction = 'there' | 'back'

/** What a link does to what is sent over it. */
export type Trouble =
  | { readonly kind: 'none' }
  /**
   * Nothing arrives any more in these directions, and nobody is told. What is sent is kept, as TCP keeps it, and arrives
   * when the trouble is over, also when its sender has given up meanwhile.
   */
  | { readonly kind: 'silent'; readonly directions: readonly Direction[] }
  /** All connections are reset, and so is each new one. */
  | { readonly kind: 'refusing' }
  /**
   * Each piece takes this long. A lost one (this share of them) is sent again by TCP after 0.2 s, or later; what is
   * behind it waits for it.
   */
  | { readonly kind: 'slow'; readonly delayMs: () => number; readonly lossShare: number }

const retransmitMs = 200

/** The way of one host to one server: a proxy that connections go through, and that troubles come to. */
export class NetworkLink {
  readonly #target: number
  readonly #open = new Set<Socket>()
  readonly #pipes = new Set<Pipe>()
  readonly #server: Server
  #trouble: Trouble = { kind: 'none' }

  /** @param target the port of the server */
  constructor(target: number) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, near => this.#pass(near))
  }

  /** @returns the port on which the server is found through this link */
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port // it listens on TCP
  }

  /** From now on. What was kept by the trouble before goes on its way. */
  set trouble(trouble: Trouble) {
    this.#trouble = trouble
    if (trouble.kind === 'refusing') this.reset()
    for (const pipe of this.#pipes) pipe.pump()
  }

  /** Resets all connections, and forgets what they carried: as a firewall that was restarted. */
  reset(): void {
    for (const socket of this.#open) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    this.reset()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #pass(near: Socket): void {
    this.#keep(near)
    if (this.#trouble.kind === 'refusing') {
      near.resetAndDestroy()
      return
    }
    const far = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.#keep(far)
    const pipes = [this.#pipe(near, far, 'there'), this.#pipe(far, near, 'back')]
    for (const socket of [near, far]) {
      socket.on('close', () => {
        if (near.destroyed && far.destroyed) for (const pipe of pipes) this.#pipes.delete(pipe)
      })
    }
  }

  #keep(socket: Socket): void {
    this.#open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#open.delete(socket))
  }

  #pipe(from: Socket, to: Socket, direction: Direction): Pipe {
    const pipe = new Pipe(from, to, {
      isSilent: () => this.#trouble.kind === 'silent' && this.#trouble.directions.includes(direction),
      takesMs: () => this.#pieceMs(),
    })
    this.#pipes.add(pipe)
    return pipe
  }

  #pieceMs(): number {
    const trouble = this.#trouble
    if (trouble.kind !== 'slow') return 0
    let ms = trouble.delayMs()
    for (let again = retransmitMs; Math.random() < trouble.lossShare; again *= 2) ms += again
    return ms
  }
}

interface Passage {
  readonly isSilent: () => boolean
  /** How long the next piece takes. */
  readonly takesMs: () => number
}

/** One direction of one connection: what comes in goes out in the same order, its end last. */
class Pipe {
  readonly #to: Socket
  readonly #passage: Passage
  readonly #kept: { readonly send: () => void; readonly at: number }[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, passage: Passage) {
    this.#to = to
    this.#passage = passage
    from.on('data', (chunk: Buffer) => this.#add(() => to.write(chunk)))
    from.on('end', () => this.#add(() => to.end()))
    from.on('close', hadError => this.#add(() => (hadError ? to.resetAndDestroy() : to.destroySoon())))
  }

  /** Sends on what may pass by now. */
  pump(): void {
    clearTimeout(this.#timer)
    for (let next = this.#kept[0]; next && !this.#passage.isSilent(); next = this.#kept[0]) {
      const waitMs = next.at - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), waitMs)
        return
      }
      this.#kept.shift()
      if (!this.#to.destroyed) next.send()
    }
  }

  #add(send: () => void): void {
    const at = Math.max(this.#kept.at(-1)?.at ?? 0, performance.now() + this.#passage.takesMs())
    this.#kept.push({ send, at })
    this.pump()
  }
}
