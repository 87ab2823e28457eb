/** Any bytes, as JSON can show them. */
export interface ShownBody {
  readonly body: string
  /** `base64` where they are no UTF-8. */
  readonly body_encoding: 'utf-8' | 'base64'
}

/** @param isCut there were more: an incomplete last character is left out */
export function shownBody(bytes: Uint8Array, isCut: boolean): ShownBody {
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    return { body: decoder.decode(bytes, { stream: isCut }), body_encoding: 'utf-8' }
  } catch {
    return { body: Buffer.from(bytes).toString('base64'), body_encoding: 'base64' }
  }
}
