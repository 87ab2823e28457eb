import { AppError, type FieldError, jsonPointer } from '../errors.ts'
import type { InboundJudged, JudgeInbound } from '../ingest/inbound.ts'
import type { InboundCheck } from '../subscriptions/inbound-fields.ts'
import { secretMask } from '../subscriptions/signing-secret.ts'
import type { Certificates, Visit } from './certificates.ts'
import { eventTypeOf, repeatIdOf } from './event-of.ts'
import { Judge, type JudgeDeps, type Judgement } from './judge.ts'
import { parsePlace } from './places.ts'
import type { Preset } from './preset.ts'
import { presetOf, presets } from './presets.ts'
import { reasonSentence } from './reasons.ts'
import { sourceLimits } from './schema.ts'
import { canUse } from './secret-keys.ts'

/** What is wrong with `inbound` of a subscription. */
export const inboundFaults: InboundCheck = ({ preset: id, secrets = [], dedupe }) => {
  const faults: FieldError[] = []
  const say = (detail: string, ...names: readonly string[]) =>
    faults.push({ pointer: jsonPointer('inbound', ...names), detail })
  const preset = presetOf(id)
  if (preset === undefined) {
    say('There is no such preset. GET /sources/presets lists those there are, by their ids.', 'preset')
  } else {
    const isOpen = preset.verification.kind === 'none'
    if (isOpen !== (secrets.length === 0))
      say(
        isOpen ? 'This preset asks for no secret. Leave it out.' : `Give at least one: ${preset.secret}.`,
        'secrets',
      )
    secrets.forEach((secret, index) => {
      if (secret !== secretMask && !isOpen && !canUse(secret, preset.verification))
        say(`This cannot be used here. Give this: ${preset.secret}.`, 'secrets', String(index))
    })
  }
  if (dedupe && dedupe.length > sourceLimits.dedupe)
    say(`Give at most ${sourceLimits.dedupe} places.`, 'dedupe')
  dedupe?.forEach((text, index) => {
    if (parsePlace(text) === undefined)
      say('Name a place: header:NAME, query:NAME, field:NAME or form:NAME.', 'dedupe', String(index))
  })
  return faults
}

export interface InboundJudgeDeps extends JudgeDeps {
  readonly certificates: Certificates
  readonly visit: Visit
  /** Where clients reach this service, without the last slash; undefined: nobody has said it. */
  readonly publicUrl: string | undefined
}

/** Judges what comes to `POST /ingest/{id}` of subscriptions with `inbound`. */
export function inboundJudge(deps: InboundJudgeDeps): JudgeInbound {
  const judge = new Judge(deps)
  return (inbound, { method, headers, url, body }) => {
    const preset = presetOf(inbound.preset)
    if (preset === undefined) return refused('unusable_secret')
    const [path = '', query] = url.split('?', 2)
    const by = {
      ...{ verification: preset.verification, challenge: preset.challenge },
      secrets: inbound.secrets.map(text => ({ text, expiresAt: null })),
      toleranceSeconds: inbound.toleranceSeconds ?? undefined,
      publicUrl: deps.publicUrl && deps.publicUrl + path,
    }
    const reading = {
      ...{ typePlaces: preset.eventType, typeTemplate: undefined },
      dedupe: inbound.dedupe?.flatMap(text => parsePlace(text) ?? []) ?? preset.dedupe,
    }
    const say = (judged: Judgement): InboundJudged | Promise<InboundJudged> => {
      switch (judged.kind) {
        case 'refused':
          return refused(judged.reason)
        case 'challenge':
          return judged.answer.visit === undefined ? judged : visited(deps.visit, judged, judged.answer.visit)
        case 'verified':
          return {
            kind: 'verified',
            eventType: eventTypeOf(reading, judged.inbound),
            repeatId: repeatIdOf(reading, judged.inbound),
          }
      }
    }
    const search = query === undefined ? '' : `?${query}`
    const { fetching, judged } = judge.begin(by, { method, headers, search, body })
    if (fetching === undefined) return say(judged())
    if (namesSender(preset)) return fetching.then(() => say(judged()))
    const now = judged()
    return now.kind === 'refused' ? { ...refused(now.reason), fetching } : say(now)
  }
}

/**
 * Whether a certificate is fetched only for who knows whom the provider sends it to. Else anybody can have one fetched, so that nothing
 * of it may be in the answer.
 */
function namesSender({ verification }: Preset): boolean {
  return verification.kind === 'certificate' && verification.sender !== undefined
}

const certificateRules = presets.flatMap(({ verification }) =>
  verification.kind === 'certificate' && verification.sender === undefined ? [verification] : [],
)

/** Whether a request names a certificate that anybody can have fetched, wherever it is sent to. */
export function namesCertificate(headers: NodeJS.Dict<string | string[]>): boolean {
  return certificateRules.some(({ url, urlPattern }) => {
    const text = 'header' in url ? headers[url.header] : undefined
    return typeof text === 'string' && urlPattern.test(text)
  })
}

function refused(reason: string): InboundJudged {
  return { kind: 'refused', reason, detail: reasonSentence(reason) }
}

/** @throws AppError certificate_unavailable */
async function visited<T>(visit: Visit, answer: T, url: string): Promise<T> {
  const status = await visit(url).then(
    one => one.status,
    () => undefined,
  )
  if (status !== undefined && status < 300) return answer
  throw new AppError(
    'certificate_unavailable',
    'The address by which this is confirmed could not be visited. Ask again.',
  )
}
