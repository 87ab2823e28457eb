import { type Static, Type } from 'typebox'
import type { Actor } from '../model/caller.ts'
import type { FieldChange } from './changes.ts'

const nullable = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

const FieldChangeAnswer = Type.Object({
  field: Type.String({ description: 'With dots between the names that lead to it' }),
  before: Type.Unknown({ description: 'Null: there was none; always null for a secret' }),
  after: Type.Unknown({ description: 'Null: there is none now; always null for a secret' }),
  secret: Type.Optional(
    Type.Unsafe<NonNullable<FieldChange['secret']>>({
      type: 'string',
      enum: ['set', 'changed', 'removed'],
      description: 'Only for a secret: what happened to it. Its value is never shown',
    }),
  ),
})

export const AuditEntry = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    at: Type.String({ format: 'date-time', description: 'When it was done' }),
    actor: Type.Object(
      {
        kind: Type.Unsafe<Actor['kind']>({ type: 'string', enum: ['operator', 'key', 'portal_token'] }),
        id: nullable('Of the key or token; null: an operator without one'),
        name: Type.String({ description: 'As it was then' }),
      },
      { description: 'Who did it' },
    ),
    action: Type.String({ description: 'What was done to what, such as `subscription.updated`' }),
    tenant: nullable('Whose thing it is; null: of the whole installation'),
    subject: Type.Object(
      { kind: Type.String(), id: nullable('Null: there is only one') },
      { description: 'What was changed' },
    ),
    changes: Type.Array(FieldChangeAnswer, {
      description: 'The fields that differ, at most 100. Of a long value its beginning, as a text',
    }),
    more_changes: Type.Integer({ description: 'How many fields differ besides these' }),
  },
  {
    $id: 'AuditEntry',
    description: 'Something that was changed',
    examples: [
      {
        id: '0193e0a4-6d3c-7d0e-9d0a-3f4a5b6c7d8e',
        at: '2026-01-31T12:00:00.000Z',
        actor: { kind: 'key', id: '7', name: 'deploy' },
        action: 'subscription.updated',
        tenant: 'default',
        subject: { kind: 'subscription', id: '1' },
        changes: [{ field: 'timeout_ms', before: 15000, after: 5000 }],
        more_changes: 0,
      },
    ],
  },
)
export type AuditEntry = Static<typeof AuditEntry>

/** The schemas that the OpenAPI document names. */
export const auditSchemas = [AuditEntry]
