import { type FieldError, jsonPointer } from '../errors.ts'

/** A JSON Schema that is an object, as it was given. */
export type RawSchema = Readonly<Record<string, unknown>>

export const schemaLimits = {
  chars: 65_536,
  depth: 64,
  schemas: 1000,
  patterns: 50,
  patternsSize: 10_000,
} as const

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const one = [
  'additionalProperties',
  'contains',
  'else',
  'if',
  'items',
  'not',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
]
const several = ['allOf', 'anyOf', 'oneOf', 'prefixItems']
const named = ['$defs', 'definitions', 'dependentSchemas', 'patternProperties', 'properties']

/** A schema within a schema, with the names that lead to it. */
export interface Inner {
  readonly way: readonly string[]
  readonly schema: unknown
}

export function innerSchemas(schema: RawSchema): readonly Inner[] {
  const entries = (keyword: string) =>
    Object.entries(Object(schema[keyword])).map(([name, inner]) => ({ way: [keyword, name], schema: inner }))
  return [
    ...one.filter(keyword => keyword in schema).map(keyword => ({ way: [keyword], schema: schema[keyword] })),
    ...several.filter(keyword => Array.isArray(schema[keyword])).flatMap(entries),
    ...named.filter(keyword => isRaw(schema[keyword])).flatMap(entries),
  ]
}

export function isRaw(value: unknown): value is RawSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value of JSON has more levels. A loop, since it may be as deep as JSON can be. */
export function isDeeper(value: unknown, levels: number): boolean {
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 1 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.depth > levels) return true
    if (typeof next.value !== 'object' || next.value === null) continue
    for (const inner of Object.values(next.value)) open.push({ value: inner, depth: next.depth + 1 })
  }
  return false
}

/** What is wrong with a schema as a whole, before it is compiled: too deep, too large, or of another dialect. */
export function shapeFaults(schema: unknown): readonly FieldError[] {
  if (isDeeper(schema, schemaLimits.depth)) return fault('', `Nest at most ${schemaLimits.depth} levels.`)
  if (JSON.stringify(schema).length > schemaLimits.chars)
    return fault('', `Give a schema of at most ${schemaLimits.chars} characters of JSON.`)
  return isRaw(schema) ? dialectFaults(schema) : []
}

const dialects = [
  'https://json-schema.org/draft/2020-12/schema',
  'https://spec.openapis.org/oas/3.1/dialect/base',
]

function dialectFaults({ $schema: dialect }: RawSchema): readonly FieldError[] {
  const isKnown = typeof dialect === 'string' && dialects.includes(dialect.replace(/#$/, ''))
  if (dialect === undefined || isKnown) return []
  return fault('/$schema', `Schemas are read as ${dialects[0]}. Rewrite it for that, or leave this out.`)
}

function fault(pointer: string, detail: string): readonly FieldError[] {
  return [{ pointer, detail }]
}

/** Schemas by the names of their anchors. */
export type Anchors = ReadonlyMap<string, Inner>

/** Looks through all schemas of a schema. */
export function collectAnchors(root: unknown): {
  readonly anchors: Anchors
  readonly faults: readonly FieldError[]
} {
  const anchors = new Map<string, Inner>()
  const faults: FieldError[] = []
  const open: Inner[] = [{ way: [], schema: root }]
  let count = 0
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { way, schema } = next
    if (++count > schemaLimits.schemas) {
      return { anchors, faults: [...fault('', `Give at most ${schemaLimits.schemas} schemas within it.`)] }
    }
    if (!isRaw(schema)) continue
    if (way.length > 0 && schema.$id !== undefined) {
      const detail =
        'A schema within this one cannot have an $id. Leave it out, and refer to it by #/$defs/….'
      faults.push({ pointer: jsonPointer(...way, '$id'), detail })
    }
    for (const keyword of ['$anchor', '$dynamicAnchor']) {
      const name: unknown = schema[keyword]
      if (name === undefined) continue
      const pointer = jsonPointer(...way, keyword)
      if (typeof name !== 'string' || !/^[A-Za-z_][-A-Za-z0-9._]*$/.test(name))
        faults.push({ pointer, detail: 'Give a name of letters, digits and - . _' })
      else if (anchors.has(name) && anchors.get(name)?.schema !== schema)
        faults.push({
          pointer,
          detail: `Another schema has the anchor ${name}. Give each a name of its own.`,
        })
      else anchors.set(name, next)
    }
    for (const inner of innerSchemas(schema)) open.push({ ...inner, way: [...way, ...inner.way] })
  }
  return { anchors, faults }
}

/** What a reference within the document leads to; a sentence when it leads nowhere. */
export function resolveReference(root: unknown, anchors: Anchors, reference: string): Inner | string {
  if (!reference.startsWith('#')) {
    return 'Only references within the schema are followed, such as #/$defs/address. Copy what it refers to into $defs.'
  }
  const text = unescaped(reference.slice(1))
  if (text === undefined) return 'This holds a wrong percent-encoding.'
  if (text !== '' && !text.startsWith('/')) return anchors.get(text) ?? `There is no anchor ${text}.`
  const way = text
    .split('/')
    .slice(1)
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  let here: unknown = root
  for (const step of way) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step))
      return `There is nothing at ${reference}.`
    here = (here as Record<string, unknown>)[step] // just looked up
  }
  return { way, schema: here }
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
