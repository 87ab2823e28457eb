import { type FieldError, jsonPointer } from '../errors.ts'
import { type EventTypeDocument, type EventTypeInput, limits } from './schema.ts'
import {
  type Anchors,
  collectAnchors,
  innerSchemas,
  isDeeper,
  isRaw,
  type RawSchema,
  resolveReference,
  schemaLimits,
} from './schema-shape.ts'
import { type EventTypeRow, validations } from './store.ts'

const component = '#/components/schemas/'

/** The keyword of an operation that says whether payloads are checked. */
const validateKeyword = 'x-validate'

/** A catalogue as a document of OpenAPI 3.1. */
export function documentOf(types: readonly EventTypeRow[]): EventTypeDocument {
  const keys = new Set<string>()
  // By maps: an assignment to the name __proto__ would be lost.
  const schemas = new Map<string, unknown>()
  const webhooks = new Map<string, unknown>()
  for (const type of types) {
    const key = keyOf(type.name, keys)
    if (type.schema !== null) schemas.set(key, moved(type.schema, key))
    webhooks.set(type.name, webhookOf(type, type.schema === null ? undefined : key))
  }
  const document = {
    openapi: '3.1.0',
    info: { title: 'Event types', version: '1' },
    paths: {},
    webhooks: Object.fromEntries(webhooks),
    components: { schemas: Object.fromEntries(schemas) },
  }
  return document
}

function keyOf(name: string, taken: Set<string>): string {
  const wish = name.replaceAll(/[^A-Za-z0-9._-]/g, '_')
  let key = wish
  for (let count = 2; taken.has(key); count++) key = `${wish}_${count}`
  taken.add(key)
  return key
}

function webhookOf(type: EventTypeRow, key: string | undefined): object {
  const examples = type.examples.map((value, index) => [`example${index + 1}`, { value }])
  return {
    post: {
      ...(type.description === null ? {} : { description: type.description }),
      ...(type.deprecated ? { deprecated: true } : {}),
      [validateKeyword]: type.validate,
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: key === undefined ? {} : { $ref: component + key },
            ...(examples.length === 0 ? {} : { examples: Object.fromEntries(examples) }),
          },
        },
      },
      responses: { '2XX': { description: 'Received' } },
    },
  }
}

/** A schema at its place in the document: references within it begin at the document now. */
function moved(schema: unknown, key: string): unknown {
  if (!isRaw(schema)) return schema
  const { anchors } = collectAnchors(schema)
  const { $id: _id, $schema: _dialect, ...rest } = schema
  return mapReferences(rest, reference => placeOf(schema, anchors, reference, component + key) ?? reference)
}

function placeOf(root: RawSchema, anchors: Anchors, reference: string, place: string): string | undefined {
  const found = resolveReference(root, anchors, reference)
  return typeof found === 'string' ? undefined : place + jsonPointer(...found.way)
}

