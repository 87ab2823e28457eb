import { readFileSync } from 'node:fs'

/** A JSON Schema as openapi.json has it. */
export interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly propertyNames?: Schema
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly examples?: readonly unknown[]
  readonly format?: string
  readonly pattern?: string
  readonly readOnly?: boolean
  readonly uniqueItems?: boolean
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly maxProperties?: number
}

export interface Parameter {
  readonly in: 'path' | 'query' | 'header'
  readonly name: string
  readonly schema: Schema
}

/** One operation of the document, its references followed. */
export interface Operation {
  readonly method: string
  readonly path: string
  readonly parameters: readonly Parameter[]
  /** Undefined: it takes no JSON object. */
  readonly body: Schema | undefined
  readonly statuses: readonly string[]
}

interface Described {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly responses: Readonly<Record<string, unknown>>
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

/** All operations of openapi.json. test/generated.test.ts holds the file against the code. */
export function operationsOfDocument(): readonly Operation[] {
  const file = new URL('../../openapi.json', import.meta.url)
  const document = JSON.parse(readFileSync(file, 'utf8')) as Document // checked by test/server/docs.test.ts
  const named = ({ $ref, ...schema }: Schema): Schema =>
    $ref === undefined ? schema : (document.components.schemas[$ref.split('/').at(-1) ?? ''] ?? schema)
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => {
      const body = described.requestBody?.content['application/json']?.schema
      const schema = body && named(body)
      return {
        method: method.toUpperCase(),
        path,
        parameters: described.parameters ?? [],
        body: schema?.properties === undefined ? undefined : schema,
        statuses: Object.keys(described.responses),
      }
    }),
  )
}
