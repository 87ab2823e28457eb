import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import { type Caller, type KeyScope, keyScopes, Reach } from '../model/caller.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route; given to each route by the table of the server. */
    access?: Access
  }
  interface FastifyRequest {
    /** Who sent the request; null where nobody is asked. */
    caller: Caller | null
  }
}

/**
 * Who may call a route:
 * - `open`: anyone, nobody is asked
 * - `own`: the route asks by itself (a signature may take the place of a key)
 * - `any`: whoever has a key
 * - `publish`, `read`, `write`: whoever may send events, read, or change what a tenant has
 * - `keys`: whoever may change what a tenant has, with a key of their own: who manages keys and tokens, or sees secrets
 * - `read_all`: who may read and is not bound to one tenant
 * - `admin`: an operator
 */
export type Access = 'open' | 'own' | 'any' | 'publish' | 'read' | 'write' | 'keys' | 'read_all' | 'admin'

const scopesFor: Readonly<Record<Access, readonly KeyScope[]>> = {
  open: keyScopes,
  own: keyScopes,
  any: keyScopes,
  publish: ['admin', 'tenant', 'publish'],
  read: ['admin', 'tenant', 'read'],
  write: ['admin', 'tenant'],
  keys: ['admin', 'tenant'],
  read_all: ['admin', 'read'],
  admin: ['admin'],
}

/** Who may call routes of a kind, in a sentence for the document of the API. */
export const accessSentences: Readonly<Record<Access, string>> = {
  open: 'Needs no key.',
  own: 'Needs a key with scope `admin`, `tenant` or `publish`, or the signature of the subscription.',
  any: 'Needs any key.',
  publish: 'Needs a key with scope `admin`, `tenant` or `publish`.',
  read: 'Needs a key with scope `admin`, `tenant` or `read`.',
  write: 'Needs a key with scope `admin` or `tenant`.',
  keys: 'Needs a key with scope `admin` or `tenant`; a portal token is not enough.',
  read_all: 'Needs a key with scope `admin`, or with scope `read` for all tenants.',
  admin: 'Needs a key with scope `admin`.',
}

/** Whether a caller may call routes of this kind. What they may see and change there is another matter: their reach. */
export function mayCall({ actor, scope, reach }: Caller, access: Access): boolean {
  if (!scopesFor[access].includes(scope)) return false
  if (access === 'keys') return actor.kind !== 'portal_token'
  return access !== 'read_all' || reach.tenant === null
}

/** The refusal for a caller whose key is valid, and not for this. */
export function notForThisKey({ actor, scope, reach }: Caller, access: Access): AppError {
  if (actor.kind === 'portal_token') {
    const detail =
      scope === 'read' && scopesFor[access].includes('tenant')
        ? 'This portal token may read only.'
        : 'A portal token is not for this. Use an API key.'
    return new AppError('forbidden', detail)
  }
  const wanted = access === 'read_all' ? ['admin', 'read of all tenants'] : scopesFor[access]
  const held = reach.tenant === null ? scope : `${scope} of tenant ${reach.tenant}`
  return new AppError('forbidden', `This key has the scope ${held}. This needs ${wanted.join(' or ')}.`)
}

/** Who sent a request, on a route that asks. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new Error('a route that asks who calls was called without the hook')
  return request.caller
}

/**
 * The caller with the reach of this request: one tenant, where the request names one.
 *
 * @param named by the request, if it names a tenant
 * @throws AppError forbidden for a tenant that is not the caller's
 */
export function callerFor(request: FastifyRequest, named?: string): Caller {
  const caller = callerOf(request)
  if (named === undefined) return caller
  if (!caller.reach.has(named))
    throw new AppError(
      'forbidden',
      `This key is for tenant ${caller.reach.tenant} only. Leave the tenant out, or use a key that is for ${named}.`,
    )
  return { ...caller, reach: Reach.of(named) }
}

/** Whose things a request may read. @throws AppError as `callerFor` */
export function reachOf(request: FastifyRequest, named?: string): Reach {
  return callerFor(request, named).reach
}
