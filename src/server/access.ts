import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Access } from '../http/access.ts'

/**
 * Who may call which route: every route is in this table, and a server with one that is not does not start. `GET` stands
 * for `HEAD`, too; an entry that ends with `*` stands for all that begin so.
 */
export const access: Readonly<Record<string, Access>> = {
  'GET /livez': 'open',
  'GET /readyz': 'open',
  'GET /healthz': 'open',

  'GET /': 'open',
  'GET /errors/:code': 'open',
  'GET /openapi.json': 'open',
  'GET /docs*': 'open',
  'GET /redoc*': 'open',
  'GET /ui*': 'open',
  'POST /ui/session': 'own',
  'DELETE /ui/session': 'own',

  'POST /ingest/:id': 'own',
  'POST /events': 'publish',
  'DELETE /events/:webhook_id': 'publish',
  'POST /events/batch': 'publish',

  'GET /subscriptions/': 'read',
  'POST /subscriptions/': 'write',
  'GET /subscriptions/:id': 'read',
  'PUT /subscriptions/:id': 'write',
  'PATCH /subscriptions/:id': 'write',
  'DELETE /subscriptions/:id': 'write',
  'POST /subscriptions/:id/rotate-secret': 'write',
  'POST /subscriptions/:id/reveal-secret': 'keys',
  'POST /subscriptions/:id/pause': 'write',
  'POST /subscriptions/:id/resume': 'write',

  'GET /events': 'read',
  'GET /events/:webhook_id': 'read',
  'GET /events/:webhook_id/payload': 'read',
  'DELETE /events/:webhook_id/payload': 'write',
  'POST /events/expunge': 'write',
  'GET /events/expunges': 'read',
  'GET /events/expunges/:id': 'read',

  'GET /status/:webhook_id': 'read',
  'GET /logs/:subscription_id': 'read',
  'GET /attempts/:id': 'read',
  'POST /filters/test': 'read',
  'GET /stream': 'read',

  'GET /event-types': 'read',
  'GET /event-types/openapi.json': 'read',
  'POST /event-types/import': 'write',
  'GET /event-types/:name': 'read',
  'PUT /event-types/:name': 'write',
  'DELETE /event-types/:name': 'write',

  'GET /sources/presets': 'any',
  'GET /sources': 'read',
  'POST /sources': 'write',
  'GET /sources/:id': 'read',
  'PATCH /sources/:id': 'write',
  'DELETE /sources/:id': 'write',
  'POST /sources/:id/rotate-secret': 'write',
  'GET /sources/:id/refusals': 'read',
  // The signature is what lets in, or the address where there is none.
  'GET /in/:token': 'open',
  'POST /in/:token': 'open',
  'OPTIONS /in/:token': 'open',

  'GET /audit': 'read',

  'GET /stats': 'read',
  'GET /stats/subscriptions': 'read',
  'GET /subscriptions/:id/stats': 'read',
  'GET /subscriptions/:id/ordering-keys': 'read',
  'GET /subscriptions/:id/inbound-refusals': 'read',

  'POST /events/:webhook_id/replay': 'write',
  'POST /events/:webhook_id/try-now': 'write',
  'GET /replays': 'read',
  'POST /replays': 'write',
  'GET /replays/:id': 'read',
  'POST /replays/:id/cancel': 'write',
  'POST /subscriptions/:id/recover': 'write',
  'GET /deliveries': 'read',
  'POST /deliveries/discard': 'write',

  // Public keys are no secret.
  'GET /subscriptions/:id/jwks.json': 'open',
  'POST /subscriptions/:id/verify': 'write',
  'POST /subscriptions/:id/test': 'write',
  'POST /subscriptions/test': 'write',
  'GET /test-receivers': 'read',
  'POST /test-receivers': 'write',
  'GET /test-receivers/:id': 'read',
  'PATCH /test-receivers/:id': 'write',
  'DELETE /test-receivers/:id': 'write',
  'GET /test-receivers/:id/requests': 'read',
  // The address is what lets in.
  'GET /t/:token': 'open',
  'POST /t/:token': 'open',
  'PUT /t/:token': 'open',
  'PATCH /t/:token': 'open',
  'DELETE /t/:token': 'open',

  'GET /system': 'read_all',
  'GET /system/settings': 'read_all',
  'GET /system/storage': 'read_all',
  'GET /metrics': 'read_all',

  'GET /tenants': 'read',
  'POST /tenants': 'admin',
  'GET /tenants/:id': 'read',
  'PATCH /tenants/:id': 'admin',
  'DELETE /tenants/:id': 'admin',

  'GET /me': 'any',
  'GET /keys': 'keys',
  'POST /keys': 'keys',
  'GET /keys/:id': 'keys',
  'DELETE /keys/:id': 'keys',
  'POST /portal-tokens': 'keys',
  'DELETE /portal-tokens/:id': 'keys',
}

/**
 * Gives each route that is added from now on its entry of the table. A route that asks for a key, and names no parameters,
 * takes none: `POST /subscriptions/?tenant=acme` would else make one of another tenant, and say nothing.
 *
 * @throws when there is no entry
 */
export function giveAccess(app: FastifyInstance): void {
  app.addHook('onRoute', route => {
    for (const method of [route.method].flat()) {
      const found = accessTo(method, route.url)
      if (found === undefined) throw new Error(`${method} ${route.url} has no entry in src/server/access.ts`)
      route.config = { ...route.config, access: found }
      if (found === 'open' || found === 'own' || takesAnyParameter.includes(route.url)) continue
      route.schema = { querystring: noParameters, ...route.schema }
    }
  })
}

/** Who collects figures may be set up to send parameters. */
const takesAnyParameter: readonly string[] = ['/metrics']

const noParameters = Type.Object({}, { additionalProperties: false })

function accessTo(method: string, url: string): Access | undefined {
  const key = `${method === 'HEAD' ? 'GET' : method} ${url}`
  if (access[key] !== undefined) return access[key]
  const beginning = Object.keys(access).find(
    entry => entry.endsWith('*') && key.startsWith(entry.slice(0, -1)),
  )
  return beginning === undefined ? undefined : access[beginning]
}
