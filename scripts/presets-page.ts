import { readFileSync } from 'node:fs'
import { describePreset } from '../src/sources/describe.ts'
import { placeText } from '../src/sources/places.ts'
import type { Verification } from '../src/sources/preset.ts'
import { presetOf, presets } from '../src/sources/presets.ts'

/** What is said of a preset besides its data, and the event type that its example has; undefined: it has none. */
interface Example {
  readonly type: string | undefined
  readonly text: string
}

/** `docs/reference/presets.md`: each preset with what its data says, where its secret is, and a request that is run by a test. */
export function presetsPage(): string {
  const examples = readExamples()
  const all = presets.map(describePreset)
  const rows = all.map(one => `| [\`${one.id}\`](#${one.id}) | ${one.name} | ${howOf(one)} |`)
  const sections = all.map(one => {
    const example = examples.get(one.id)
    if (example === undefined) throw new Error(`scripts/preset-examples.md has no example of ${one.id}`)
    return `## ${one.id}\n\n${factsOf(one, example)}\n\n${example.text}\n`
  })
  return `${intro}\n| preset | sender | how it signs |\n|---|---|---|\n${rows.join('\n')}\n\n${sections.join('\n')}`
}

const intro = `<!-- Made by "npm run generate" from src/sources/presets and scripts/preset-examples.md. Change it there. -->

# Presets

How each provider signs, where its secret is, and a request as it sends it. What sources are: [the guide to sources](../guides/sources.md).
Every example stands by itself: it makes a source, signs a body with \`openssl\` at the time of now, and sends it. All of them are run by a test
(\`test/e2e/presets-page.test.ts\`). \`IN\` is the address that a provider is given.

None of these providers compresses what it sends. Where a request has a \`Content-Encoding\` all the same, the signature is compared with the bytes as
they came; a sender that signs what it then compresses says so with [\`{plain body}\`](../guides/sources.md#compressed-bodies).
`

type Described = ReturnType<typeof describePreset>

function howOf({ signatures: [first, ...others], secret }: Described): string {
  if (first === undefined) return secret.kind === 'none' ? 'not at all' : 'not: it sends the secret itself'
  const isOther = others.some(
    ({ algorithm, signed }) => algorithm !== first.algorithm || signed !== first.signed,
  )
  const more = isOther ? ', and otherwise' : ''
  return `${first.algorithm} of ${inCode(first.signed)}${more}`
}

function factsOf(one: Described, { type }: Example): string {
  const rows = [
    ['sender', one.documentation === null ? one.name : `[${one.name}](${one.documentation})`],
    ['secret', one.secret.description],
    ...waysOf(one.signatures).map(way => ['signature', way]),
    ...tokensOf(presetOf(one.id)?.verification).map(text => ['token', text]),
    ['event type', one.event_type.length === 0 ? 'none is read' : listOf(one.event_type)],
    ['of the example', type === undefined ? 'none' : `\`${type}\``],
    ['a repeat is known by', one.dedupe.length === 0 ? 'nothing' : listOf(one.dedupe)],
    ...(one.answer === null ? [] : [['answer', `${one.answer.status} ${inCode(one.answer.body)}`.trim()]]),
    ...(one.needs_public_url ? [['the address', 'is signed']] : []),
  ]
  return ['| | |', '|---|---|', ...rows.map(cells => `| ${cells.join(' | ')} |`)].join('\n')
}

/** Ways that differ only by the place of the signature are one. */
function waysOf(signatures: Described['signatures']): readonly string[] {
  const places = new Map<string, string[]>()
  for (const { at, ...way } of signatures) {
    const text = wayOf({ ...way, at: '@' })
    places.set(text, [...(places.get(text) ?? []), `\`${at}\``])
  }
  return [...places].map(([text, all]) => text.replace('`@`', all.join(' or ')))
}

function wayOf(way: Described['signatures'][number]): string {
  const prefix = way.prefix === null ? '' : `, after ${inCode(way.prefix)}`
  const far = way.tolerance_seconds === null ? 'at any time' : `good for ${way.tolerance_seconds} s`
  const time = way.signed_at === null ? 'no time is signed' : `its time in \`${way.signed_at}\`, ${far}`
  return `${way.algorithm} of ${inCode(way.signed)} in ${way.encoding}, in \`${way.at}\`${prefix}; ${time}`
}

/** Where the secret itself is sent. */
function tokensOf(verification: Verification | undefined): readonly string[] {
  switch (verification?.kind) {
    case 'any':
      return verification.of.flatMap(tokensOf)
    case 'token': {
      const { at, prefix } = verification.token
      return [
        `the secret itself, in \`${placeText(at)}\`${prefix === undefined ? '' : `, after ${inCode(prefix)}`}`,
      ]
    }
    case 'basic':
      return ['the secret itself, in `header:authorization`']
    default:
      return []
  }
}

function listOf(places: readonly string[]): string {
  return places.map(place => `\`${place}\``).join(', else ')
}

function inCode(text: string): string {
  return text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``
}

function readExamples(): ReadonlyMap<string, Example> {
  const text = readFileSync(new URL('preset-examples.md', import.meta.url), 'utf8')
  const [, ...sections] = text.split(/^## /m)
  return new Map(
    sections.map(section => {
      const [, id = '', type = '', rest = ''] = /^(\S+)\ntype: (\S+)\n+([\s\S]*)$/.exec(section) ?? []
      const read = {
        type: type === 'none' ? undefined : type,
        text: expanded(id, rest.trim().replaceAll('](../docs/', '](../')),
      }
      return [id, read] as const
    }),
  )
}

/** A line `@source {…}` becomes the request that makes a source of the preset with these fields. */
function expanded(id: string, text: string): string {
  return text.replace(/^@source \{(.*)\}$/gm, (_, fields: string) => {
    const body = `{"name":"${id}","preset":"${id}"${fields === '' ? '' : `,${fields}`}}`
    return `IN=$(curl -s http://localhost:8000/sources -H "Content-Type: application/json" \\\n  -d '${body}' | grep -o 'http[^"]*/in/[^"]*')`
  })
}
