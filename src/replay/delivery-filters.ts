import { type Static, Type } from 'typebox'
import { type AppError, validationFailed } from '../errors.ts'
import {
  parseTime,
  subscriptionIdParameter,
  tenantParameter,
  timeParameter,
  wordsParameter,
} from '../http/parameters.ts'
import type { Reach } from '../model/caller.ts'
import { type ErrorClass, errorClasses } from '../model/outcome.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { type DeliveryQuery, type DeliveryState, deliveryStates } from './deliveries.ts'

/** By which deliveries are listed, and discarded. */
export const deliveryFilters = {
  state: Type.Optional(
    wordsParameter(
      deliveryStates,
      'One or several, with commas between; left out: `pending,failed`, what is owed or dead',
      'failed',
    ),
  ),
  subscription_id: Type.Optional(
    Type.Unsafe<number | string>({
      ...subscriptionIdParameter,
      description: 'Only those to this subscription: its id, or `uid:` and its uid',
    }),
  ),
  tenant: Type.Optional(tenantParameter),
  error_class: Type.Optional(
    Type.Unsafe<ErrorClass>({
      type: 'string',
      enum: [...errorClasses],
      description: 'Only those whose last attempt failed in this way',
    }),
  ),
  since: Type.Optional(timeParameter('Events accepted from then on')),
  until: Type.Optional(timeParameter('Events accepted before then')),
}
const DeliveryFilters = Type.Object(deliveryFilters)
/** Whether a filter has any field. */
export function isNarrow(filter: Readonly<Record<string, unknown>>): boolean {
  return Object.values(filter).some(value => value !== undefined)
}

/** All there is, chosen by saying nothing, is more often a mistake than a wish. */
export function nothingChosen(pointer: string, hint: string): AppError {
  const all = pointer === '' ? '"all": true' : '{"state": "failed"}'
  return validationFailed([
    { pointer, detail: `${hint}, or ${all} for everything. Count with dry_run first.` },
  ])
}

/** @throws AppError not_found, validation_failed */
export async function queryOf(
  filters: Omit<Static<typeof DeliveryFilters>, 'tenant'>,
  reach: Reach,
  subscriptions: Subscriptions,
): Promise<DeliveryQuery> {
  const { subscription_id: named } = filters
  const states = (filters.state ?? 'pending,failed').split(',') as DeliveryState[] // its pattern holds no other word
  const since = filters.since === undefined ? undefined : parseTime(filters.since, 'since')
  const until = filters.until === undefined ? undefined : parseTime(filters.until, 'until')
  if (since !== undefined && until !== undefined && since >= until) {
    throw validationFailed([{ pointer: 'until', detail: 'Give a time after since.' }])
  }
  return {
    states: [...new Set(states)],
    subscriptionId:
      named === undefined ? undefined : await subscriptions.idIn(reach, String(named), 'subscription_id'),
    errorClass: filters.error_class,
    since,
    until,
  }
}
