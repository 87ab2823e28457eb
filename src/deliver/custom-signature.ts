import { createHmac, sign } from 'node:crypto'
import {
  fitForHeader,
  headerText,
  type MessageTemplate,
  render,
  usesPlaceholder,
  type ValueOf,
} from '../model/message-template.ts'
import type { CustomAlgorithm, CustomSignatureRules } from '../subscriptions/custom-signature.ts'
import type { ExpiringKey } from '../subscriptions/expiring-key.ts'
import type { LoadedDelivery } from './message.ts'
import { attemptValues } from './values.ts'

/**
 * The header of a signature that its owner has described, name and value. Empty: no key is live.
 *
 * @param now Unix milliseconds
 */
export function customSignature(
  rules: CustomSignatureRules,
  loaded: LoadedDelivery,
  now: number,
): readonly string[] {
  const live = rules.keys.filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
  // Where there is room for one, that of the secret that all receivers have.
  const keys = usesPlaceholder(rules.value, 'signatures') ? live : live.slice(-1)
  if (keys.length === 0) return []
  const values = attemptValues(loaded, now)
  const content = contentOf(rules.content, loaded, values)
  const signatures = keys.map(({ key }) => signedWith(rules.algorithm, key, content).toString(rules.encoding))
  const inHeader: ValueOf = placeholder => headerText(values(placeholder) ?? '')
  const entries = signatures.map(signature => render(rules.entry, including({ signature }, inHeader)))
  const [signature = ''] = signatures
  const own = { signature, signatures: entries.join(rules.separator) }
  return [rules.header, fitForHeader(render(rules.value, including(own, inHeader)))]
}

function including(own: Readonly<Record<string, string>>, others: ValueOf): ValueOf {
  return placeholder => own[placeholder.name] ?? others(placeholder)
}

/** Bytes, as the body may be any. */
function contentOf({ pieces }: MessageTemplate, loaded: LoadedDelivery, values: ValueOf): Buffer {
  const { to, content } = loaded
  const bytes = pieces.map(piece => {
    if (typeof piece === 'string') return Buffer.from(piece)
    switch (piece.name) {
      case 'body':
        return content.payload
      case 'method':
        return Buffer.from('POST')
      case 'url':
        return Buffer.from(to.targetUrl)
      case 'path':
        return Buffer.from(to.path)
      default:
        return Buffer.from(values(piece) ?? '')
    }
  })
  return Buffer.concat(bytes)
}

function signedWith(algorithm: CustomAlgorithm, key: ExpiringKey['key'], content: Buffer): Buffer {
  switch (algorithm) {
    case 'hmac-sha256':
      return createHmac('sha256', key).update(content).digest()
    case 'hmac-sha1':
      return createHmac('sha1', key).update(content).digest()
    case 'hmac-sha512':
      return createHmac('sha512', key).update(content).digest()
    case 'ed25519':
      return sign(null, content, key)
  }
}
