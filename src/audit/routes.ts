import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { callerFor, callerOf } from '../http/access.ts'
import { decodeCursor, encodeCursor, pageHeaders, pageQuery, sendPage } from '../http/paging.ts'
import { parseRange, tenantParameter, timeParameter } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import { sentenceKey } from '../http/validation.ts'
import { parseUuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { subjectKinds } from './audit.ts'
import { AuditEntry } from './schema.ts'
import { type EntryRow, listEntries } from './store.ts'

const pageSize = 50

const query = Type.Object(
  {
    ...pageQuery(pageSize),
    tenant: Type.Optional(tenantParameter),
    action: Type.Optional(
      Type.String({
        pattern: '^[a-z_]{1,50}[.][a-z_]{1,50}$',
        description: 'Only this action',
        examples: ['subscription.updated'],
        [sentenceKey]: 'Give an action such as subscription.updated.',
      }),
    ),
    subject: Type.Optional(
      Type.String({
        pattern: `^(${subjectKinds.join('|')})(:[^\\u0000]{1,256})?$`,
        description: 'Only changes of this thing, such as `subscription:7`, or of all of its kind',
        examples: ['subscription:7'],
        [sentenceKey]: `Give ${subjectKinds.join(', ')}; for one of them with its id, such as subscription:7.`,
      }),
    ),
    actor: Type.Optional(
      Type.String({
        pattern: '^(operator|(key|portal_token):[^\\u0000]{1,100})$',
        description: 'Only what this key or token did, such as `key:7`, or `operator`: who needs none',
        examples: ['key:7'],
        [sentenceKey]: 'Give key: or portal_token: with its id, such as key:7; or operator.',
      }),
    ),
    since: Type.Optional(timeParameter('Only from this moment on')),
    until: Type.Optional(timeParameter('Only before this moment')),
  },
  { additionalProperties: false },
)

/** The route that shows who has changed what. */
export function registerAudit(scope: FastifyInstance, db: Queryable): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/audit',
    {
      schema: {
        operationId: 'listAudit',
        summary: 'Who has changed what, newest first',
        description:
          'All that people, keys and commands have changed, kept for AUDIT_RETENTION_DAYS. An entry is written in the ' +
          'transaction of its change. Signing in to the dashboard and out of it is in it, too, with the address it was done from. What the service does by itself, such as disabling a subscription, is not in it. ' +
          'A key of one tenant sees what was changed of its tenant.',
        tags: ['Monitoring'],
        querystring: query,
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(AuditEntry) } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, tenant, action, subject, actor } = request.query
      callerFor(request, tenant) // refuses another tenant
      const filter = {
        ...{ tenant, action },
        subject: subject === undefined ? undefined : kindAndId(subject),
        actor: actor === undefined ? undefined : kindAndId(actor),
        ...parseRange(request.query),
      }
      const before = decodeCursor('audit', cursor, parseUuid)
      const page = { limit: limit + 1, before }
      const rows = await listEntries(db, callerOf(request).reach, filter, page)
      reply.header('cache-control', 'no-store')
      return sendPage(request, reply, rows, limit, row => encodeCursor('audit', row.id)).map(entryAnswer)
    },
  )
}

function kindAndId(text: string): { readonly kind: string; readonly id: string | undefined } {
  const colon = text.indexOf(':')
  return colon === -1
    ? { kind: text, id: undefined }
    : { kind: text.slice(0, colon), id: text.slice(colon + 1) }
}

function entryAnswer(row: EntryRow): AuditEntry {
  return {
    id: row.id,
    at: row.at.toISOString(),
    actor: { kind: row.actor_kind, id: row.actor_id, name: row.actor_name },
    action: row.action,
    tenant: row.tenant,
    subject: { kind: row.subject_kind, id: row.subject_id },
    changes: [...row.changes],
    more_changes: row.more_changes,
  }
}
