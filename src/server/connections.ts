import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { clientOf } from '../http/client-address.ts'

interface Connection {
  readonly socket: Socket
  /** When it was opened, or its last request ended; or when the present one began. On the monotonic clock. */
  since: number
  /** Of the request that is under way, the last one where several are. */
  response: ServerResponse | undefined
}

/** Room is made for this part of all connections at once, so that the search for whom to close is rare. */
const roomPart = 1 / 16

/**
 * The connections of clients, bounded in number. A new one that finds no room takes the place of others: of the client
 * that has most, those that have been waiting longest for something of it (a request, the rest of one, or that it reads its
 * answer). A connection whose request is being worked on is never closed. So a client that opens many has them while
 * nobody else needs one, and a proxy, which brings all of them, needs no setting.
 */
export class Connections {
  readonly #max: number
  readonly #bySocket = new Map<Socket, Connection>()

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#bySocket.size
  }

  /** Takes a new connection. @returns false when there is no room for it, nor can be made */
  open(socket: Socket): boolean {
    if (this.#bySocket.size >= this.#max) this.#makeRoom(clientOf(socket.remoteAddress))
    if (this.#bySocket.size >= this.#max) return false
    this.#bySocket.set(socket, { socket, since: performance.now(), response: undefined })
    socket.once('close', () => this.#bySocket.delete(socket))
    return true
  }

  /** A request has come, with its headers; its body may not be there yet. */
  begin(socket: Socket, response: ServerResponse): void {
    const connection = this.#bySocket.get(socket)
    if (connection === undefined) return
    connection.response = response
    connection.since = performance.now()
    response.on('close', () => {
      if (connection.response !== response) return
      connection.response = undefined
      connection.since = performance.now()
    })
  }

  /**
   * Closes those over which nothing has come since they were opened. Browsers open connections ahead of their need, and
   * Node does not take these for idle: a stop would wait for them.
   */
  closeUnused(openForMs: number): void {
    const before = performance.now() - openForMs
    for (const { socket, since, response } of [...this.#bySocket.values()])
      if (response === undefined && socket.bytesRead === 0 && since < before) socket.destroy()
  }

  /** Only of clients that have at least as many connections as the one that asks for room. */
  #makeRoom(asking: string): void {
    const byClient = Map.groupBy(this.#bySocket.values(), ({ socket }) => clientOf(socket.remoteAddress))
    const fewest = byClient.get(asking)?.length ?? 0
    let wanted = Math.max(1, Math.floor(this.#max * roomPart))
    const clients = [...byClient.values()].sort((a, b) => b.length - a.length)
    for (const [index, connections] of clients.entries()) {
      if (connections.length < fewest) return
      // Not below what the next client has: then both have the same right.
      const next = Math.max(fewest, clients[index + 1]?.length ?? 0)
      const waiting = connections.filter(isWaiting).sort((a, b) => a.since - b.since)
      for (const { socket } of waiting.slice(0, Math.min(wanted, Math.max(1, connections.length - next)))) {
        this.#bySocket.delete(socket)
        socket.destroy()
        wanted--
      }
      if (wanted <= 0 || this.#bySocket.size < this.#max) return
    }
  }
}

/** Whether it is the client's turn to do something. */
function isWaiting({ response }: Connection): boolean {
  return response === undefined || !response.req.complete || response.writableEnded
}
