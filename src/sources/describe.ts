import type { Static } from 'typebox'
import { pieceText, placeText } from './places.ts'
import type { CertificateRule, Parts, Place, Preset, Verification } from './preset.ts'
import type { SignatureWay, SourcePreset } from './preset-schema.ts'

/** A preset as the API shows it: what is signed as one text, places as `header:x-github-event`. */
export function describePreset(preset: Preset): Static<typeof SourcePreset> {
  const ways = waysOf(preset.verification)
  return {
    id: preset.id,
    name: preset.name,
    documentation: preset.documentation,
    secret: { kind: secretKindOf(preset.verification), description: preset.secret },
    signatures: ways.flatMap(describeWay),
    headers: headersOf(preset),
    event_type: preset.eventType.map(placeText),
    dedupe: preset.dedupe.map(placeText),
    answer: preset.answer ?? null,
    answers_challenge: preset.challenge !== undefined,
    needs_public_url: preset.needsPublicUrl === true,
  }
}

function waysOf(verification: Verification): readonly Verification[] {
  return verification.kind === 'any' ? verification.of.flatMap(waysOf) : [verification]
}

function secretKindOf(verification: Verification): Static<typeof SourcePreset>['secret']['kind'] {
  const kinds = new Set(waysOf(verification).map(({ kind }) => kind))
  if (kinds.has('hmac')) return kinds.has('public key') ? 'shared_secret_or_public_key' : 'shared_secret'
  if (kinds.has('public key')) return 'public_key'
  if (kinds.has('certificate')) return 'sender'
  if (kinds.has('token')) return 'token'
  return kinds.has('basic') ? 'user_and_password' : 'none'
}

function describeWay(way: Verification): readonly Static<typeof SignatureWay>[] {
  if (way.kind === 'certificate') return describeCertificate(way)
  if (way.kind !== 'hmac' && way.kind !== 'public key') return []
  return [
    {
      algorithm: way.kind === 'hmac' ? `hmac-${way.hash}` : way.algorithm,
      encoding: way.encoding,
      at: placeText(way.signature.at),
      prefix: way.signature.prefix ?? null,
      signed: way.signed.map(pieceText).join(''),
      signed_at: way.timestamp ? placeText(way.timestamp.at.at) : null,
      tolerance_seconds: way.timestamp?.toleranceSeconds ?? null,
    },
  ]
}

/** One for each hash; of what is signed the first variant. */
function describeCertificate(way: CertificateRule): readonly Static<typeof SignatureWay>[] {
  const [signed = []] = Object.values(way.signed.values)
  return [...new Set(Object.values(way.hash.values))].map(hash => ({
    algorithm: `rsa-${hash}`,
    encoding: way.encoding,
    at: placeText(way.signature.at),
    prefix: null,
    signed: signed.map(pieceText).join(''),
    signed_at: way.timestamp ? placeText(way.timestamp.at.at) : null,
    tolerance_seconds: way.timestamp?.toleranceSeconds ?? null,
  }))
}

/** The headers that are read before a request is believed, in order. */
function headersOf({ verification }: Preset): string[] {
  const places = waysOf(verification).flatMap(placesOf)
  return [...new Set(places.flatMap(place => ('header' in place ? [place.header] : [])))].sort()
}

function placesOf(way: Verification): readonly Place[] {
  switch (way.kind) {
    case 'hmac':
    case 'public key': {
      const pieces = way.signed.flatMap(piece =>
        typeof piece === 'string' || 'line' in piece ? [] : [piece],
      )
      const parts = [way.signature, way.timestamp?.at].flatMap((one: Parts | undefined) => one?.at ?? [])
      return [...pieces, ...parts, ...(way.id ? [way.id] : [])]
    }
    case 'certificate': {
      const pieces = Object.values(way.signed.values).flat()
      const places = pieces.flatMap(piece => (typeof piece === 'string' || 'line' in piece ? [] : [piece]))
      const others = [way.url, way.hash.at, way.signed.at, way.signature.at, way.timestamp?.at.at, way.id]
      return [...places, ...others.flatMap(place => place ?? [])]
    }
    case 'token':
      return [way.token.at]
    case 'basic':
      return [{ header: 'authorization' }]
    default:
      return []
  }
}
