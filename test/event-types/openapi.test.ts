import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { compileSchema } from '../../src/event-types/json-schema.ts'
import { documentOf, importedType } from '../../src/event-types/openapi.ts'
import type { EventTypeRow } from '../../src/event-types/store.ts'

function row(name: string, schema: unknown, more: Partial<EventTypeRow> = {}): EventTypeRow {
  const time = new Date(0)
  const usual = {
    id: 1,
    tenant: null,
    description: null,
    examples: [],
    deprecated: false,
    version: 1,
  } as const
  return { ...usual, validate: 'off', created_at: time, updated_at: time, ...more, name, schema }
}

/** The schema after an export and an import. */
function returned(name: string, rows: readonly EventTypeRow[]): unknown {
  const document = JSON.parse(JSON.stringify(documentOf(rows)))
  const imported = importedType(document, name)
  assert.ok(imported.kind === 'read', JSON.stringify(imported))
  return imported.input.schema
}

const tree = {
  type: 'object',
  properties: {
    child: { $ref: '#' },
    tags: { items: { $ref: '#/$defs/tag' } },
    first: { $ref: '#/properties/tags' },
  },
  $defs: { tag: { type: 'string' } },
}

test('an export is valid OpenAPI 3.1, also with names that are no names there', async () => {
  const rows = [
    row('order/paid', tree),
    row('order_paid', { type: 'object' }),
    row('__proto__', true),
    row('plain', null, { description: 'x', examples: [1, { a: 2 }], deprecated: true, validate: 'reject' }),
  ]
  const document = JSON.parse(JSON.stringify(documentOf(rows)))
  const { valid, errors } = await new Validator().validate(structuredClone(document))
  assert.ok(valid, JSON.stringify(errors))
  assert.deepEqual(Object.keys(document.webhooks), ['order/paid', 'order_paid', '__proto__', 'plain'])
  assert.deepEqual(Object.keys(document.components.schemas), ['order_paid', 'order_paid_2', '__proto__'])
  const { properties } = document.components.schemas.order_paid
  assert.equal(properties.child.$ref, '#/components/schemas/order_paid')
  assert.equal(properties.tags.items.$ref, '#/components/schemas/order_paid/$defs/tag')
})

test('what was exported is imported as it was', () => {
  const rows = [
    row('order/paid', tree),
    row('order_paid', { type: 'object' }),
    row('any', true),
    row('__proto__', { minimum: 1 }),
    row('data', {
      const: { $ref: '#/a value, and no reference' },
      properties: { $ref: { enum: [{ $ref: '#' }] } },
    }),
  ]
  for (const { name, schema } of rows) assert.deepEqual(returned(name, rows), schema, name)
  assert.equal(returned('none', [row('none', null)]), null)
})

test('anchors become pointers, since their names may be taken in a larger document', () => {
  const schema = {
    $id: 'https://example.com/s',
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    properties: { a: { $ref: '#here' }, b: { $dynamicAnchor: 'here', type: 'null' } },
  }
  const back = returned('x', [row('x', schema)])
  assert.deepEqual(back, { properties: { a: { $ref: '#/properties/b' }, b: { type: 'null' } } })
})

test('components that a schema refers to come with it, each once, in circles too', () => {
  const document = {
    openapi: '3.1.0',
    webhooks: { x: { $ref: '#/components/pathItems/x' } },
    components: {
      pathItems: { x: { post: { requestBody: { $ref: '#/components/requestBodies/x' } } } },
      requestBodies: {
        x: {
          content: {
            'application/vnd.x+json; charset=utf-8': {
              schema: {
                type: 'object',
                properties: {
                  a: { $ref: '#/components/schemas/a~1b' },
                  b: { $ref: '#/components/schemas/c/properties/d' },
                },
              },
              examples: { one: { $ref: '#/components/examples/one' }, two: { value: 2 }, none: {} },
            },
          },
        },
      },
      examples: { one: { value: { a: null } } },
      schemas: {
        'a/b': { anyOf: [{ type: 'null' }, { $ref: '#/components/schemas/c' }] },
        c: { properties: { d: { type: 'integer' }, up: { $ref: '#/components/schemas/a~1b' } } },
        unused: {},
      },
    },
  }
  const imported = importedType(document, 'x')
  assert.ok(imported.kind === 'read', JSON.stringify(imported))
  assert.deepEqual(imported.input.examples, [{ a: null }, 2])
  assert.deepEqual(imported.input.schema, {
    type: 'object',
    properties: { a: { $ref: '#/$defs/a~1b' }, b: { $ref: '#/$defs/c/properties/d' } },
    $defs: {
      'a/b': { anyOf: [{ type: 'null' }, { $ref: '#/$defs/c' }] },
      c: { properties: { d: { type: 'integer' }, up: { $ref: '#/$defs/a~1b' } } },
    },
  })
  const compiled = compileSchema(imported.input.schema)
  assert.ok(compiled.kind === 'compiled')
  assert.deepEqual(compiled.schema.faults({ a: null, b: 1 }), [])
  assert.equal(compiled.schema.faults({ b: 'x' }).length, 1)
})
