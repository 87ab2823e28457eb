// How a provider signs, as data: a preset is an entry in `presets/` over the few primitives of this file, and no code.

/** Where a text of a request stands. */
export type Place =
  | { readonly header: string }
  /** Of the query of the URL. */
  | { readonly query: string }
  /** Of a JSON body: names with dots between them. */
  | { readonly field: string }
  /** Of a form-encoded body. */
  | { readonly form: string }
  /** Always this text. */
  | { readonly text: string }

/**
 * A part of the text at a place: `t=1,v1=ab,v1=cd` split at `,` has two parts with the prefix `v1=`. Without `split` the
 * text is one part; without `prefix` each part counts, and is taken as it is.
 */
export interface Parts {
  readonly at: Place
  readonly split?: string
  readonly prefix?: string
}

/** What is signed, piece by piece. */
export type Piece =
  | 'body'
  /** What the body is without its `Content-Encoding`: a sender may sign first and compress then. */
  | 'plain body'
  | 'timestamp'
  | 'id'
  | 'method'
  /** As the provider was given it: `public_url` of the source, with the query of the request. */
  | 'url'
  /** The same without a port that its scheme has by itself, then with it: Twilio signs either. */
  | 'url with or without port'
  /** The same with those characters of the query decoded that HubSpot decodes before it signs. */
  | 'url partly decoded'
  /** Names and values of a form-encoded body, one after the other, sorted by name. */
  | 'sorted form'
  /** The secret as it was given, where it is no secret but a name that both sides know. */
  | 'secret'
  /** The CRC-32 of the body, as a number. */
  | 'body crc32'
  /** A field of a JSON body: its name and its value, each with a line feed after it; nothing where it is not there. */
  | { readonly line: string }
  | { readonly text: string }
  | Place

/** How a secret as it was given becomes the bytes of the key. */
export type KeyForm = 'utf8' | 'base64' | 'hex' | 'whsec'

export interface TimestampRule {
  readonly at: Parts
  readonly unit: 's' | 'ms' | 'iso'
  /** How far it may be from now, in both directions; null: any moment will do, unless the source says how far. */
  readonly toleranceSeconds: number | null
}

/** Who can make the signature shows who sends. */
export type Verification =
  | {
      readonly kind: 'hmac'
      readonly hash: 'sha1' | 'sha256' | 'sha512'
      readonly key: KeyForm
      readonly signature: Parts
      readonly encoding: 'hex' | 'base64'
      readonly signed: readonly Piece[]
      readonly timestamp?: TimestampRule
      readonly id?: Place
      /** A field or parameter that has the SHA-256 of the body in hex, where the body itself is not signed. */
      readonly bodyHash?: Place
    }
  | {
      readonly kind: 'public key'
      readonly algorithm: 'ed25519' | 'ecdsa-sha256'
      /** Of the key that the provider shows: raw bytes, or SubjectPublicKeyInfo. */
      readonly key: 'raw hex' | 'whpk' | 'spki base64'
      readonly signature: Parts
      readonly encoding: 'hex' | 'base64'
      readonly signed: readonly Piece[]
      readonly timestamp?: TimestampRule
      readonly id?: Place
    }
  /** The signature is by a certificate, which the request says where to fetch: from the provider's own host only. */
  | CertificateRule
  /** Several ways to sign, of which the request uses one: tried in order while a signature is missing. */
  | { readonly kind: 'any'; readonly of: readonly Verification[] }
  /** The secret itself is sent. It shows who sends, and nothing of what is sent. */
  | { readonly kind: 'token'; readonly token: Parts }
  /** `Authorization: Basic`; the secret is `user:password`. */
  | { readonly kind: 'basic' }
  /** Whoever knows the URL may send. */
  | { readonly kind: 'none' }

/** One of several, by the text at a place. */
export interface ByText<T> {
  readonly at: Place
  readonly values: Readonly<Record<string, T>>
}

export interface CertificateRule {
  readonly kind: 'certificate'
  /** Where the address of the certificate stands, */
  readonly url: Place
  /** and the pattern of addresses that are the provider's own. */
  readonly urlPattern: RegExp
  readonly hash: ByText<'sha1' | 'sha256'>
  readonly signature: Parts
  readonly encoding: 'base64'
  readonly signed: ByText<readonly Piece[]>
  readonly timestamp?: TimestampRule
  readonly id?: Place
  /** Where it stands who has had it signed, which has to be one of the secrets: the provider signs for others, too. */
  readonly sender?: Place
  readonly secretPattern: RegExp
}

/** A request by which a provider finds out whether the URL is ours, and what it wants as an answer. */
export type Challenge =
  /** The field of a JSON body that has the text to send back, where another field has this value. */
  | {
      readonly kind: 'echo field'
      readonly where: Place
      readonly is: string
      readonly field: Place
    }
  /** A query parameter that is sent back. */
  | { readonly kind: 'echo query'; readonly method: 'GET' | 'POST'; readonly parameter: string }
  /** A form with this field alone and no signature, by which a provider sees that the URL answers. It is no event. */
  | { readonly kind: 'unsigned form'; readonly field: string }
  /** The value of a field, and what is answered; none where another field is there. */
  | {
      readonly kind: 'ping'
      readonly where: Place
      readonly unless: Place
      readonly answers: Readonly<Record<string, { readonly status: number; readonly json?: object }>>
    }
  /** The text and its HMAC-SHA256 in hex with the secret (Zoom). */
  | {
      readonly kind: 'signed field'
      readonly where: Place
      readonly is: string
      readonly field: Place
      readonly as: string
      readonly signedAs: string
    }
  /** A signed POST with an address of the provider that is to be visited (AWS SNS). */
  | {
      readonly kind: 'visit'
      readonly where: Place
      readonly is: string
      readonly url: Place
      readonly urlPattern: RegExp
    }
  /** CloudEvents HTTP 1.1 Web Hooks: OPTIONS with `WebHook-Request-Origin`. */
  | { readonly kind: 'cloudevents' }
  /** An array of Event Grid events, the first of which asks for the validation code. */
  | { readonly kind: 'event grid' }

export interface Preset {
  /** The provider's name in lower case. */
  readonly id: string
  readonly name: string
  /** Where the provider says how it signs; null: it is no provider in particular. */
  readonly documentation: string | null
  /** What is to be given as a secret, for people. */
  readonly secret: string
  readonly verification: Verification
  /** Where the event type stands: the first place that has one. */
  readonly eventType: readonly Place[]
  /** Where the provider's own id of the event stands: the first place that has one. None: nothing is dropped as a repeat. */
  readonly dedupe: readonly Place[]
  readonly challenge?: Challenge
  /** What the provider wants to hear when its event was accepted; undefined: any 200 will do. */
  readonly answer?: { readonly status: number; readonly content_type: string; readonly body: string }
  /** The URL is signed, so the source needs its `public_url`. */
  readonly needsPublicUrl?: true
}
