import type { FastifyInstance } from 'fastify'

/**
 * Puts the base path before the paths in `Location` and `Link`: a client follows them as they are, from the address at
 * which it reaches this service. Routes know nothing of it.
 *
 * @param basePath empty, or such as `/hooks`; without one nothing is added to the way of an answer
 */
export function leadThroughBase(app: FastifyInstance, basePath: string): void {
  if (basePath === '') return
  app.addHook('onSend', (_request, reply, payload, done) => {
    const location = reply.getHeader('location')
    if (typeof location === 'string' && location.startsWith('/'))
      reply.header('location', basePath + location)
    const link = reply.getHeader('link')
    if (typeof link === 'string') reply.header('link', link.replaceAll('</', `<${basePath}/`))
    done(null, payload)
  })
}
