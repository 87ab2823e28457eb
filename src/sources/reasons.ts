import type { RefusalReason } from './verified.ts'

/** Why a request to a source was refused: it could not be verified, or its event was refused. */
export type SourceRefusalReason =
  | RefusalReason
  | 'unexpected_method'
  | 'body_too_large'
  | 'payload_refused'
  | 'fan_out_too_large'
  | 'unfit_headers'

const sentences: Readonly<Record<SourceRefusalReason, string>> = {
  missing_signature:
    'It has no signature where this preset has one. Is it the right provider, and has the webhook a secret there?',
  malformed_signature: 'What stands where the signature should be is none.',
  signature_mismatch:
    'The signature was made with another secret, or over another text: compare the secret with that at the provider; where the address is signed, compare public_url; a proxy must not change the body.',
  missing_id: 'It has no id, which is signed.',
  missing_timestamp: 'It has no time, which is signed.',
  malformed_timestamp: 'Its time is none.',
  timestamp_too_old:
    'It was signed too long ago: it is a repeat of an old request, a clock is wrong, or the provider took its time. tolerance_seconds says how old it may be.',
  timestamp_in_future: 'It was signed in the future: a clock is wrong.',
  missing_token: 'It has no token, password or key where this preset has one.',
  wrong_token: 'Its token, password or key is another one.',
  body_hash_mismatch: 'The hash of the body is that of another one.',
  undecodable_body:
    'Its signature is that of the decompressed body, and the body cannot be decompressed: its Content-Encoding is not gzip, deflate, br or zstd, or it is larger than 1 MiB then.',
  unusable_secret: 'None of the secrets of this source can be used with this preset. Set them again.',
  unknown_sender:
    'It was signed for somebody else: the provider signs for all its customers. Compare the secrets of the source, which name yours.',
  foreign_certificate: 'The address of its certificate is not one of the provider. It was not fetched.',
  certificate_unavailable:
    'The certificate of the provider could not be fetched, or is not valid now. Is the way to its host open (EGRESS_PROXY, ALLOWED_TARGET_PORTS)?',
  unexpected_method: 'It was no POST, and no question that this preset answers.',
  body_too_large:
    'It is larger than this service takes (BODY_LIMIT_BYTES). Its body was not read, so nobody knows whether it is from the provider.',
  payload_refused: 'It is from the provider, and its payload does not fit its event type in the catalogue.',
  fan_out_too_large: 'It is from the provider, and more subscriptions want it than one event may go to.',
  unfit_headers: 'It is from the provider, and its content type or coding is longer than can be kept.',
}

/** What a reason means, and what to do. */
export function reasonSentence(reason: string): string {
  return Object.hasOwn(sentences, reason) ? sentences[reason as SourceRefusalReason] : 'It was refused.' // it has it
}
