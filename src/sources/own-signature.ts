import { type FieldError, jsonPointer } from '../errors.ts'
import { parsePlace, parseSigned, placeLimits } from './places.ts'
import type { Parts, Piece, Place, TimestampRule, Verification } from './preset.ts'
import type { OwnSignature } from './schema.ts'

const placeSentence = 'Name a place: header:NAME, query:NAME, field:NAME or form:NAME.'

/** What is wrong with a way to sign that somebody has put together. */
export function ownSignatureFaults(own: OwnSignature): readonly FieldError[] {
  const faults: FieldError[] = []
  const say = (name: keyof OwnSignature, detail: string) =>
    faults.push({ pointer: jsonPointer('signature', name), detail })
  for (const name of ['at', 'signed_at', 'id_at'] as const) {
    const text = own[name]
    if (text !== undefined && text !== null && parsePlace(text) === undefined) say(name, placeSentence)
  }
  const pieces = parseSigned(own.signed ?? '{body}')
  if (pieces === undefined || pieces.length === 0) {
    say(
      'signed',
      `Give a text of at most ${placeLimits.templateChars} characters with {body}, {plain body}, {timestamp}, {id}, {method}, {url}, {sorted form} or a place such as {header:x-id} in it.`,
    )
  } else {
    const needs = (piece: Piece, name: 'signed_at' | 'id_at') => {
      if (pieces.includes(piece) && !own[name])
        say(name, `{${String(piece)}} is signed, so say where it stands.`)
    }
    needs('timestamp', 'signed_at')
    needs('id', 'id_at')
    if (!pieces.some(coversBody))
      say('signed', 'Nothing of the body is signed like that. Name {body}, {sorted form} or a field of it.')
  }
  return faults
}

function coversBody(piece: Piece): boolean {
  if (typeof piece === 'object') return 'field' in piece || 'form' in piece
  return ['body', 'plain body', 'sorted form'].includes(piece)
}

/** The same as a rule. @throws Error for one that has faults */
export function ownVerification(own: OwnSignature): Verification {
  const timestamp = own.signed_at ? timestampRule(own, placeOf(own.signed_at)) : undefined
  const shared = {
    signature: partsOf(own.at, own.prefix, own.split),
    encoding: own.encoding ?? 'hex',
    signed: parseSigned(own.signed ?? '{body}') ?? [],
    ...(timestamp && { timestamp }),
    ...(own.id_at && { id: placeOf(own.id_at) }),
  } as const
  switch (own.algorithm) {
    case 'ed25519':
      // Both forms of a key are told from each other by their first letters.
      return {
        kind: 'any',
        of: [
          { kind: 'public key', algorithm: 'ed25519', key: 'raw hex', ...shared },
          { kind: 'public key', algorithm: 'ed25519', key: 'whpk', ...shared },
        ],
      }
    case 'ecdsa-sha256':
      return { kind: 'public key', algorithm: 'ecdsa-sha256', key: 'spki base64', ...shared }
    case 'hmac-sha1':
      return { kind: 'hmac', hash: 'sha1', key: own.key ?? 'utf8', ...shared }
    case 'hmac-sha256':
      return { kind: 'hmac', hash: 'sha256', key: own.key ?? 'utf8', ...shared }
    case 'hmac-sha512':
      return { kind: 'hmac', hash: 'sha512', key: own.key ?? 'utf8', ...shared }
  }
}

function timestampRule(own: OwnSignature, at: Place): TimestampRule {
  return {
    at: {
      at,
      ...(own.split && { split: own.split }),
      ...(own.signed_at_prefix && { prefix: own.signed_at_prefix }),
    },
    unit: own.signed_at_unit ?? 's',
    toleranceSeconds: 300,
  }
}

function partsOf(at: string, prefix: string | null | undefined, split: string | null | undefined): Parts {
  return { at: placeOf(at), ...(split && { split }), ...(prefix && { prefix }) }
}

function placeOf(text: string): Place {
  const place = parsePlace(text)
  if (place === undefined) throw new Error(`no place: ${text}`)
  return place
}
