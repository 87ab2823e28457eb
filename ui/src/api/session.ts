import { useQuery } from '@tanstack/react-query'
import { call, fetchApi } from './client.ts'
import type { Me } from './schema.ts'

/** What the page is told of the service before it knows who asks. */
export interface DashboardConfig {
  readonly version: string
  /** `keys`: a key has to be given; `none`: everyone is the operator. */
  readonly auth: 'keys' | 'none'
  readonly portal: PortalLook
}

/** How a tenant's own page looks, as the settings say. */
export interface PortalLook {
  readonly name: string
  /** Such as `#0055ff`. */
  readonly accent?: string
  /** A picture: in the settings its path beside the page, in `useBrand` its address. */
  readonly logo?: string
  /** The origins whose pages may show it in a frame. */
  readonly frame_ancestors: readonly string[]
}

const here = (path: string) => new URL(path, document.baseURI)

export function useConfig() {
  return useQuery({
    queryKey: ['config'],
    queryFn: async (): Promise<DashboardConfig> => (await fetchApi(here('config.json'), {})).json(),
    staleTime: Number.POSITIVE_INFINITY,
  })
}

/** Who is asking, and what they may do. */
export function useMe() {
  return useQuery({ queryKey: ['getMe'], queryFn: () => call('getMe'), staleTime: 60_000, retry: false })
}

/** Exchanges a key for a session. The key itself is kept nowhere. @throws ApiProblem */
export async function signIn(key: string): Promise<void> {
  await fetchApi(here('session'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key }),
  })
}

export async function signOut(): Promise<void> {
  await fetchApi(here('session'), { method: 'DELETE' })
}

export type Need = 'any' | 'publish' | 'read' | 'write' | 'keys' | 'read_all' | 'admin'

/** Whether somebody may do things of this kind: what they may not is not shown. The service decides, not this. */
export function can({ actor, scope, tenant }: Me, need: Need): boolean {
  if (need === 'any') return true
  if (need === 'publish') return scope !== 'read'
  if (need === 'read') return scope !== 'publish'
  if (need === 'write') return scope === 'admin' || scope === 'tenant'
  if (need === 'keys') return (scope === 'admin' || scope === 'tenant') && actor.kind !== 'portal_token'
  if (need === 'read_all') return (scope === 'admin' || scope === 'read') && tenant === null
  return scope === 'admin'
}
