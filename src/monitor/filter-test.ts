import { type Static, Type } from 'typebox'
import { type FieldError, validationFailed } from '../errors.ts'
import { EventFields, type FilterInput } from '../filters/event-fields.ts'
import { type Explanation, explainFilter } from '../filters/explain.ts'
import { compileFilter } from '../filters/filter.ts'
import { filterInput } from '../filters/schema.ts'
import { unknownEvent } from '../http/parameters.ts'
import type { Reach } from '../model/caller.ts'
import { parseUuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { readFilterable } from './store.ts'

export const FilterTest = Type.Object(
  {
    filter: Type.Unsafe<object>({ ...filterInput, type: 'object' }),
    payload: Type.Optional(Type.Unknown({ description: 'Any JSON; left out: a payload that is not JSON' })),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'The headers of the event. They are not kept, so they can be given beside `webhook_id`',
      }),
    ),
    metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    event_type: Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'], maxLength: 128 })),
    webhook_id: Type.Optional(
      Type.String({
        format: 'uuid',
        description: 'An event that was accepted, in place of `payload`, `metadata` and `event_type`',
      }),
    ),
  },
  {
    $id: 'FilterTest',
    additionalProperties: false,
    description: 'A filter, and the event that it is held against',
    examples: [{ filter: { payload: { total: { $gte: 100 } } }, payload: { total: 20 } }],
  },
)
export type FilterTest = Static<typeof FilterTest>

export const FilterTestResult = Type.Object(
  {
    matches: Type.Boolean(),
    why: Type.Array(
      Type.Object({
        pointer: Type.String({ description: 'JSON Pointer into the filter' }),
        clause: Type.String({
          description:
            'The operator and its operand, such as `$gte 100`; `$or`, `$and`, `$not`; or `one element`: all that the filter says there must hold for one and the same element of an array',
        }),
        value: Type.Optional(
          Type.Unknown({
            description:
              'What the event has there, cut where it is large; absent where it has nothing. Beyond an array, what its elements have',
          }),
        ),
        holds: Type.Boolean(),
      }),
    ),
  },
  {
    $id: 'FilterTestResult',
    description: 'Whether the filter matches, and each of its clauses by itself',
    examples: [
      {
        matches: false,
        why: [{ pointer: '/payload/total/$gte', clause: '$gte 100', value: 20, holds: false }],
      },
    ],
  },
)

/** The schemas that the OpenAPI document names. */
export const filterSchemas = [FilterTest, FilterTestResult]

/**
 * Holds a filter against an event that is given, or that was accepted.
 *
 * @throws AppError validation_failed; not_found for an event that is not within reach
 */
export async function testFilter(database: Queryable, reach: Reach, test: FilterTest): Promise<Explanation> {
  const compiled = compileFilter(test.filter, '/filter', 'caller')
  const errors: FieldError[] = compiled.kind === 'invalid' ? [...compiled.errors] : []
  for (const name of ['payload', 'metadata', 'event_type'] as const)
    if (test.webhook_id !== undefined && test[name] !== undefined)
      errors.push({
        pointer: `/${name}`,
        detail: 'Leave it out: the event with this webhook_id has its own.',
      })
  if (compiled.kind === 'invalid' || errors.length > 0) throw validationFailed(errors)
  const headers = Object.fromEntries(
    Object.entries(test.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  )
  const { webhook_id: id, payload, metadata = {}, event_type: eventType = null } = test
  if (id === undefined) return explainFilter(compiled.filter, { payload, headers, metadata, eventType })
  return explainFilter(compiled.filter, await fieldsOf(database, reach, id, headers))
}

async function fieldsOf(
  database: Queryable,
  reach: Reach,
  text: string,
  headers: FilterInput['headers'],
): Promise<FilterInput> {
  const webhookId = parseUuid(text)
  const event = webhookId && (await readFilterable(database, reach, webhookId))
  if (!event) throw unknownEvent(text)
  const { event_type: eventType, payload, metadata } = event
  return new EventFields({ eventType, payload, headers, metadata: metadata ?? {} })
}
