/** A field that differs. */
export interface FieldChange {
  /** Its name, with dots between the names that lead to it, such as `retry.max_attempts`. */
  readonly field: string
  /** Null: there was none; always null for a secret. */
  readonly before: unknown
  /** Null: there is none now; always null for a secret. */
  readonly after: unknown
  /** For a secret: what happened to it. Its value is in no entry. */
  readonly secret?: 'set' | 'changed' | 'removed'
}

/** A thing before or after a change, by the names of its fields; undefined: there was none, or there is none now. */
export type Fields = Readonly<Record<string, unknown>> | undefined

/** The changes of one entry, within its bounds. */
export interface BoundedChanges {
  readonly changes: readonly FieldChange[]
  /** How many more fields differ. */
  readonly more: number
}

/** An entry has at most this many fields, and of each value at most this many characters of JSON. */
export const changeLimits = { fields: 100, valueChars: 1000 } as const

/**
 * What differs between a thing before and after a change. Objects are compared field by field, one level deep; lists as a
 * whole. A field that is not there and one that is null are the same.
 */
export function differences(before: Fields, after: Fields): readonly FieldChange[] {
  return namesOf(before, after).flatMap(name => {
    const [old, now] = [fieldOf(before, name), fieldOf(after, name)]
    if (!isObject(old ?? {}) || !isObject(now ?? {}) || (old === null && now === null)) {
      return isSame(old, now) ? [] : [{ field: name, before: old, after: now }]
    }
    const [oldFields, nowFields] = [asFields(old), asFields(now)]
    return namesOf(oldFields, nowFields).flatMap(inner => {
      const [one, other] = [fieldOf(oldFields, inner), fieldOf(nowFields, inner)]
      return isSame(one, other) ? [] : [{ field: `${name}.${inner}`, before: one, after: other }]
    })
  })
}

/**
 * What happened to secrets, without their values.
 *
 * @param before each secret in a form that differs when the secret does, such as its sealed text; null: there was none
 */
export function secretDifferences(before: Fields, after: Fields): readonly FieldChange[] {
  return namesOf(before, after).flatMap(name => {
    const [old, now] = [fieldOf(before, name), fieldOf(after, name)]
    if (isSame(old, now)) return []
    const secret = old === null ? 'set' : now === null ? 'removed' : 'changed'
    return [{ field: name, before: null, after: null, secret }]
  })
}

/** Cuts long values, and counts the fields that are too many. */
export function bounded(changes: readonly FieldChange[]): BoundedChanges {
  const kept = changes.slice(0, changeLimits.fields).map(change => ({
    ...change,
    field: cutText(change.field),
    before: cutValue(change.before),
    after: cutValue(change.after),
  }))
  return { changes: kept, more: changes.length - kept.length }
}

/** A value that is too long becomes the beginning of its JSON, as a text. */
function cutValue(value: unknown): unknown {
  if (typeof value === 'string') return cutText(value)
  const text = JSON.stringify(value) ?? 'null'
  return text.length <= changeLimits.valueChars ? value : cutText(text)
}

function cutText(text: string): string {
  if (text.length <= changeLimits.valueChars) return text
  // Without half of a surrogate pair at the cut.
  const beginning = text.slice(0, changeLimits.valueChars).replace(/[\ud800-\udbff]$/, '')
  return `${beginning}… (${text.length} characters)`
}

function namesOf(before: Fields, after: Fields): readonly string[] {
  return [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])]
}

/** Null when it has none; names such as `__proto__` are names like others. */
function fieldOf(fields: Fields, name: string): unknown {
  return fields !== undefined && Object.hasOwn(fields, name) ? (fields[name] ?? null) : null
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function asFields(value: unknown): Readonly<Record<string, unknown>> {
  return Object(value ?? {}) as Record<string, unknown> // an object of plain values
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other)
}
