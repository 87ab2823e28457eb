import { Field, Input, Select } from '../design/field.tsx'
import type { CustomDraft, FaultAt } from './subscription-extras.ts'
import { filled } from './template.ts'

const algorithms = [
  ['hmac-sha256', 'HMAC-SHA256'],
  ['hmac-sha512', 'HMAC-SHA512'],
  ['hmac-sha1', 'HMAC-SHA1'],
  ['ed25519', 'Ed25519, with the key pair'],
] as const
const encodings = [
  ['hex', 'hex'],
  ['base64', 'base64'],
  ['base64url', 'base64url'],
] as const
const keyForms = [
  ['text', 'its text, as it is'],
  ['base64', 'the bytes it is in base64'],
  ['hex', 'the bytes it is in hex'],
] as const

/** A signature as another service makes it: what is signed, how, and where it is written. */
export function CustomSignature({
  custom,
  change,
  faultAt,
}: {
  readonly custom: CustomDraft
  readonly change: (fields: Partial<CustomDraft>) => void
  readonly faultAt: FaultAt
}) {
  const at = (name: keyof CustomDraft) => faultAt(`/signing/custom/${name}`)
  const choice = <Name extends 'algorithm' | 'encoding' | 'key'>(
    name: Name,
    label: string,
    options: readonly (readonly [CustomDraft[Name], string])[],
  ) => (
    <Field label={label} error={at(name)}>
      <Select value={custom[name]} onChange={event => change({ [name]: event.target.value })}>
        {options.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </Select>
    </Field>
  )
  const text = (
    name: 'content' | 'header' | 'value' | 'entry' | 'separator',
    label: string,
    hint: string,
    placeholder: string,
  ) => (
    <Field label={label} optional={name !== 'content' && name !== 'header'} hint={hint} error={at(name)}>
      <Input
        value={custom[name]}
        placeholder={placeholder}
        onChange={event => change({ [name]: event.target.value })}
      />
    </Field>
  )
  return (
    <fieldset className="space-y-4 rounded-card border p-3">
      <legend className="px-1 text-sm font-medium">A signature of your own</legend>
      <div className="grid gap-4 sm:grid-cols-2">
        {text('content', 'What is signed', 'Placeholders stand for values', '{timestamp}.{body}')}
        {text('header', 'In the header', 'Its name', 'X-Acme-Signature')}
        {choice('algorithm', 'Algorithm', algorithms)}
        {choice('encoding', 'Written in', encodings)}
        {custom.algorithm !== 'ed25519' && choice('key', 'The key is the signing secret:', keyForms)}
        {text('value', 'Value of the header', 'Empty: {signature}', 't={timestamp},{signatures}')}
        {text('entry', 'Each of {signatures}', 'Empty: {signature}', 'v1={signature}')}
        {text('separator', 'Between them', 'Empty: a comma', ',')}
      </div>
      <p className="text-xs text-ink-3">
        Placeholders:{' '}
        <code className="font-mono break-words">
          {
            '{body}, {id}, {timestamp}, {timestamp_ms}, {method}, {url}, {path}, {event_id}, {event_type}, {tenant}, {subscription_id}, {created_at}, {attempt}, {metadata.NAME}'
          }
        </code>
        ; <code className="font-mono">{'{{'}</code> and <code className="font-mono">{'}}'}</code> are braces.
      </p>
      <Preview custom={custom} />
    </fieldset>
  )
}

const exampleValues: Readonly<Record<string, string>> = {
  body: '{"total":12}',
  id: '0193e0a4-6d3c-7d0e-9d0a-3f4a5b6c7d8e',
  timestamp: '1767225600',
  timestamp_ms: '1767225600000',
  method: 'POST',
  url: 'https://example.com/hooks',
  path: '/hooks',
  event_id: 'order-1042',
  event_type: 'order.paid',
  tenant: 'default',
  subscription_id: '12',
  created_at: '2026-01-01T00:00:00.000Z',
  attempt: '1',
}

/** What a request would have, with example values; the signature itself needs the secret, and stands as a word. */
function Preview({ custom }: { readonly custom: CustomDraft }) {
  const { content, header, value, entry, separator, algorithm, encoding } = custom
  if (content === '' || header === '') return null
  const signature = `‹${algorithm} in ${encoding}›`
  const one = filled(entry || '{signature}', { ...exampleValues, signature })
  const whole = filled(value || '{signature}', { ...exampleValues, signature, signatures: one })
  return (
    <div className="rounded-control bg-sunken px-3 py-2 text-xs" role="status" aria-label="For example">
      <p>
        <span className="text-ink-2">Signed: </span>
        <code className="font-mono break-all">{filled(content, exampleValues)}</code>
      </p>
      <p className="mt-1">
        <span className="text-ink-2">Sent: </span>
        <code className="font-mono break-all">
          {header}: {whole}
        </code>
      </p>
      {value.includes('{signatures}') && (
        <p className="mt-1 text-ink-3">
          While a secret is being replaced there are two, with “{separator || ','}” between them.
        </p>
      )}
    </div>
  )
}
