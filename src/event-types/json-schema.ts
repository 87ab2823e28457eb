import { type FieldError, jsonPointer } from '../errors.ts'
import { compilePattern, type Pattern } from './pattern.ts'
import { type Compiling, compileKeywords } from './schema-keywords.ts'
import { type Check, Run, SchemaNode, TooMuchWork } from './schema-run.ts'
import {
  type Anchors,
  collectAnchors,
  type Inner,
  isRaw,
  type RawSchema,
  resolveReference,
  schemaLimits,
  shapeFaults,
} from './schema-shape.ts'

/** A schema that can check values. */
export interface CompiledSchema {
  /**
   * What does not fit, at most 20 faults with pointers into the value. In bounded time: a value that would take more is
   * refused.
   */
  faults(value: unknown): readonly FieldError[]
}

export type SchemaResult =
  | { readonly kind: 'compiled'; readonly schema: CompiledSchema }
  /** With pointers into the schema. */
  | { readonly kind: 'refused'; readonly errors: readonly FieldError[] }

/**
 * Compiles a JSON Schema 2020-12 to closures: a schema is data from outside, so no code is generated of it, and each check
 * counts its steps, so that neither a schema nor a value can hold up the process. Known formats are asserted, others are
 * notes, as are keywords that the standard does not know. References lead within the schema only.
 */
export function compileSchema(schema: unknown): SchemaResult {
  const shape = shapeFaults(schema)
  if (shape.length > 0) return { kind: 'refused', errors: shape }
  const { anchors, faults } = collectAnchors(schema)
  if (faults.length > 0) return { kind: 'refused', errors: faults.slice(0, 20) }
  const compiler = new Compiler(schema, anchors)
  const node = compiler.node({ way: [], schema })
  compiler.checkCircles()
  if (compiler.errors.length > 0) return { kind: 'refused', errors: compiler.errors.slice(0, 20) }
  return { kind: 'compiled', schema: { faults: value => faultsOf(node, value) } }
}

function faultsOf(node: SchemaNode, value: unknown): readonly FieldError[] {
  const run = new Run()
  try {
    node.evaluate(value, run, undefined)
    return run.errors
  } catch (error) {
    if (!(error instanceof TooMuchWork)) throw error
    const detail = 'To check this takes too much work. Make it smaller or less deep, or its schema simpler.'
    return [{ pointer: '', detail }]
  }
}

class Compiler implements Compiling {
  readonly errors: FieldError[] = []
  readonly #root: unknown
  readonly #anchors: Anchors
  readonly #nodes = new Map<RawSchema, { readonly node: SchemaNode; readonly way: readonly string[] }>()
  #patterns = 0
  #patternsSize = 0

  constructor(root: unknown, anchors: Anchors) {
    this.#root = root
    this.#anchors = anchors
  }

  node({ way, schema }: Inner): SchemaNode {
    if (typeof schema === 'boolean') return schema ? anything : nothing
    if (!isRaw(schema)) {
      this.refuse(way, 'A schema is an object, true or false.')
      return anything
    }
    const known = this.#nodes.get(schema)
    if (known !== undefined) return known.node
    const node = new SchemaNode()
    this.#nodes.set(schema, { node, way })
    if (this.#nodes.size > schemaLimits.schemas)
      this.refuse([], 'There are too many schemas within this one.')
    else compileKeywords(schema, way, node, this)
    return node
  }

  reference(text: string, way: readonly string[]): SchemaNode | undefined {
    const found = resolveReference(this.#root, this.#anchors, text)
    if (typeof found !== 'string') return this.node(found)
    this.refuse(way, found)
    return undefined
  }

  pattern(text: string, way: readonly string[]): Pattern | undefined {
    if (++this.#patterns > schemaLimits.patterns || this.#patternsSize > schemaLimits.patternsSize) {
      this.refuse(way, `Give at most ${schemaLimits.patterns} patterns, and no long ones.`)
      return undefined
    }
    const pattern = compilePattern(text)
    if (typeof pattern === 'string') {
      this.refuse(way, pattern)
      return undefined
    }
    this.#patternsSize += pattern.size
    return pattern
  }

  refuse(way: readonly string[], detail: string): void {
    this.errors.push({ pointer: jsonPointer(...way), detail })
  }

  /** A schema that leads back to itself for the same value would never come to an end. */
  checkCircles(): void {
    const wayOf = new Map([...this.#nodes.values()].map(({ node, way }) => [node, way]))
    const done = new Set<SchemaNode>()
    const open = new Set<SchemaNode>()
    const visit = (node: SchemaNode): void => {
      if (done.has(node)) return
      if (open.has(node)) {
        this.refuse(wayOf.get(node) ?? [], 'This refers to itself without going into a field or an item.')
        return
      }
      open.add(node)
      for (const next of node.inPlace) visit(next)
      open.delete(node)
      done.add(node)
    }
    for (const node of wayOf.keys()) visit(node)
  }
}

const anything = new SchemaNode()
const nothing = new SchemaNode()
const never: Check = (_value, run) => run.fail('Nothing is allowed here. Leave it out.')
nothing.checks.push(never)
