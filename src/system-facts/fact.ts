/** What the service tells of itself. */
export const systemEventTypes = [
  'subscription.failing',
  'subscription.disabled',
  'subscription.recovered',
  'subscription.certificate_expiring',
  'subscription.inbound_rejecting',
  'delivery.given_up',
  'source.rejecting',
] as const
export type SystemEventType = (typeof systemEventTypes)[number]

/** The tenant that gets all of them, and of whose own things nothing is told. */
export const systemTenant = 'system'

/** How a subscription got well: a delivery succeeded, or a person resumed it. */
export type RecoveredBy = 'success' | 'resumed'

/** A fact, with what it is about. */
export interface FactRow {
  readonly id: string
  readonly type: SystemEventType
  readonly at: Date
  readonly data: Readonly<Record<string, unknown>> | null
  /** Undefined: it is about none. */
  readonly subscription?: FactSubscription | undefined
  /** Undefined: it is about none. */
  readonly delivery?: FactDelivery | undefined
}

export interface FactSubscription {
  readonly id: number
  readonly tenant: string
  readonly uid: string | null
  readonly target_url: string
  /** Of one that was deleted: unknown, as null. */
  readonly description: string | null
  readonly event_types: readonly string[] | null
}

export interface FactDelivery {
  readonly webhook_id: string
  /** Whether its event is still stored. */
  readonly is_stored: boolean
  /** Its event tells of a fact itself. */
  readonly is_system: boolean
  readonly event_type: string | null
  /** Of the row of the log, which may be gone: null. */
  readonly attempt: number | null
  readonly verdict: string | null
  readonly trigger: string | null
  readonly http_status: number | null
  readonly error_class: string | null
  readonly error: string | null
}
