import type { Piece, Place } from './preset.ts'

// Places and pieces as texts, as the API shows and takes them: `header:x-github-event`, `{timestamp}.{body}`.

export const placeLimits = { placeChars: 256, templateChars: 512, pieces: 40 } as const

/** The kinds of places that a caller can name. */
const placeKinds = ['header', 'query', 'field', 'form'] as const

export function placeText(place: Place): string {
  const [[kind, name] = ['', '']] = Object.entries(place)
  return `${kind}:${name}`
}

export function pieceText(piece: Piece): string {
  if (typeof piece === 'string') return `{${piece}}`
  if ('line' in piece) return `{line ${piece.line}}`
  return 'text' in piece ? piece.text : `{${placeText(piece)}}`
}

/** The place that a text names; undefined: it names none. Names of headers are in lower case in it. */
export function parsePlace(text: string): Place | undefined {
  const at = text.indexOf(':')
  const [kind, name] = [text.slice(0, at), text.slice(at + 1)]
  if (at < 0 || name === '' || text.length > placeLimits.placeChars) return undefined
  switch (placeKinds.find(one => one === kind)) {
    case 'header':
      return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) ? { header: name.toLowerCase() } : undefined
    case 'query':
      return { query: name }
    case 'field':
      return { field: name }
    case 'form':
      return { form: name }
    default:
      return undefined
  }
}

/** A piece of a template: a text as it stands, or what is put in its place. */
export type TemplatePart = { readonly text: string } | { readonly named: string }

/**
 * The parts of a text with names in braces: `github.{header:x-github-event}` has two. Undefined: a brace without the other
 * one, or too many parts.
 */
export function templateParts(template: string): readonly TemplatePart[] | undefined {
  if (template.length > placeLimits.templateChars) return undefined
  const parts: TemplatePart[] = []
  for (const [whole, named] of template.matchAll(/\{([^{}]*)\}|[^{}]+|[{}]/g)) {
    if (whole === '{' || whole === '}') return undefined
    parts.push(named === undefined ? { text: whole } : { named })
  }
  return parts.length > placeLimits.pieces ? undefined : parts
}

/** What stands in braces in what is signed, besides places. */
const signedNames = ['body', 'plain body', 'timestamp', 'id', 'method', 'url', 'sorted form'] as const

/** What is signed, as pieces; undefined: the text does not say it. */
export function parseSigned(template: string): readonly Piece[] | undefined {
  const pieces = templateParts(template)?.map(part => {
    if ('text' in part) return part
    return signedNames.find(one => one === part.named) ?? parsePlace(part.named)
  })
  return pieces?.some(piece => piece === undefined) ? undefined : (pieces as readonly Piece[] | undefined) // none is undefined
}

/** An event type, of which parts are read from each request. */
export type EventTypeTemplate = readonly ({ readonly text: string } | 'type' | Place)[]

/** The event type that a source gives, as parts; `{type}` is what the preset reads. Undefined: the text says none. */
export function parseEventType(template: string): EventTypeTemplate | undefined {
  const parts = templateParts(template)?.map(part => {
    if ('text' in part) return /^[\x21-\x7e]+$/.test(part.text) ? part : undefined
    return part.named === 'type' ? ('type' as const) : parsePlace(part.named)
  })
  if (parts === undefined || parts.length === 0 || parts.some(part => part === undefined)) return undefined
  return parts as EventTypeTemplate // none is undefined
}