/** Copies a schema with other references. Anchors go: in a larger document their names may be taken. */
function mapReferences(schema: RawSchema, map: (reference: string) => string): RawSchema {
  const copy: Record<string, unknown> = { ...schema }
  for (const keyword of ['$ref', '$dynamicRef']) {
    const reference = schema[keyword]
    if (typeof reference !== 'string') continue
    delete copy[keyword]
    copy.$ref = map(reference)
  }
  delete copy.$anchor
  delete copy.$dynamicAnchor
  for (const { way, schema: inner } of innerSchemas(schema)) {
    if (!isRaw(inner)) continue
    const [keyword = '', name] = way
    const mapped = mapReferences(inner, map)
    if (name === undefined) {
      copy[keyword] = mapped
      continue
    }
    // The list or the object of its siblings, copied at the first of them.
    if (copy[keyword] === schema[keyword]) {
      const siblings = schema[keyword]
      copy[keyword] = Array.isArray(siblings) ? [...siblings] : { ...Object(siblings) }
    }
    Object.defineProperty(copy[keyword], name, {
      value: mapped,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return copy
}

/** An event type of a document; `validate` undefined: the document does not say. */
export type Imported =
  | { readonly kind: 'read'; readonly name: string; readonly input: EventTypeInput }
  | { readonly kind: 'refused'; readonly name: string; readonly errors: readonly FieldError[] }

/** Nesting of a whole document. */
const documentDepthMax = 100

/** What is wrong with a document as a whole. */
export function documentFaults(document: RawSchema): readonly FieldError[] {
  const { webhooks } = document
  if (isRaw(webhooks) && Object.keys(webhooks).length > limits.importTypes) {
    const detail = `Give at most ${limits.importTypes} event types at a time.`
    return [{ pointer: '/webhooks', detail }]
  }
  return isDeeper(document, documentDepthMax)
    ? [{ pointer: '', detail: `Nest at most ${documentDepthMax} levels.` }]
    : []
}

/** Reads one webhook of a document, whose `documentFaults` are none. */
export function importedType(document: RawSchema, name: string): Imported {
  const webhook = followed(document, Object(document.webhooks)[name])
  const post = isRaw(webhook) ? followed(document, webhook.post) : undefined
  if (!isRaw(post)) {
    const detail = 'There is no operation post. Describe there what is sent.'
    return { kind: 'refused', name, errors: [{ pointer: '/post', detail }] }
  }
  const body = followed(document, post.requestBody)
  const media = isRaw(body) ? jsonMedia(body.content) : undefined
  const schema = media?.schema === undefined ? null : bundled(document, media.schema)
  if (typeof schema === 'string')
    return { kind: 'refused', name, errors: [{ pointer: '/schema', detail: schema }] }
  const validate = validations.find(one => one === post[validateKeyword])
  const input: EventTypeInput = {
    description:
      textOf(post.description) ?? textOf(post.summary) ?? textOf(Object(webhook).description) ?? null,
    // A schema that allows anything says nothing.
    schema: isRaw(schema) && Object.keys(schema).length === 0 ? null : schema,
    examples: examplesOf(document, media),
    deprecated: post.deprecated === true,
    ...(validate === undefined ? {} : { validate }),
  }
  return { kind: 'read', name, input }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function jsonMedia(content: unknown): RawSchema | undefined {
  const found = Object.entries(Object(content)).find(([type]) =>
    /^application\/([\w.-]+\+)?json\b/i.test(type),
  )
  return isRaw(found?.[1]) ? found[1] : undefined
}

function examplesOf(document: RawSchema, media: RawSchema | undefined): unknown[] {
  if (media === undefined) return []
  const named = Object.values(Object(media.examples)).flatMap(example => {
    const one = followed(document, example)
    return isRaw(one) && 'value' in one ? [one.value] : []
  })
  return ['example' in media ? [media.example] : [], named].flat(1).slice(0, limits.examples)
}

/** What stands at the end of references within the document. */
function followed(document: RawSchema, value: unknown): unknown {
  let here = value
  for (let steps = 0; steps < 10 && isRaw(here) && typeof here.$ref === 'string'; steps++) {
    const found = resolveReference(document, new Map(), here.$ref)
    if (typeof found === 'string') return undefined
    here = found.schema
  }
  return here
}

/** A schema with all components that it refers to, as one that stands for itself; a sentence when it cannot be. */
function bundled(document: RawSchema, given: unknown): unknown {
  if (!isRaw(given)) return typeof given === 'boolean' ? given : 'A schema is an object, true or false.'
  const components = Object(Object(document.components).schemas) as RawSchema // of any JSON
  const own = Object.keys(given).length === 1 ? nameIn(given.$ref) : undefined
  const root = own === undefined || own.rest !== '' ? given : components[own.name]
  if (!isRaw(root)) return root === undefined ? `There is no ${component}${own?.name}.` : root
  const rootName = root === given ? undefined : own?.name
  const wanted: string[] = []
  const faults: string[] = []
  const map = (reference: string) => {
    const target = nameIn(reference)
    if (target === undefined) {
      faults.push(`The reference ${reference} does not lead to ${component}….`)
      return reference
    }
    if (target.name === rootName) return `#${target.rest}`
    if (!wanted.includes(target.name)) wanted.push(target.name)
    return `#/$defs/${escaped(target.name)}${target.rest}`
  }
  const copy = mapReferences(root, map)
  const definitions = new Map<string, unknown>(Object.entries(Object(copy.$defs)))
  for (let index = 0; index < wanted.length && faults.length === 0; index++) {
    const name = wanted[index] ?? ''
    const schema = Object.hasOwn(components, name) ? components[name] : undefined
    if (schema === undefined) faults.push(`There is no ${component}${name}.`)
    if (definitions.has(name)) faults.push(`There are two schemas named ${name}.`)
    if (index >= schemaLimits.schemas) faults.push('It refers to too many schemas.')
    definitions.set(name, isRaw(schema) ? mapReferences(schema, map) : schema)
  }
  if (faults[0] !== undefined) return faults[0]
  return wanted.length === 0 ? copy : { ...copy, $defs: Object.fromEntries(definitions) }
}

function nameIn(reference: unknown): { readonly name: string; readonly rest: string } | undefined {
  if (typeof reference !== 'string' || !reference.startsWith(component)) return undefined
  const [, name = '', rest = ''] = /^([^/]*)(.*)$/s.exec(reference.slice(component.length)) ?? []
  return { name: name.replaceAll('~1', '/').replaceAll('~0', '~'), rest }
}

function escaped(name: string): string {
  return jsonPointer(name).slice(1)
}
