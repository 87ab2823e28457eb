import Format from 'typebox/format'
import type { Pattern } from './pattern.ts'
import { type Check, canonical, Run, type SchemaNode } from './schema-run.ts'
import { type Inner, isRaw, type RawSchema } from './schema-shape.ts'

/** What keywords need to be compiled. */
export interface Compiling {
  /** The node of a schema within the one that is compiled. */
  node(inner: Inner): SchemaNode
  /** What a reference leads to. */
  reference(text: string, way: readonly string[]): SchemaNode | undefined
  /** Undefined when it is refused. */
  pattern(text: string, way: readonly string[]): Pattern | undefined
  refuse(way: readonly string[], detail: string): void
}

/** A keyword that looks at the value itself: its argument and the way to it → the check; undefined: it was refused. */
type Assertion = (argument: unknown, way: readonly string[], compiling: Compiling) => Check | undefined

/** Compiles the keywords of one schema into its node. */
export function compileKeywords(
  schema: RawSchema,
  way: readonly string[],
  node: SchemaNode,
  compiling: Compiling,
): void {
  for (const [keyword, assertion] of Object.entries(assertions)) {
    if (!(keyword in schema)) continue
    const check = assertion(schema[keyword], [...way, keyword], compiling)
    if (check) node.checks.push(check)
  }
  const parts = new Parts(schema, way, node, compiling)
  parts.references()
  parts.choices()
  parts.fields()
  parts.items()
  parts.unevaluated()
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  null: 'null',
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isRaw(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}

/** Known formats; a longer text fits none of them, so that no expression meets a text without end. */
const formatCharsMax = 1000
const formats: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': text => Format.IsDateTime(text),
  date: text => Format.IsDate(text),
  time: text => Format.IsTime(text),
  duration: text => Format.IsDuration(text),
  email: text => Format.IsEmail(text),
  hostname: text => Format.IsHostname(text),
  ipv4: text => Format.IsIPv4(text),
  ipv6: text => Format.IsIPv6(text),
  uri: text => Format.IsUri(text),
  uuid: text => Format.IsUuid(text),
}

/** A keyword with a number, for values of one kind, of which something is measured. */
function bound(
  isArgument: (argument: number) => boolean,
  wanted: string,
  measure: (value: unknown, run: Run) => number | undefined,
  fits: (measured: number, argument: number) => boolean,
  sentence: (argument: number) => string,
): Assertion {
  return (argument, way, compiling) => {
    if (typeof argument !== 'number' || !isArgument(argument)) return refused(way, wanted, compiling)
    const detail = sentence(argument)
    return (value, run) => {
      const measured = measure(value, run)
      return measured === undefined || fits(measured, argument) || run.fail(detail)
    }
  }
}

function refused(way: readonly string[], wanted: string, compiling: Compiling): undefined {
  compiling.refuse(way, `Give ${wanted}.`)
}

const any = () => true
const isCount = (argument: number) => Number.isInteger(argument) && argument >= 0
const count = 'a whole number of 0 or more'
const asNumber = (value: unknown) => (typeof value === 'number' ? value : undefined)
const itemsOf = (value: unknown) => (Array.isArray(value) ? value.length : undefined)
const fieldsOf = (value: unknown, run: Run) => {
  if (!isRaw(value)) return undefined
  const fields = Object.keys(value).length
  run.spend(fields)
  return fields
}
const charsOf = (value: unknown, run: Run) => {
  if (typeof value !== 'string') return undefined
  run.spend(Math.ceil(value.length / 100))
  let chars = 0
  for (const _char of value) chars++
  return chars
}
const atMost = (measured: number, argument: number) => measured <= argument
const atLeast = (measured: number, argument: number) => measured >= argument

