import { createSocket } from 'node:dgram'
import { once } from 'node:events'

/** What the server says of a name: its addresses, or how it fails. */
export type NameAnswer = readonly string[] | 'unknown' | 'silent' | 'broken'

/** A name server on UDP, on the loopback, that knows what a test tells it and counts what it is asked. */
export interface DnsServer extends AsyncDisposable {
  /** `address:port`, for the resolver. */
  readonly address: string
  /** The questions so far, as `A name` or `AAAA name`. */
  readonly questions: readonly string[]
  /** Names in lower case; may be changed at any time. What is not in it is unknown. */
  readonly names: Map<string, NameAnswer>
}

const typeA = 1
const typeAaaa = 28

export async function startDnsServer(
  names: Readonly<Record<string, NameAnswer>>,
  { ttlSeconds = 60 } = {},
): Promise<DnsServer> {
  const table = new Map(Object.entries(names))
  const questions: string[] = []
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const { name, type, end } = question(query)
    questions.push(`${type === typeA ? 'A' : 'AAAA'} ${name}`)
    const answer = table.get(name.toLowerCase()) ?? 'unknown'
    if (answer === 'silent') return
    socket.send(response(query.subarray(0, end), answer, type, ttlSeconds), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    address: `127.0.0.1:${socket.address().port}`,
    questions,
    names: table,
    async [Symbol.asyncDispose]() {
      await new Promise<void>(resolve => socket.close(resolve))
    },
  }
}

/** The one question of a query (RFC 1035, 4.1.2), and where it ends. */
function question(query: Buffer): { readonly name: string; readonly type: number; readonly end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.'), type: query.readUInt16BE(at + 1), end: at + 5 }
}

/** @param head the header and the question of the query, which the response repeats */
function response(
  head: Buffer,
  answer: Exclude<NameAnswer, 'silent'>,
  type: number,
  ttlSeconds: number,
): Buffer {
  const addresses =
    typeof answer === 'string' ? [] : answer.filter(address => address.includes(':') === (type === typeAaaa))
  const code = answer === 'unknown' ? 3 : answer === 'broken' ? 2 : 0
  const header = Buffer.from(head)
  header.writeUInt16BE(0x8580 | code, 2) // a response, authoritative, recursion available
  header.writeUInt16BE(addresses.length, 6)
  header.writeUInt32BE(0, 8)
  return Buffer.concat([header, ...addresses.map(address => record(address, type, ttlSeconds))])
}

function record(address: string, type: number, ttlSeconds: number): Buffer {
  const data = bytesOf(address)
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc00c, 0) // the name of the question
  head.writeUInt16BE(type, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(ttlSeconds, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function bytesOf(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number))
  const { hostname } = new URL(`http://[${address}]`)
  const [head = '', tail] = hostname.slice(1, -1).split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const [before, after] = [groups(head), groups(tail ?? '')]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return Buffer.from([...before, ...zeros, ...after].map(group => group.padStart(4, '0')).join(''), 'hex')
}
