import type { Static } from 'typebox'
import type { Parts, Piece, Place, Preset, Verification } from './preset.ts'
import type { SignatureWay, SourcePreset } from './schema.ts'

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
    event_type: preset.eventType.map(textOf),
    dedupe: preset.dedupe.map(textOf),
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
  if (kinds.has('token')) return 'token'
  return kinds.has('basic') ? 'user_and_password' : 'none'
}

function describeWay(way: Verification): readonly Static<typeof SignatureWay>[] {
  if (way.kind !== 'hmac' && way.kind !== 'public key') return []
  return [
    {
      algorithm: way.kind === 'hmac' ? `hmac-${way.hash}` : way.algorithm,
      encoding: way.encoding,
      at: textOf(way.signature.at),
      prefix: way.signature.prefix ?? null,
      signed: way.signed.map(pieceText).join(''),
      signed_at: way.timestamp ? textOf(way.timestamp.at.at) : null,
      tolerance_seconds: way.timestamp?.toleranceSeconds ?? null,
    },
  ]
}

function pieceText(piece: Piece): string {
  if (typeof piece === 'string') return `{${piece}}`
  return 'text' in piece ? piece.text : `{${textOf(piece)}}`
}

function textOf(place: Place): string {
  const [[kind, name] = ['', '']] = Object.entries(place)
  return `${kind}:${name}`
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
      const pieces = way.signed.flatMap(piece => (typeof piece === 'string' ? [] : [piece]))
      const parts = [way.signature, way.timestamp?.at].flatMap((one: Parts | undefined) => one?.at ?? [])
      return [...pieces, ...parts, ...(way.id ? [way.id] : [])]
    }
    case 'token':
      return [way.token.at]
    case 'basic':
      return [{ header: 'authorization' }]
    default:
      return []
  }
}