const assertions: Readonly<Record<string, Assertion>> = {
  type: (argument, way, compiling) => {
    const types = [argument].flat()
    const isKnown = (type: unknown): type is string =>
      typeof type === 'string' && Object.hasOwn(typeNames, type)
    if (types.length === 0 || !types.every(isKnown)) {
      return refused(way, `one or several of ${Object.keys(typeNames).join(', ')}`, compiling)
    }
    const detail = `Give ${types.map(type => typeNames[type]).join(' or ')}.`
    return (value, run) => types.some(type => isOfType(value, type)) || run.fail(detail)
  },
  enum: (argument, way, compiling) => {
    if (!Array.isArray(argument)) return refused(way, 'a list of values', compiling)
    return oneOf(argument, 'Give one of')
  },
  const: argument => oneOf([argument], 'Give'),
  multipleOf: bound(
    argument => argument > 0,
    'a number above 0',
    asNumber,
    isMultiple,
    argument => `Give a multiple of ${argument}.`,
  ),
  maximum: bound(any, 'a number', asNumber, atMost, argument => `Give a number of at most ${argument}.`),
  minimum: bound(any, 'a number', asNumber, atLeast, argument => `Give a number of at least ${argument}.`),
  exclusiveMaximum: bound(
    any,
    'a number',
    asNumber,
    (value, argument) => value < argument,
    argument => `Give a number below ${argument}.`,
  ),
  exclusiveMinimum: bound(
    any,
    'a number',
    asNumber,
    (value, argument) => value > argument,
    argument => `Give a number above ${argument}.`,
  ),
  maxLength: bound(isCount, count, charsOf, atMost, argument => `Give at most ${argument} characters.`),
  minLength: bound(isCount, count, charsOf, atLeast, argument => `Give at least ${argument} characters.`),
  maxItems: bound(isCount, count, itemsOf, atMost, argument => `Give at most ${argument} items.`),
  minItems: bound(isCount, count, itemsOf, atLeast, argument => `Give at least ${argument} items.`),
  maxProperties: bound(isCount, count, fieldsOf, atMost, argument => `Give at most ${argument} fields.`),
  minProperties: bound(isCount, count, fieldsOf, atLeast, argument => `Give at least ${argument} fields.`),
  pattern: (argument, way, compiling) => {
    if (typeof argument !== 'string') return refused(way, 'a regular expression as a text', compiling)
    const pattern = compiling.pattern(argument, way)
    if (pattern === undefined) return undefined
    const detail = `Give a text that matches ${argument}`
    return (value, run) => typeof value !== 'string' || matches(pattern, value, run) || run.fail(detail)
  },
  format: (argument, way, compiling) => {
    if (typeof argument !== 'string') return refused(way, 'the name of a format', compiling)
    const isRight = Object.hasOwn(formats, argument) ? formats[argument] : undefined
    if (isRight === undefined) return undefined
    const detail = `Give a text of the format ${argument}, of at most ${formatCharsMax} characters.`
    return (value, run) => {
      if (typeof value !== 'string') return true
      run.spend(10)
      return (value.length <= formatCharsMax && isRight(value)) || run.fail(detail)
    }
  },
  uniqueItems: (argument, way, compiling) => {
    if (typeof argument !== 'boolean') return refused(way, 'true or false', compiling)
    if (!argument) return undefined
    return (value, run) => {
      if (!Array.isArray(value)) return true
      const seen = new Set(value.map(item => canonical(item, run)))
      return seen.size === value.length || run.fail('Give each item once.')
    }
  },
  required: (argument, way, compiling) => {
    if (!isNames(argument)) return refused(way, 'a list of names', compiling)
    return (value, run) => !isRaw(value) || haveAll(value, argument, run)
  },
  dependentRequired: (argument, way, compiling) => {
    const lists = Object.entries(isRaw(argument) ? argument : { wrong: undefined })
    const rules = lists.filter((entry): entry is [string, string[]] => isNames(entry[1]))
    if (rules.length < lists.length) return refused(way, 'lists of names by name', compiling)
    return (value, run) => {
      if (!isRaw(value)) return true
      run.spend(rules.length)
      const broken = rules.filter(
        ([name, names]) => Object.hasOwn(value, name) && !haveAll(value, names, run),
      )
      return broken.length === 0
    }
  },
}

function isNames(argument: unknown): argument is string[] {
  return Array.isArray(argument) && argument.every(name => typeof name === 'string')
}

function haveAll(value: RawSchema, names: readonly string[], run: Run): boolean {
  run.spend(names.length)
  let fits = true
  for (const name of names) {
    if (Object.hasOwn(value, name)) continue
    run.path.push(name)
    fits = run.fail('This field is required.')
    run.path.pop()
    if (!run.wantsMore) return false
  }
  return fits
}

function oneOf(values: readonly unknown[], verb: string): Check {
  const allowed = new Set(values.map(value => canonical(value, new Run())))
  const shown = values.slice(0, 10).map(value => shortened(JSON.stringify(value)))
  const detail = `${verb} ${shown.join(', ')}${values.length > 10 ? ', …' : ''}.`
  return (value, run) => allowed.has(canonical(value, run)) || run.fail(detail)
}

function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

/** As decimal numbers, so that 0.3 is a multiple of 0.1. */
function isMultiple(value: number, of: number): boolean {
  const quotient = value / of
  if (Number.isInteger(quotient)) return true
  if (!Number.isFinite(quotient)) return false
  const scale = 10 ** Math.max(decimals(value), decimals(of))
  const [scaledValue, scaledOf] = [Math.round(value * scale), Math.round(of * scale)]
  return Number.isSafeInteger(scaledValue) && Number.isSafeInteger(scaledOf) && scaledValue % scaledOf === 0
}

