import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { clientOf } from '../http/client-address.ts'

interface Connection {
  readonly socket: Socket
  /** When it was opened, or its last request ended; or when the present one began. On the monotonic clock. */
  since: number
  /** Of the request that is under way. */
  response: ServerResponse | undefined
  /** What was sent before the answer to the present request has ended (HTTP pipelining), oldest first. */
  readonly following: Turn[]
}

/** A request whose turn is still to come. */
interface Turn {
  readonly response: ServerResponse
  readonly work: () => void
}

/**
 * At most this many requests of a connection wait for their turn. Clients that send ahead at all do so with a few; one
 * packet has room for two thousand, which take 4 KB each as Node has read them.
 */
const followingMax = 32

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
    this.#bySocket.set(socket, { socket, since: performance.now(), response: undefined, following: [] })
    socket.once('close', () => this.#bySocket.delete(socket))
    return true
  }

  /**
   * A request has come, with its headers; its body may not be there yet. Those of one connection are worked on one after the
   * other: begun together, each answer would wait in memory for the one before it, and for a client that reads none of
   * them (20 connections that asked 700 times for a page took 1 GB, without a key). Who sends too many ahead is
   * disconnected.
   */
  begin(socket: Socket, response: ServerResponse, work: () => void): void {
    const connection = this.#bySocket.get(socket)
    if (connection === undefined) {
      // One that had to make way is closed, and what else its last packet had is for nobody.
      if (!socket.destroyed) work()
    } else if (connection.response === undefined) this.#work(connection, { response, work })
    else if (connection.following.length < followingMax) connection.following.push({ response, work })
    else socket.destroy()
  }

  #work(connection: Connection, { response, work }: Turn): void {
    connection.response = response
    connection.since = performance.now()
    response.on('close', () => {
      connection.response = undefined
      connection.since = performance.now()
      const next = connection.following.shift()
      // It has no socket when the answer before it was the last one (`Connection: close`), or when the client has gone.
      if (next === undefined || next.response.socket === null || connection.socket.destroyed)
        connection.following.length = 0
      else this.#work(connection, next)
    })
    work()
  }

  /** The answer that is still owed to the last request that came whole, if any is. */
  lastWhole(socket: Socket): ServerResponse | undefined {
    const connection = this.#bySocket.get(socket)
    if (connection?.response === undefined) return undefined
    const responses = [connection.response, ...connection.following.map(({ response }) => response)]
    return responses.findLast(({ req }) => req.complete)
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
