import type { FieldError } from '../errors.ts'
import { jsonPointer } from '../errors.ts'
import { textsByName, textsByNameSentence } from '../http/texts-by-name.ts'
import {
  attemptPlaceholders,
  type CompiledTemplate,
  compileTemplate,
  literalsOf,
  type MessageTemplate,
} from '../model/message-template.ts'
import { fieldNamePattern, headerNameCharsMax } from './header-names.ts'

/** A header that is made for each attempt. */
export interface HeaderTemplate {
  readonly name: string
  readonly value: MessageTemplate
}

export const headerTemplateLimits = { count: 16, templateChars: 512 } as const

/** The schema of header templates as sent; in a patch a value may be null. */
export const headerTemplatesInput = (valueTypes: readonly string[]) =>
  textsByName(
    valueTypes,
    {
      names: headerTemplateLimits.count,
      name: { pattern: fieldNamePattern, maxLength: headerNameCharsMax },
      valueChars: headerTemplateLimits.templateChars,
      value: { minLength: 1, pattern: '^[\\x20-\\x7e]+$' },
    },
    'Headers that are made for each attempt, such as `{"X-Order": "{metadata.order}"}`: `{event_type}`, `{id}` (the `webhook_id`), `{event_id}`, ' +
      '`{tenant}`, `{subscription_id}`, `{created_at}`, `{metadata.NAME}`, `{attempt}`, `{timestamp}` and `{timestamp_ms}` stand for ' +
      'values, `{{` and `}}` for braces. In a value what is no visible ASCII is percent-encoded; a header without a value is not sent. They are no place for secrets: they are shown as they are. ' +
      `At most ${headerTemplateLimits.count} names; those that the service sets itself, or that are in \`headers\`, are refused`,
  )

/**
 * Everything that is wrong with them.
 *
 * @param isTaken says why a name may not be chosen
 */
export function headerTemplateFaults(
  templates: Readonly<Record<string, string>>,
  isTaken: (name: string) => string | undefined,
): readonly FieldError[] {
  const entries = Object.entries(templates)
  if (entries.length > headerTemplateLimits.count) {
    return [{ pointer: '/header_templates', detail: textsByNameSentence(headerTemplateLimits.count) }]
  }
  const seen = new Set<string>()
  return entries.flatMap(([name, text]) => {
    const lower = name.toLowerCase()
    const detail = seen.has(lower)
      ? 'Give each header once; upper and lower case are the same.'
      : (isTaken(name) ?? templateFault(text))
    seen.add(lower)
    return detail === undefined ? [] : [{ pointer: jsonPointer('header_templates', name), detail }]
  })
}

function templateFault(text: string): string | undefined {
  if (text === '' || text.length > headerTemplateLimits.templateChars)
    return `Give a text of 1 to ${headerTemplateLimits.templateChars} characters.`
  const compiled = compileHeader(text)
  if (compiled.kind === 'invalid') return compiled.detail
  return headerLiteralFault(compiled.template)
}

/** What a header may not hold, outside of its placeholders. */
export function headerLiteralFault(template: MessageTemplate): string | undefined {
  return /^[\x20-\x7e]*$/.test(literalsOf(template))
    ? undefined
    : 'Give visible ASCII characters and spaces around the placeholders.'
}

function compileHeader(text: string): CompiledTemplate {
  return compileTemplate(text, attemptPlaceholders)
}

/** @throws Error for one that an operator has written into the database by hand */
export function openHeaderTemplates(
  stored: Readonly<Record<string, string>> | null,
): readonly HeaderTemplate[] {
  return Object.entries(stored ?? {}).map(([name, text]) => {
    const compiled = compileHeader(text)
    if (compiled.kind === 'invalid') throw new Error(`a header cannot be made: ${compiled.detail}`)
    return { name, value: compiled.template }
  })
}
