import type { IncomingMessage, ServerResponse } from 'node:http'
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
  /** Requests that were more than may be sent ahead. They are not carried out, and neither is what comes after them. */
  dropped: number
}

/** A request whose turn is still to come. */
interface Turn {
  readonly response: ServerResponse
  readonly work: () => void
  /** What its body may take while it waits. */
  readonly bytes: number
}

/**
 * At most this many requests of a connection wait for their turn. Clients that send ahead at all do so with a few; one
 * packet has room for two thousand, which take 4 KB each as Node has read their heads.
 */
const followingMax = 32
/** A connection with more than that is ended behind those that wait, and at once when more than this were dropped. */
const droppedMax = 256

/** What the bodies of all requests that wait for their turn may take: nobody else counts them, as nobody reads them yet. */
const aheadBytesMax = 16_777_216
/** Node reads 64 KiB of a body that nobody reads, and the packet after that. */
const bodyBytesMax = 131_072

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
  #aheadBytes = 0

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
    const since = performance.now()
    this.#bySocket.set(socket, { socket, since, response: undefined, following: [], dropped: 0 })
    socket.once('close', () => this.#bySocket.delete(socket))
    return true
  }

  /**
   * A request has come, with its headers; its body may not be there yet. Those of one connection are worked on one after the
   * other: begun together, each answer would wait in memory for the one before it, and for a client that reads none of
   * them (20 connections that asked 700 times for a page took 1 GB, without a key). Of who sends too many ahead, those that
   * wait are answered, and the connection ends. The time that a request may take to arrive goes on while it waits.
   */
  begin(socket: Socket, response: ServerResponse, work: () => void): void {
    const connection = this.#bySocket.get(socket)
    if (connection === undefined) {
      // One that had to make way is closed, and what else its last packet had is for nobody.
      if (!socket.destroyed) work()
      return
    }
    if (connection.response === undefined && connection.dropped === 0) {
      this.#work(connection, response, work)
      return
    }
    const bytes = bodyBytesOf(response.req)
    const isRoom = connection.following.length < followingMax && this.#aheadBytes + bytes <= aheadBytesMax
    if (connection.dropped === 0 && isRoom) {
      this.#aheadBytes += bytes
      connection.following.push({ response, work, bytes })
    } else drop(connection)
  }

  #work(connection: Connection, response: ServerResponse, work: () => void): void {
    connection.response = response
    connection.since = performance.now()
    response.on('close', () => {
      connection.response = undefined
      connection.since = performance.now()
      const next = connection.following.shift()
      if (next === undefined) return
      this.#aheadBytes -= next.bytes
      // It has no socket when the answer before it was the last one (`Connection: close`), or when the client has gone.
      if (next.response.socket !== null && !connection.socket.destroyed)
        this.#work(connection, next.response, next.work)
      else for (const { bytes } of connection.following.splice(0)) this.#aheadBytes -= bytes
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

/** Ends a connection behind what is or will be answered: who hears nothing sends again what was carried out. */
function drop(connection: Connection): void {
  const { socket, response, following } = connection
  if (++connection.dropped > droppedMax) socket.destroy()
  if (connection.dropped > 1) return
  const last = following.at(-1)?.response ?? response
  if (last === undefined || last.headersSent) response?.once('close', () => socket.destroySoon())
  else last.shouldKeepAlive = false
}

/** What a body may take in memory while nobody reads it. */
function bodyBytesOf({ headers }: IncomingMessage): number {
  if (headers['transfer-encoding'] !== undefined) return bodyBytesMax
  return Math.min(bodyBytesMax, Number(headers['content-length'] ?? 0))
}

/** Whether it is the client's turn to do something. */
function isWaiting({ response }: Connection): boolean {
  return response === undefined || !response.req.complete || response.writableEnded
}
