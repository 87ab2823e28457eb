import type { Clock } from '../platform/clock.ts'
import type { Certificates } from './certificates.ts'
import { answerChallenge, type ChallengeAnswer } from './challenge.ts'
import { InboundRequest } from './inbound-request.ts'
import type { Challenge, Verification } from './preset.ts'
import type { SourceRefusalReason } from './reasons.ts'
import type { Verified, VerifyOptions } from './verified.ts'
import { verifyRequest } from './verify.ts'
import { certificateWanted } from './verify-certificate.ts'

/** How requests are verified, with what. */
export interface VerifiedBy {
  readonly verification: Verification
  readonly challenge: Challenge | undefined
  /** Unix milliseconds from which on one is not good any more; null: it is. */
  readonly secrets: readonly { readonly text: string; readonly expiresAt: number | null }[]
  readonly toleranceSeconds: number | undefined
  /** As the provider was given it, without the query; undefined: nobody has said it. */
  readonly publicUrl: string | undefined
}

/** What is said of a request. */
export type Judgement =
  | { readonly kind: 'challenge'; readonly answer: ChallengeAnswer }
  | { readonly kind: 'verified'; readonly inbound: InboundRequest }
  | { readonly kind: 'refused'; readonly reason: SourceRefusalReason }

type RequestToJudge = Omit<ConstructorParameters<typeof InboundRequest>[0], 'publicUrl'>

export interface BegunJudgement {
  /** Never rejects. Undefined: no certificate is asked for. */
  readonly fetching: Promise<void> | undefined
  /** By what is fetched when it is called. */
  readonly judged: () => Judgement
}

export interface JudgeDeps {
  readonly clock: Clock
  readonly certificates: Pick<Certificates, 'keyOf' | 'fetch'>
}

/** Says whether a request is from the provider that should have sent it, or a question of that provider. */
export class Judge {
  readonly #deps: JudgeDeps

  constructor(deps: JudgeDeps) {
    this.#deps = deps
  }

  /** A promise only where a certificate has to be fetched. */
  judge(by: VerifiedBy, request: RequestToJudge): Judgement | Promise<Judgement> {
    const { fetching, judged } = this.begin(by, request)
    return fetching === undefined ? judged() : fetching.then(judged)
  }

  /** For who does not wait for a certificate, or not for long. */
  begin(by: VerifiedBy, request: RequestToJudge): BegunJudgement {
    const inbound = new InboundRequest({ ...request, publicUrl: by.publicUrl })
    const options = this.#optionsFor(by)
    const wanted = certificateWanted(by.verification, inbound, options)
    const fetching = wanted === undefined ? undefined : this.#deps.certificates.fetch(wanted)
    return { fetching, judged: () => judgement(by, inbound, options) }
  }

  #optionsFor({ secrets, toleranceSeconds }: VerifiedBy): VerifyOptions {
    const now = this.#deps.clock.now()
    return {
      ...{ now, toleranceSeconds },
      secrets: secrets.flatMap(({ text, expiresAt }) =>
        expiresAt === null || expiresAt > now ? [text] : [],
      ),
      certificateKey: url => this.#deps.certificates.keyOf(url),
    }
  }
}

function judgement(
  { verification, challenge }: VerifiedBy,
  inbound: InboundRequest,
  options: VerifyOptions,
): Judgement {
  let verified: Verified | undefined
  const verify = () => {
    verified ??= verifyRequest(verification, inbound, options)
    return verified
  }
  const answer = answerChallenge(challenge, inbound, options.secrets, verify)
  if (answer !== undefined) return { kind: 'challenge', answer }
  if (inbound.method !== 'POST') return { kind: 'refused', reason: 'unexpected_method' }
  const result = verify()
  return result.kind === 'failed' ? { kind: 'refused', reason: result.reason } : { kind: 'verified', inbound }
}
