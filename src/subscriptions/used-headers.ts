import type { Format } from '../model/format.ts'
import { setsAuthorization } from './auth.ts'
import type { AuthType } from './auth-schema.ts'
import { type CloudEventsFields, cloudEventHeaderNames } from './cloudevents-fields.ts'
import { messageSignatureHeaders } from './message-signature.ts'
import { customHeaderOf, headersOf, type SigningFields, usesMessageSignature } from './signing.ts'

/** The rules of a subscription by which the service sets headers. */
export interface HeaderRules {
  readonly signing: SigningFields
  readonly format: Format
  readonly cloudevents: CloudEventsFields | null
  readonly auth: { readonly type?: AuthType | null } | null
}

/** Why the header of the custom signature cannot be that one: the service sets it for something else. */
export function customHeaderFault({ signing, format, cloudevents, auth }: HeaderRules): string | undefined {
  const name = customHeaderOf(signing)
  const to = name && usedHeaders({ signing: {}, format, cloudevents, auth }).get(name.toLowerCase())
  return to && to !== 'the signature' ? `The header ${name} belongs to ${to}. Give another one.` : undefined
}

/** The headers, in lower case, that these rules bring with them, each with what it belongs to, in words. */
export function usedHeaders({
  signing,
  format,
  cloudevents,
  auth,
}: HeaderRules): ReadonlyMap<string, string> {
  const used = new Map<string, string>()
  const add = (name: string | null | undefined, to: string) => name && used.set(name.toLowerCase(), to)
  for (const name of Object.values(headersOf(signing))) add(name, 'the signature')
  add(customHeaderOf(signing), 'the signature')
  if (usesMessageSignature(signing)) for (const name of messageSignatureHeaders) add(name, 'the signature')
  if (format === 'cloudevents-binary') {
    for (const name of cloudEventHeaderNames(cloudevents)) add(name, 'the CloudEvent')
  }
  if (setsAuthorization(auth?.type)) add('authorization', '`auth`')
  return used
}
