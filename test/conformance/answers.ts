import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Answer } from './misbehaving-receiver.ts'

/** A well-formed answer. @param headers lines */
export function answer(status: number, headers: readonly string[] = [], body = ''): Answer {
  return say(http(status, [...headers, `content-length: ${Buffer.byteLength(body)}`], body))
}

/** These bytes; the connection stays open. */
export function say(text: string | Buffer): Answer {
  return socket => {
    socket.write(text)
  }
}

/** These bytes, and the connection is closed. */
export function sayAndClose(text: string): Answer {
  return socket => {
    socket.end(text)
  }
}

export function http(status: number, headers: readonly string[] = [], body = ''): string {
  return [`HTTP/1.1 ${status} Said`, ...headers, '', body].join('\r\n')
}

/** First this, then that, in packets of their own. */
export function inTurn(...texts: readonly string[]): Answer {
  return async socket => {
    for (const text of texts) {
      socket.write(text)
      await sleep(30)
    }
  }
}

export const hang: Answer = () => {}

export function reset(...first: readonly string[]): Answer {
  return async socket => {
    for (const text of first) socket.write(text)
    if (first.length > 0) await sleep(50) // a reset drops what has not been read
    socket.resetAndDestroy()
  }
}

/** Says the beginning, then one piece every few milliseconds, for as long as anybody listens. */
export function drip(beginning: string, piece: string): Answer {
  return forEver(beginning, piece, 20)
}

/** As fast as it is read, without end. */
export function flood(beginning: string): Answer {
  return forEver(beginning, 'x'.repeat(65_536), 0)
}

function forEver(beginning: string, piece: string, everyMs: number): Answer {
  return async socket => {
    socket.write(beginning)
    while (isOpen(socket)) {
      const hasRoom = socket.write(piece)
      await sleep(hasRoom ? everyMs : 5)
    }
  }
}

function isOpen(socket: Socket): boolean {
  return !socket.destroyed && socket.writable
}

/** 100 MB of zeros in some 100 kB, said to be gzip. Packed beforehand, since the time of the attempt runs meanwhile. */
export function gzipBomb(): Answer {
  const megabyte = gzipSync(Buffer.alloc(1_000_000))
  const body = Buffer.concat(Array.from({ length: 100 }, () => megabyte)) // a file of gzip may have many members
  const head = http(500, ['content-encoding: gzip', `content-length: ${body.length}`])
  return say(Buffer.concat([Buffer.from(head), body]))
}
