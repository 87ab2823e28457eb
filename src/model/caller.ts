/**
 * Whose things may be read and changed: those of one tenant, or those of all. Every query about what a tenant has takes a
 * reach, so that none can be asked without saying for whom.
 */
export class Reach {
  /** For operators. */
  static readonly all = new Reach(null)

  /** For SQL: null stands for all tenants. */
  readonly tenant: string | null

  private constructor(tenant: string | null) {
    this.tenant = tenant
  }

  static of(tenant: string): Reach {
    return new Reach(tenant)
  }

  has(tenant: string): boolean {
    return this.tenant === null || this.tenant === tenant
  }
}

/**
 * What a key is for: `admin` may do everything, `tenant` everything of one tenant, `publish` may send events of one tenant,
 * `read` may read what one tenant has, or all of them.
 */
export const keyScopes = ['admin', 'tenant', 'publish', 'read'] as const
export type KeyScope = (typeof keyScopes)[number]

/** Who did something, for the audit log. */
export interface Actor {
  readonly kind: 'operator' | 'key' | 'portal_token'
  /** Of the key or token; null for an operator without one. */
  readonly id: string | null
  readonly name: string
}

/** Who sent a request, and what they may do. */
export interface Caller {
  readonly actor: Actor
  readonly scope: KeyScope
  readonly reach: Reach
  /** Unix milliseconds from which on the key is refused; null: never. */
  readonly expiresAt: number | null
}

/** Whoever can reach the service, where no keys are asked for; and the service's own commands. */
export const localOperator: Caller = {
  actor: { kind: 'operator', id: null, name: 'operator' },
  scope: 'admin',
  reach: Reach.all,
  expiresAt: null,
}

/** The service by itself, for what it goes on with. */
export const theService: Caller = {
  ...localOperator,
  actor: { kind: 'operator', id: null, name: 'the service' },
}

/** Who runs a command of `webhooks` on the machine itself. */
export const commandLine: Actor = { kind: 'operator', id: null, name: 'command line' }

/** The tenant that always exists. What is made for nobody in particular is its. */
export const defaultTenant = 'default'
