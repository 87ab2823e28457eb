import { AppError, type FieldError, jsonPointer, validationFailed } from '../errors.ts'
import { metadataFaults } from '../http/metadata.ts'
import { isCredentialHeader } from '../model/credential-headers.ts'
import { mayBeForwarded } from '../subscriptions/header-names.ts'
import { secretMask } from '../subscriptions/signing-secret.ts'
import { parseTargetUrl } from '../subscriptions/target-url.ts'
import { ownSignatureFaults, ownVerification } from './own-signature.ts'
import { parseEventType, parsePlace, placeLimits } from './places.ts'
import type { Preset, Verification } from './preset.ts'
import { presetOf } from './presets.ts'
import {
  type SourceAnswer,
  type SourceCreate,
  type SourcePatch,
  type SourceSettings,
  sourceLimits,
} from './schema.ts'
import { canUse } from './secret-keys.ts'

/** @throws AppError validation_failed */
export function knownPreset(id: string): Preset {
  const preset = presetOf(id)
  if (preset !== undefined) return preset
  const detail = 'There is no such preset. GET /sources/presets lists those there are, by their ids.'
  throw validationFailed([{ pointer: '/preset', detail }])
}

/**
 * The settings after a change; what the change does not name stays as it is, and null puts it back to what it is unless given.
 *
 * @throws AppError validation_failed
 */
export function mergedSettings(
  before: SourceSettings,
  given: SourceCreate | SourcePatch,
  preset: Preset,
): SourceSettings {
  const merged: SourceSettings = {
    event_type: pick(given.event_type, before.event_type) || null,
    public_url: pick(given.public_url, before.public_url) || null,
    tolerance_seconds: pick(given.tolerance_seconds, before.tolerance_seconds),
    dedupe: pick(given.dedupe, before.dedupe),
    signature: pick(given.signature, before.signature),
    channels: [...new Set(given.channels ?? before.channels)],
    metadata: given.metadata === null ? {} : (given.metadata ?? before.metadata),
    forward_headers: (given.forward_headers ?? before.forward_headers).map(name => name.toLowerCase()),
    forward_prefix: given.forward_prefix ?? before.forward_prefix,
    answer:
      given.answer === undefined || given.answer === null
        ? pick(given.answer, before.answer)
        : wholeAnswer(given.answer),
  }
  const faults = settingsFaults(merged, preset)
  if (faults.length > 0) throw validationFailed(faults)
  return merged
}

function pick<T>(given: T | undefined, before: T): T {
  return given === undefined ? before : given
}

function wholeAnswer({ status = 200, content_type = 'text/plain', body = '' }: Partial<SourceAnswer>) {
  return { status, content_type, body }
}

function settingsFaults(settings: SourceSettings, preset: Preset): readonly FieldError[] {
  const { event_type: eventType, public_url: publicUrl, dedupe, signature, answer } = settings
  const faults: FieldError[] = []
  const say = (pointer: string, detail: string) => faults.push({ pointer, detail })
  if (eventType !== null && (eventType.length > placeLimits.templateChars || !parseEventType(eventType)))
    say('/event_type', eventTypeSentence)
  if (publicUrl !== null) {
    const parsed = parseTargetUrl(publicUrl)
    if (parsed.kind === 'invalid') say('/public_url', parsed.detail)
    else if (publicUrl.includes('?'))
      say('/public_url', 'Leave out the query, from the ? on: that of each request is added.')
  }
  if (dedupe !== null && dedupe.length > sourceLimits.dedupe)
    say('/dedupe', `Give at most ${sourceLimits.dedupe} places.`)
  dedupe?.forEach((text, index) => {
    if (parsePlace(text) === undefined)
      say(
        jsonPointer('dedupe', String(index)),
        'Name a place: header:NAME, query:NAME, field:NAME or form:NAME.',
      )
  })
  if (signature !== null) {
    if (preset.id === 'hmac') faults.push(...ownSignatureFaults(signature))
    else
      say(
        '/signature',
        'Only the preset hmac takes a signature of your own. Leave it out, or choose that preset.',
      )
  }
  faults.push(...channelFaults(settings), ...metadataFaults(settings.metadata), ...headerFaults(settings))
  if (answer !== null && !answerTypes.includes(answer.content_type))
    say('/answer/content_type', `Give one of: ${answerTypes.join(', ')}.`)
  return faults
}

/** Types that no browser runs or shows as a page. */
const answerTypes = ['application/json', 'text/plain', 'text/xml', 'application/xml']

const eventTypeSentence =
  'Give an event type of visible ASCII characters without spaces, at most 512 with what stands in braces. In braces may stand type, header:NAME, field:NAME, form:NAME and query:NAME.'

function channelFaults({ channels }: SourceSettings): readonly FieldError[] {
  return channels.flatMap((channel, index) =>
    /^[\x21-\x2b\x2d-\x7e]+$/.test(channel)
      ? []
      : [
          {
            pointer: jsonPointer('channels', String(index)),
            detail: 'A channel is a name of visible ASCII characters without a comma or a space.',
          },
        ],
  )
}

function headerFaults({
  forward_headers: names,
  forward_prefix: prefix,
}: SourceSettings): readonly FieldError[] {
  return names.flatMap((name, index) => {
    const detail = headerFault(name, prefix)
    return detail === undefined ? [] : [{ pointer: jsonPointer('forward_headers', String(index)), detail }]
  })
}

function headerFault(name: string, prefix: string): string | undefined {
  if (!/^[!#$%&'+.^_`|~0-9a-z-]+\*?$/.test(name))
    return 'Give the name of a header, or its beginning with * after it, such as x-github-*.'
  if (isCredentialHeader(name)) return `${name} has a credential in it, which is not kept. Leave it out.`
  if (prefix !== '' || name.endsWith('*')) return undefined
  return mayBeForwarded(name)
    ? undefined
    : `The service sets ${name} itself. Leave it out, or set forward_prefix to x-original-.`
}

/** How requests to a source are verified. */
export function verificationOf(
  preset: Preset,
  { signature }: Pick<SourceSettings, 'signature'>,
): Verification {
  return signature === null ? preset.verification : ownVerification(signature)
}

/**
 * Checks new secrets against how they are used.
 *
 * @param pointer of one by its place. @throws AppError validation_failed
 */
export function checkSecrets(
  secrets: readonly string[],
  preset: Preset,
  verification: Verification,
  pointer: (index: number) => string = index => jsonPointer('secrets', String(index)),
): void {
  const faults = secrets.flatMap((secret, index): readonly FieldError[] => {
    if (secret === secretMask)
      return [
        {
          pointer: pointer(index),
          detail: `${secretMask} stands for a secret that is not shown. Give a real one.`,
        },
      ]
    if (canUse(secret, verification)) return []
    return [{ pointer: pointer(index), detail: `This cannot be used here. Give this: ${preset.secret}.` }]
  })
  if (faults.length > 0) throw validationFailed(faults)
}

/** @throws AppError validation_failed */
export function checkNumber(count: number, preset: Preset, verification: Verification): void {
  const isOpen = verification.kind === 'none'
  if (isOpen && count > 0)
    throw validationFailed([{ pointer: '/secrets', detail: 'This preset asks for no secret. Leave it out.' }])
  if (!isOpen && count === 0)
    throw validationFailed([{ pointer: '/secrets', detail: `Give at least one: ${preset.secret}.` }])
  if (count > sourceLimits.secrets)
    throw new AppError(
      'too_many_secrets',
      `At most ${sourceLimits.secrets} secrets are good at a time. Give overlap_seconds 0 to end those before it now.`,
    )
}
