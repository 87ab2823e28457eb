import type { Schema } from './document.ts'

/** A value at a bound of a schema, or just over it. */
export interface BoundaryValue {
  /** The bound, such as `maxLength 256`. */
  readonly what: string
  /** Names that lead to the value; empty: the value itself. */
  readonly way: readonly string[]
  readonly value: unknown
  readonly isAllowed: boolean
}

const types = ({ type }: Schema): readonly string[] => (type === undefined ? [] : [type].flat())

/**
 * The values at each bound that a schema says, and those just over it. Those inside of lists and objects too, each in an
 * object or a list that is else right.
 *
 * @param sample a value that is right; texts at a bound of length begin with it
 */
export function boundaryValues(schema: Schema, sample?: unknown): readonly BoundaryValue[] {
  if (schema.anyOf) {
    // What one alternative refuses, another one may allow: only what is allowed says something.
    return schema.anyOf.flatMap(choice => boundaryValues(choice).filter(({ isAllowed }) => isAllowed))
  }
  return [
    ...ofType(schema),
    ...ofNumber(schema),
    ...ofText(schema, sample),
    ...ofChoice(schema),
    ...ofList(schema),
    ...ofObject(schema),
  ]
}

function value(what: string, value: unknown, isAllowed: boolean, way: readonly string[] = []): BoundaryValue {
  return { what, way, value, isAllowed }
}

function ofType(schema: Schema): readonly BoundaryValue[] {
  const given = types(schema)
  if (given.length === 0) return []
  const others = { string: 'x', boolean: true, integer: 1, array: [], object: {} }
  const wrong = Object.entries(others).filter(
    ([type]) => !given.includes(type) && !(type === 'integer' && given.includes('number')),
  )
  return [
    ...wrong.map(([type, other]) => value(`type ${type}`, other, false)),
    value('type null', null, given.includes('null')),
    ...(given.includes('integer') ? [value('type number', 1.5, false)] : []),
  ]
}

function ofNumber({ minimum, maximum }: Schema): readonly BoundaryValue[] {
  return [
    ...(minimum === undefined
      ? []
      : [value(`minimum ${minimum}`, minimum, true), value(`minimum ${minimum}`, minimum - 1, false)]),
    ...(maximum === undefined
      ? []
      : [value(`maximum ${maximum}`, maximum, true), value(`maximum ${maximum}`, maximum + 1, false)]),
  ]
}

function ofText(schema: Schema, sample: unknown): readonly BoundaryValue[] {
  const { minLength, maxLength, pattern, format } = schema
  const right = typeof sample === 'string' ? sample : ''
  const padded = (length: number) => right.slice(0, length) + 'a'.repeat(Math.max(0, length - right.length))
  const fits = (text: string) => pattern === undefined || new RegExp(pattern, 'u').test(text)
  const found: BoundaryValue[] = []
  for (const [name, length, over] of [
    ['minLength', minLength, -1],
    ['maxLength', maxLength, 1],
  ] as const) {
    if (length === undefined) continue
    if (fits(padded(length))) found.push(value(`${name} ${length}`, padded(length), true))
    found.push(value(`${name} ${length}`, padded(length + over), false))
  }
  // Characters, not UTF-16 units: an emoji is one.
  if (maxLength !== undefined && fits('🎉'))
    found.push(value(`maxLength ${maxLength}`, '🎉'.repeat(maxLength), true))
  for (const text of [' ', '\u0000', 'é', '\n']) {
    if (pattern !== undefined && !fits(text))
      found.push(value(`pattern ${pattern}`, `${right}${text}`, fits(`${right}${text}`)))
  }
  if (format !== undefined && pattern === undefined) found.push(value(`format ${format}`, 'nonsense', false))
  return found
}

function ofChoice(schema: Schema): readonly BoundaryValue[] {
  if (schema.enum === undefined) return []
  return [...schema.enum.map(one => value('enum', one, true)), value('enum', 'nonsense', false)]
}

function ofList({ items, minItems, maxItems, uniqueItems }: Schema): readonly BoundaryValue[] {
  if (items === undefined) return []
  const entry = (index: number) => {
    if (items.enum) return items.enum[index % items.enum.length]
    if (types(items).includes('object')) return wholeOf(items)
    return types(items).includes('string') ? `entry-${index}` : (items.minimum ?? 0) + index
  }
  const list = (length: number) => Array.from({ length }, (_, index) => entry(index))
  return [
    ...(minItems === undefined
      ? []
      : [
          value(`minItems ${minItems}`, list(minItems), true),
          value(`minItems ${minItems}`, list(minItems - 1), false),
        ]),
    ...(maxItems === undefined
      ? []
      : [
          value(`maxItems ${maxItems}`, list(maxItems), true),
          value(`maxItems ${maxItems}`, list(maxItems + 1), false),
        ]),
    ...(uniqueItems ? [value('uniqueItems', [entry(0), entry(0)], false)] : []),
    ...boundaryValues(items).map(inner => ({ ...inner, what: `items ${inner.what}`, value: [inner.value] })),
  ]
}

function ofObject(schema: Schema): readonly BoundaryValue[] {
  const {
    properties = {},
    required = [],
    additionalProperties: others,
    propertyNames,
    maxProperties,
  } = schema
  const found: BoundaryValue[] = []
  const whole = wholeOf(schema)
  for (const name of required) {
    const { [name]: _left, ...rest } = whole
    found.push(value(`required ${name}`, rest, false))
  }
  for (const [name, property] of Object.entries(properties)) {
    if (property.readOnly) continue
    for (const inner of boundaryValues(property, property.examples?.[0])) {
      found.push({ ...inner, way: [name, ...inner.way], value: { ...whole, [name]: inner.value } })
    }
  }
  if (others === false) found.push(value('additionalProperties', { ...whole, nonsense: 1 }, false))
  if (typeof others !== 'object') return found
  const sample = String(propertyNames?.examples?.[0] ?? 'name')
  const names = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`${sample}-${n}`, 'x']))
  if (maxProperties !== undefined) {
    found.push(value(`maxProperties ${maxProperties}`, names(maxProperties), true))
    found.push(value(`maxProperties ${maxProperties}`, names(maxProperties + 1), false))
  }
  for (const inner of boundaryValues(others)) found.push({ ...inner, value: { [sample]: inner.value } })
  for (const inner of ofText(propertyNames ?? {}, sample))
    found.push({ ...inner, value: { [String(inner.value)]: 'x' } })
  return found
}

/** An object with all that it must have. */
function wholeOf({ properties = {}, required = [] }: Schema): Readonly<Record<string, unknown>> {
  return Object.fromEntries(required.map(name => [name, sampleOf(properties[name] ?? {})]))
}

/** A value that is right. */
export function sampleOf(schema: Schema): unknown {
  if (schema.examples?.[0] !== undefined) return schema.examples[0]
  if (schema.enum !== undefined) return schema.enum[0]
  if (schema.format === 'uuid') return '01936b6e-0000-7000-8000-000000000000'
  return schema.minimum ?? 'x'
}
