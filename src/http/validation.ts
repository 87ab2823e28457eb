import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/schema'
import { type FieldError, jsonPointer, validationFailed } from '../errors.ts'

/** A schema's own sentence about what it wants, for where the sentence that is made from its limits does not help. */
export const sentenceKey = 'x-sentence'

/**
 * Keywords of a schema that are for the OpenAPI document alone. What they say is checked by code, which can say better what
 * is wrong, or by none where it follows from the rest.
 */
export const documentedKey = 'x-documented'

/** Any text that can be stored (`unstorableText`), as a pattern for the document. */
export const storableText = '^[^\\u0000]*$'

/** An error of TypeBox. `schemaPath` and `instancePath` are JSON Pointers to the schema and to the value. */
interface SchemaError {
  readonly keyword: string
  readonly schemaPath: string
  readonly instancePath: string
  readonly params: object
}

/**
 * Checks bodies as they are, and query parameters after conversion (`limit=5` is a number). Path parameters are left to
 * the handlers, which decide between 404 and 422.
 *
 * Not Ajv: one instance converts either all parts of a request or none, and its errors are not sentences for a caller.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart === 'params' || httpPart === 'headers') return () => true
  const inBody = httpPart === 'body'
  // Of some hundred schemas most are not needed soon, if ever: to compile all of them was a tenth of a start.
  let compiled: ReturnType<typeof Compile> | undefined
  return (input: unknown) => {
    compiled ??= Compile(schema)
    const validator = compiled
    const value = inBody ? input : withNumbers(schema, input)
    const errors = validator.Check(value)
      ? unstorableText(value)
      : fieldErrors({ schema, value, inBody }, validator.Errors(value)[1])
    if (errors.length === 0) return { value }
    return { error: validationFailed(inBody ? errors : errors.map(asParameter)) }
  }
}

/** Query parameters are texts. Where the schema wants a whole number, a text of digits becomes a number. */
function withNumbers(schema: TSchema, query: unknown): unknown {
  const properties = Object(at(schema, '#/properties'))
  return Object.fromEntries(
    Object.entries(Object(query)).map(([name, text]) => {
      const whole =
        takesIntegers(properties[name]) && typeof text === 'string' && /^-?[0-9]{1,15}$/.test(text)
      return [name, whole ? Number(text) : text]
    }),
  )
}

function takesIntegers(
  schema: { type?: unknown; anyOf?: readonly { type?: unknown }[] } | undefined,
): boolean {
  return schema?.type === 'integer' || (schema?.anyOf ?? []).some(({ type }) => type === 'integer')
}

function asParameter(error: FieldError): FieldError {
  return { ...error, pointer: error.pointer.slice(1) }
}

interface Checked {
  readonly schema: TSchema
  readonly value: unknown
  readonly inBody: boolean
}

function fieldErrors(checked: Checked, errors: readonly SchemaError[]): readonly FieldError[] {
  const found = new Map<string, FieldError>()
  for (const error of errors) {
    for (const { pointer, detail } of explain(checked, error)) {
      if (!found.has(pointer)) found.set(pointer, { pointer, detail })
    }
  }
  return [...found.values()]
}

function explain({ schema, value, inBody }: Checked, error: SchemaError): readonly FieldError[] {
  const { keyword, instancePath: pointer, schemaPath } = error
  if (keyword === 'required') {
    const { requiredProperties = [] } = error.params as { requiredProperties?: readonly string[] } // TypeBox's shape
    return requiredProperties.map(name => ({
      pointer: `${pointer}${jsonPointer(name)}`,
      detail: 'This field is required.',
    }))
  }
  if (keyword === 'boolean') {
    const what = inBody ? 'field' : 'parameter'
    return [{ pointer, detail: `There is no such ${what} here. Check its spelling, or leave it out.` }]
  }
  if (keyword === 'additionalProperties') return [] // each also has an error with the keyword 'boolean'
  const given = follow(value, pointer)
  const detail = keyword === 'pattern' && typeof given === 'string' ? textFault(given) : undefined
  return [{ pointer, detail: detail ?? wanted(at(schema, schemaPath), keyword) }]
}

/** Follows a pointer such as `#/properties/retry/properties/jitter`. */
function at(schema: unknown, path: string): Readonly<Record<string, unknown>> {
  return Object(follow(schema, path)) as Record<string, unknown> // a JSON Schema, of which any keyword may be missing
}

function follow(value: unknown, path: string): unknown {
  let here: unknown = value
  for (const step of path.split('/').slice(1)) {
    here = Object(here)[step.replaceAll('~1', '/').replaceAll('~0', '~')]
  }
  return here
}

function wanted(schema: Readonly<Record<string, unknown>>, keyword: string): string {
  const sentence = schema[sentenceKey]
  if (typeof sentence === 'string') return sentence
  if (keyword === 'uniqueItems') return 'Give each entry once.'
  if (Array.isArray(schema.enum)) return `Give one of: ${schema.enum.join(', ')}.`
  if (schema.format === 'uuid') return 'Give a UUID, such as 01a20a13-5f06-7000-8ead-2933c76bdf06.'
  const types = [schema.type].flat().map(String)
  const orNull = types.includes('null') ? ', or null' : ''
  const noun = nouns[types.find(type => type !== 'null') ?? '']
  return noun === undefined ? 'This value is not allowed here.' : `Give ${noun}${limits(schema)}${orNull}.`
}

const nouns: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
}

function limits(schema: Readonly<Record<string, unknown>>): string {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems } = schema
  const range = (low: unknown, high: unknown) => (low === undefined ? `at most ${high}` : `${low} to ${high}`)
  if (maximum !== undefined) return ` from ${minimum ?? 0} to ${maximum}`
  if (maxLength !== undefined) return ` of ${range(minLength, maxLength)} characters`
  if (maxItems !== undefined) return ` of ${range(minItems, maxItems)} entries`
  return ''
}

/**
 * Finds texts that PostgreSQL cannot store: U+0000 (in text and jsonb), and half of a surrogate pair, which has no UTF-8.
 * A loop and not a recursion, because a deeply nested body would overflow the stack.
 */
function unstorableText(body: unknown): readonly FieldError[] {
  const open: { readonly pointer: string; readonly value: unknown }[] = [{ pointer: '', value: body }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { pointer, value } = next
    if (typeof value === 'string') {
      const detail = textFault(value)
      if (detail !== undefined) return [{ pointer, detail }]
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        const detail = textFault(key)
        if (detail !== undefined) return [{ pointer, detail }]
        open.push({ pointer: `${pointer}${jsonPointer(key)}`, value: inner })
      }
    }
  }
  return []
}

function textFault(text: string): string | undefined {
  if (text.includes('\u0000')) return 'Leave out the character U+0000; it cannot be stored.'
  return text.isWellFormed() ? undefined : 'This is not valid Unicode: half of a surrogate pair stands alone.'
}
