/** As much of JSON Schema as the document of the API uses. */
interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly description?: string
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>
}

interface Operation {
  readonly operationId?: string
  readonly summary?: string
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly schema?: Schema
  }[]
  readonly requestBody?: Content
  readonly responses: Readonly<Record<string, Content>>
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

/**
 * The types of the dashboard: a type for each named schema of the OpenAPI document, and what each operation takes and
 * answers. Own code, because what is published for this needs the interface of TypeScript's compiler, which the native
 * compiler does not have.
 *
 * @param json the committed document
 */
export function dashboardTypes(json: string): string {
  const { paths, components } = JSON.parse(json) as Document // our own document, which tests check
  const named = Object.entries(components.schemas).map(
    ([name, schema]) => `${comment(schema.description, '')}export type ${name} = ${typeOf(schema, '')}\n`,
  )
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      operation.operationId === undefined
        ? []
        : [{ path, method: method.toUpperCase(), id: operation.operationId, operation }],
    ),
  )
  operations.sort((a, b) => (a.id < b.id ? -1 : 1))
  const types = operations.map(
    ({ id, operation }) => `${comment(operation.summary, '  ')}  ${id}: ${operationType(operation)}`,
  )
  const places = operations.map(({ id, method, path }) => `  ${id}: ['${method}', '${path}'],`)
  return `// Made by "npm run generate" from openapi.json.

${named.join('\n')}
/** What each operation takes (path, query, body) and answers. */
export interface Operations {
${types.join('\n')}
}

/** Method and path of each operation. */
export const operations: { readonly [Id in keyof Operations]: readonly [method: string, path: string] } = {
${places.join('\n')}
}
`
}

function operationType({ parameters = [], requestBody, responses }: Operation): string {
  const of = (place: string) => parameters.filter(parameter => parameter.in === place)
  const fields = (place: string) =>
    of(place).map(({ name, required, schema }) => {
      const type = schema ? typeOf(schema, '    ') : 'unknown'
      return `${keyOf(name)}${required || place === 'path' ? '' : '?'}: ${place === 'path' ? 'string | number' : type}`
    })
  const object = (place: string) => (of(place).length === 0 ? 'undefined' : `{ ${fields(place).join('; ')} }`)
  const answers = Object.entries(responses).flatMap(([status, response]) =>
    status.startsWith('2') ? [contentType(response)] : [],
  )
  return `{ path: ${object('path')}; query: ${object('query')}; body: ${contentType(requestBody)}; answer: ${union(answers) || 'unknown'} }`
}

function contentType(content: Content | undefined): string {
  const schema = content?.content?.['application/json']?.schema
  if (schema !== undefined) return typeOf(schema, '  ')
  return content?.content === undefined ? 'undefined' : 'unknown'
}

function typeOf(schema: Schema, indent: string): string {
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1) ?? 'unknown'
  if (schema.enum !== undefined) return schema.enum.map(value => JSON.stringify(value)).join(' | ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  const several = schema.anyOf ?? schema.oneOf
  if (several !== undefined) return union(several.map(one => typeOf(one, indent)))
  if (schema.allOf !== undefined) return schema.allOf.map(one => typeOf(one, indent)).join(' & ')
  const types = [schema.type ?? (schema.properties ? 'object' : [])].flat()
  return types.length === 0 ? 'unknown' : union(types.map(type => plainType(type, schema, indent)))
}

function plainType(type: string, schema: Schema, indent: string): string {
  if (type === 'integer' || type === 'number') return 'number'
  if (type === 'array') return `(${schema.items ? typeOf(schema.items, indent) : 'unknown'})[]`
  return type === 'object' ? objectType(schema, indent) : type
}

function objectType(schema: Schema, indent: string): string {
  const { properties = {}, required = [], additionalProperties: more, patternProperties = {} } = schema
  const inner = `${indent}  `
  const lines = Object.entries(properties).map(
    ([name, field]) =>
      `${comment(field.description, inner)}${inner}${keyOf(name)}${required.includes(name) ? '' : '?'}: ${typeOf(field, inner)}`,
  )
  if (lines.length > 0) return `{\n${lines.join('\n')}\n${indent}}`
  const [pattern] = Object.values(patternProperties)
  const value = pattern ?? (typeof more === 'object' ? more : undefined)
  return `{ [name: string]: ${value ? typeOf(value, inner) : 'unknown'} }`
}

function union(types: readonly string[]): string {
  return [...new Set(types)].join(' | ')
}

function keyOf(name: string): string {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : JSON.stringify(name)
}

function comment(text: string | undefined, indent: string): string {
  return text === undefined ? '' : `${indent}/** ${text.replaceAll('*/', '*\\/').replaceAll('\n', ' ')} */\n`
}
