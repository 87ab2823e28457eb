import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/**
 * A CONNECT proxy to which every name is this machine.
 *
 * @param port 0: any that is free
 * @param leadsTo the port that it connects to; undefined: that which is asked for
 */
export async function startProxy(t: Pick<TestContext, 'after'>, status = 200, port = 0, leadsTo?: number) {
  const asked: { readonly to: string | undefined; readonly authorization: string | undefined }[] = []
  const sockets = new Set<Socket>()
  const server = createServer()
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push({ to: request.url, authorization: request.headers['proxy-authorization'] })
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status} No\r\n\r\n`)
      return
    }
    const onward = connect(leadsTo ?? Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    for (const one of [socket, onward]) {
      sockets.add(one)
      one.on('error', () => socket.destroy())
    }
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { asked, address: `127.0.0.1:${(server.address() as AddressInfo).port}` } // it listens on TCP
}