function decimals(value: number): number {
  const [, fraction = '', exponent = '0'] = /^[^.e]*(?:\.(\d+))?(?:e([-+]\d+))?$/.exec(String(value)) ?? []
  return Math.max(0, fraction.length - Number(exponent))
}

function matches(
  pattern: { readonly size: number; isIn(text: string): boolean },
  text: string,
  run: Run,
): boolean {
  // An instruction takes some 0.05 µs for each character at the worst: half a step.
  run.spend(Math.ceil((pattern.size * (text.length + 1)) / 2))
  return pattern.isIn(text)
}

/** The keywords of one schema that hold schemas. */
class Parts {
  readonly #schema: RawSchema
  readonly #way: readonly string[]
  readonly #node: SchemaNode
  readonly #compiling: Compiling

  constructor(schema: RawSchema, way: readonly string[], node: SchemaNode, compiling: Compiling) {
    this.#schema = schema
    this.#way = way
    this.#node = node
    this.#compiling = compiling
  }

  references(): void {
    for (const keyword of ['$ref', '$dynamicRef']) {
      const text = this.#schema[keyword]
      if (text === undefined) continue
      const way = [...this.#way, keyword]
      // Without an $id in it a schema is one resource, where an anchor is there once: both kinds lead to the same.
      const node = typeof text === 'string' ? this.#compiling.reference(text, way) : undefined
      if (typeof text !== 'string') this.#compiling.refuse(way, 'Give a reference such as #/$defs/address.')
      if (node === undefined) continue
      this.#node.inPlace.push(node)
      this.#node.checks.push((value, run, seen) => node.evaluate(value, run, seen))
    }
  }

  choices(): void {
    const { checks } = this.#node
    const all = this.#list('allOf', true)
    if (all) {
      checks.push((value, run, seen) => {
        let fits = true
        for (const node of all) {
          if (node.evaluate(value, run, seen)) continue
          fits = false
          if (!run.wantsMore) break
        }
        return fits
      })
    }
    const some = this.#list('anyOf', true)
    if (some) {
      checks.push((value, run, seen) => {
        let fits = false
        for (const node of some) {
          fits = run.tries(node, value, seen) || fits
          if (fits && seen === undefined) break
        }
        return fits || run.fail(`Give what fits one of the ${some.length} alternatives of its schema.`)
      })
    }
    const exactly = this.#list('oneOf', true)
    if (exactly) {
      checks.push((value, run, seen) => {
        let fitting = 0
        for (const node of exactly) {
          if (run.tries(node, value, seen)) fitting++
          if (fitting > 1) break
        }
        if (fitting === 1) return true
        const found = fitting === 0 ? 'none does' : 'several do'
        return run.fail(
          `Give what fits exactly one of the ${exactly.length} alternatives of its schema; ${found}.`,
        )
      })
    }
    const not = this.#one('not', true)
    if (not) {
      checks.push(
        (value, run) => !run.tries(not, value, undefined) || run.fail('This is what its schema excludes.'),
      )
    }
    this.#condition()
  }

  #condition(): void {
    const [condition, then, otherwise] = ['if', 'then', 'else'].map(keyword => this.#one(keyword, true))
    if (!condition) return
    this.#node.checks.push((value, run, seen) => {
      const next = run.tries(condition, value, seen) ? then : otherwise
      return next === undefined || next.evaluate(value, run, seen)
    })
  }

  fields(): void {
    const names = this.#one('propertyNames', false)
    if (names) {
      this.#node.checks.push((value, run) => {
        if (!isRaw(value)) return true
        let fits = true
        for (const name of Object.keys(value)) {
          run.path.push(name)
          if (!run.tries(names, name, undefined)) fits = run.fail('This name is not allowed here.')
          run.path.pop()
        }
        return fits
      })
    }
    this.#dependents()
    const properties = this.#named('properties')
    const patterns = this.#patterns()
    const others = this.#one('additionalProperties', false)
    if (!properties && !patterns && !others) return
    this.#node.checks.push((value, run, seen) => {
      if (!isRaw(value)) return true
      let fits = true
      for (const [name, inner] of Object.entries(value)) {
        run.spend(seen === undefined ? 1 : 3)
        const known = properties?.get(name)
        const nodes = known === undefined ? [] : [known]
        for (const { pattern, node } of patterns ?? []) if (matches(pattern, name, run)) nodes.push(node)
        if (nodes.length === 0 && others !== undefined) nodes.push(others)
        if (nodes.length > 0) seen?.names.add(name)
        for (const node of nodes) fits = run.inside(name, node, inner) && fits
        if (!fits && !run.wantsMore) return false
      }
      return fits
    })
  }

  #dependents(): void {
    const dependents = this.#named('dependentSchemas')
    if (!dependents) return
    this.#node.inPlace.push(...dependents.values())
    this.#node.checks.push((value, run, seen) => {
      if (!isRaw(value)) return true
      let fits = true
      for (const [name, node] of dependents) {
        run.spend(1)
        if (Object.hasOwn(value, name)) fits = node.evaluate(value, run, seen) && fits
      }
      return fits
    })
  }

  #patterns() {
    const named = this.#named('patternProperties')
    if (!named) return undefined
    return [...named].flatMap(([text, node]) => {
      const pattern = this.#compiling.pattern(text, [...this.#way, 'patternProperties', text])
      return pattern === undefined ? [] : [{ pattern, node }]
    })
  }

  items(): void {
    const first = this.#list('prefixItems', false) ?? []
    if (Array.isArray(this.#schema.items)) {
      this.#compiling.refuse(
        [...this.#way, 'items'],
        'Give one schema for all items. A list of schemas is prefixItems.',
      )
      return
    }
    const rest = this.#one('items', false)
    this.#contains()
    if (first.length === 0 && rest === undefined) return
    this.#node.checks.push((value, run, seen) => {
      if (!Array.isArray(value)) return true
      let fits = true
      const end = rest === undefined ? Math.min(first.length, value.length) : value.length
      for (let index = 0; index < end; index++) {
        const node = first[index] ?? rest
        if (node !== undefined) fits = run.inside(index, node, value[index]) && fits
        if (!fits && !run.wantsMore) return false
      }
      if (seen) seen.upTo = Math.max(seen.upTo, end)
      return fits
    })
  }

  #contains(): void {
    const node = this.#one('contains', false)
    const [least, most] = (['minContains', 'maxContains'] as const).map(keyword => {
      const given = this.#schema[keyword]
      if (given === undefined || (typeof given === 'number' && isCount(given))) return given
      this.#compiling.refuse([...this.#way, keyword], `Give ${count}.`)
      return undefined
    })
    if (!node) return
    const [min, max] = [least ?? 1, most ?? Number.POSITIVE_INFINITY]
    this.#node.checks.push((value, run, seen) => {
      if (!Array.isArray(value)) return true
      let found = 0
      for (const [index, item] of value.entries()) {
        if (!run.tries(node, item, undefined)) continue
        found++
        seen?.items.add(index)
      }
      if (found >= min && found <= max) return true
      const range = max === Number.POSITIVE_INFINITY ? `at least ${min}` : `${min} to ${max}`
      return run.fail(`Give ${range} items of the kind that its schema asks for; there are ${found}.`)
    })
  }

  unevaluated(): void {
    const items = this.#one('unevaluatedItems', false)
    if (items) {
      this.#node.unevaluated.push((value, run, seen) => {
        if (!Array.isArray(value) || seen === undefined) return true
        let fits = true
        for (let index = seen.upTo; index < value.length; index++) {
          if (!seen.items.has(index)) fits = run.inside(index, items, value[index]) && fits
        }
        seen.upTo = value.length
        return fits
      })
    }
    const fields = this.#one('unevaluatedProperties', false)
    if (!fields) return
    this.#node.unevaluated.push((value, run, seen) => {
      if (!isRaw(value) || seen === undefined) return true
      let fits = true
      for (const [name, inner] of Object.entries(value)) {
        run.spend(1)
        if (seen.names.has(name)) continue
        fits = run.inside(name, fields, inner) && fits
        seen.names.add(name)
      }
      return fits
    })
  }

  /** @param inPlace whether it is evaluated for the same value */
  #one(keyword: string, inPlace: boolean): SchemaNode | undefined {
    const schema = this.#schema[keyword]
    if (schema === undefined) return undefined
    const node = this.#compiling.node({ way: [...this.#way, keyword], schema })
    if (inPlace) this.#node.inPlace.push(node)
    return node
  }

  #list(keyword: string, inPlace: boolean): readonly SchemaNode[] | undefined {
    const schemas = this.#schema[keyword]
    if (schemas === undefined) return undefined
    if (!Array.isArray(schemas) || schemas.length === 0) {
      this.#compiling.refuse([...this.#way, keyword], 'Give a list of at least one schema.')
      return undefined
    }
    const nodes = schemas.map((schema, index) =>
      this.#compiling.node({ way: [...this.#way, keyword, String(index)], schema }),
    )
    if (inPlace) this.#node.inPlace.push(...nodes)
    return nodes
  }

  #named(keyword: string): ReadonlyMap<string, SchemaNode> | undefined {
    const schemas = this.#schema[keyword]
    if (schemas === undefined) return undefined
    if (!isRaw(schemas)) {
      this.#compiling.refuse([...this.#way, keyword], 'Give schemas by name.')
      return undefined
    }
    return new Map(
      Object.entries(schemas).map(([name, schema]) => [
        name,
        this.#compiling.node({ way: [...this.#way, keyword, name], schema }),
      ]),
    )
  }
}
