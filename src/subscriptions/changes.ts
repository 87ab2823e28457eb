import { differences, type FieldChange, type Fields, secretDifferences } from '../audit/changes.ts'
import { authShown } from './auth.ts'
import { answer, type SubscriptionDefaults } from './rules.ts'
import type { SubscriptionRow } from './store.ts'

/**
 * What a change of a subscription is in the audit log: the fields that people set, with the names and values of the API.
 * Of what is sealed only that it differs.
 */
export function subscriptionChanges(
  before: SubscriptionRow | undefined,
  after: SubscriptionRow | undefined,
  defaults: SubscriptionDefaults,
): readonly FieldChange[] {
  return [
    ...differences(shown(before, defaults), shown(after, defaults)),
    ...secretDifferences(sealed(before), sealed(after)),
  ]
}

function shown(row: SubscriptionRow | undefined, defaults: SubscriptionDefaults): Fields {
  if (row === undefined) return undefined
  // A deletion or a new one says all the rest; these are of the entry itself, the service's own, or secrets.
  const {
    id: _id,
    tenant: _tenant,
    secret: _secret,
    signing_secret: _signingSecret,
    headers: _headers,
    state_since: _since,
    created_at: _created,
    updated_at: _updated,
    version: _version,
    ...fields
  } = answer(row, defaults)
  return { ...fields, auth: authShown(row.auth) }
}

function sealed(row: SubscriptionRow | undefined): Fields {
  if (row === undefined) return undefined
  const headers = Object.entries(row.headers).map(([name, value]) => [`headers.${name}`, value])
  return {
    secret: row.secret,
    signing_secret: row.signing_secrets[0]?.sealed,
    'inbound.secrets': row.inbound?.secrets,
    ...Object.fromEntries(headers),
    ...Object.fromEntries(
      Object.entries(row.auth?.sealed ?? {}).map(([name, value]) => [`auth.${name}`, value]),
    ),
  }
}
