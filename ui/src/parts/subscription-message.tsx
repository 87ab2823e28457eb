import { Checkbox, Field, Input, Select, Textarea } from '../design/field.tsx'
import { Fold } from '../design/fold.tsx'
import { CustomSignature } from './custom-signature.tsx'
import {
  type CloudEventsDraft,
  type FaultAt,
  type Format,
  formatNames,
  type HeaderNames,
  type HeaderOfSigning,
  isCloudEvents,
  type PartProps,
  type Scheme,
  type SigningDraft,
  signsMessages,
  usualHeaderNames,
} from './subscription-extras.ts'

/** In which form the receiver gets its events. */
export function FormatPart({ draft, set, faultAt }: PartProps) {
  const { format, cloudevents } = draft
  const attribute = (change: Partial<CloudEventsDraft>) => set({ cloudevents: { ...cloudevents, ...change } })
  return (
    <Fold
      title="Form of the events"
      hint="Whether the receiver gets the body as it was sent, a CloudEvent, or a text for a chat."
      now={formatNames[format]}
      isFaulty={faultAt('/format') !== undefined || faultAt('/cloudevents') !== undefined}
    >
      <Field label="Format" error={faultAt('/format')}>
        <Select value={format} onChange={event => set({ format: event.target.value as Format })}>
          {Object.entries(formatNames).map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </Select>
      </Field>
      {isCloudEvents(format) && (
        <>
          <div className="grid gap-4 sm:grid-cols-2">
            <Field
              label="Source"
              optional
              hint="A URI reference. Empty: /tenants/<tenant>"
              error={faultAt('/cloudevents/source')}
            >
              <Input
                value={cloudevents.source}
                onChange={event => attribute({ source: event.target.value })}
                placeholder="https://shop.example.com/orders"
              />
            </Field>
            <Field
              label="Type"
              optional
              hint="Empty: the type of the event"
              error={faultAt('/cloudevents/type')}
            >
              <Input
                value={cloudevents.type}
                onChange={event => attribute({ type: event.target.value })}
                placeholder="com.example.shop.{event_type}"
              />
            </Field>
            <Field label="Subject" optional hint="Empty: none" error={faultAt('/cloudevents/subject')}>
              <Input
                value={cloudevents.subject}
                onChange={event => attribute({ subject: event.target.value })}
                placeholder="{metadata.order}"
              />
            </Field>
          </div>
          <Field
            label="Attributes of your own"
            optional
            hint="One a line, name: value; names of lower-case letters and digits"
            error={faultAt('/cloudevents/extensions')}
          >
            <Textarea
              rows={2}
              value={cloudevents.extensions}
              onChange={event => attribute({ extensions: event.target.value })}
              placeholder="shop: {tenant}"
            />
          </Field>
          <Placeholders names="{event_type}, {id}, {event_id}, {tenant}, {subscription_id}, {created_at}, {metadata.NAME}" />
        </>
      )}
    </Fold>
  )
}

function Placeholders({ names }: { readonly names: string }) {
  return (
    <p className="text-xs text-ink-3">
      These stand for values of the event: <code className="font-mono break-words">{names}</code>.
    </p>
  )
}

/** Headers with values of the event. */
export function TemplatesPart({ draft, set, faultAt }: PartProps) {
  const count = draft.header_templates.split('\n').filter(line => line.trim() !== '').length
  return (
    <Fold
      title="Headers made for each attempt"
      hint="Headers with values of the event in them, such as its type or what its sender said of it."
      now={count === 0 ? 'none' : String(count)}
      isFaulty={faultAt('/header_templates') !== undefined}
    >
      <Field
        label="Header templates"
        optional
        hint="A header a line, name: value. They are shown as they are, so no place for secrets"
        error={faultAt('/header_templates')}
      >
        <Textarea
          rows={3}
          value={draft.header_templates}
          onChange={event => set({ header_templates: event.target.value })}
          placeholder={'X-Order: {metadata.order}\nX-Kind: {event_type}, attempt {attempt}'}
        />
      </Field>
      <Placeholders names="{event_type}, {id}, {event_id}, {tenant}, {subscription_id}, {created_at}, {metadata.NAME}, {attempt}, {timestamp}, {timestamp_ms}" />
    </Fold>
  )
}

const schemeNames: readonly (readonly [Scheme, string, string])[] = [
  ['v1', 'Standard Webhooks', 'HMAC-SHA256 with the signing secret'],
  ['v1a', 'Standard Webhooks, Ed25519', 'with a key pair; receivers need the public key only'],
  ['rfc9421-hmac-sha256', 'HTTP message signature, HMAC', 'RFC 9421: method, address and headers too'],
  ['rfc9421-ed25519', 'HTTP message signature, Ed25519', 'RFC 9421, with the key pair'],
  ['hub-sha256', 'as GitHub', 'the body alone, in hex'],
  ['stripe-sha256', 'as Stripe', 'time and body'],
  ['shopify-sha256', 'as Shopify', 'the body alone, in base64'],
  ['custom', 'as another service', 'described by you: what is signed, how, and in which header'],
]

/** In which ways requests are signed. */
export function SigningPart({ draft: { signing }, set, faultAt }: PartProps) {
  const change = (fields: Partial<SigningDraft>) => set({ signing: { ...signing, ...fields } })
  const { schemes } = signing
  const toggle = (scheme: Scheme, isOn: boolean) =>
    change({ schemes: isOn ? [...schemes, scheme] : schemes.filter(one => one !== scheme) })
  return (
    <Fold
      title="Signatures"
      hint="In which ways each request is signed; several at once while receivers change over."
      now={schemes.length === 0 ? 'none' : schemes.join(', ')}
      isFaulty={faultAt('/signing') !== undefined || faultAt('/signing_secret') !== undefined}
    >
      <fieldset className="grid gap-3 sm:grid-cols-2">
        <legend className="only-spoken">Ways to sign</legend>
        {schemeNames.map(([scheme, name, hint]) => (
          <Checkbox
            key={scheme}
            checked={schemes.includes(scheme)}
            onChange={event => toggle(scheme, event.target.checked)}
            hint={hint}
          >
            {name}
          </Checkbox>
        ))}
      </fieldset>
      <Wrong text={faultAt('/signing/scheme') ?? faultAt('/signing_secret')} />
      {schemes.length === 0 && (
        <p className="text-xs text-warn">Nothing shows the receiver who has sent a request.</p>
      )}
      {schemes.includes('custom') && (
        <CustomSignature
          custom={signing.custom}
          change={fields => change({ custom: { ...signing.custom, ...fields } })}
          faultAt={faultAt}
        />
      )}
      <HeaderNamesPart
        schemes={schemes}
        headers={signing.headers}
        change={fields => change({ headers: { ...signing.headers, ...fields } })}
        faultAt={faultAt}
      />
      {signsMessages(schemes) && (
        <div className="grid gap-4 sm:grid-cols-3">
          <Field
            label="What a message signature covers"
            optional
            hint="With commas between; content-digest has to be there, as it stands for the body. Empty: the usual"
            error={faultAt('/signing/message_signature/components')}
            className="sm:col-span-3"
          >
            <Input
              value={signing.components}
              onChange={event => change({ components: event.target.value })}
              placeholder="@method, @target-uri, content-digest"
            />
          </Field>
          <Field label="Label" optional error={faultAt('/signing/message_signature/label')}>
            <Input
              value={signing.label}
              onChange={event => change({ label: event.target.value })}
              placeholder="sig"
            />
          </Field>
          <Field label="Tag" optional error={faultAt('/signing/message_signature/tag')}>
            <Input value={signing.tag} onChange={event => change({ tag: event.target.value })} />
          </Field>
          <Field
            label="Holds for, in seconds"
            optional
            error={faultAt('/signing/message_signature/expires_seconds')}
          >
            <Input
              type="number"
              min={1}
              value={signing.expires_seconds}
              onChange={event => change({ expires_seconds: event.target.value })}
              placeholder="no limit"
            />
          </Field>
        </div>
      )}
    </Fold>
  )
}

const headerWords: readonly (readonly [HeaderOfSigning, string, Scheme | undefined])[] = [
  ['id', 'Id of the event', undefined],
  ['timestamp', 'Time of the attempt', undefined],
  ['attempt', 'Number of the attempt', undefined],
  ['signature', 'Standard Webhooks', 'v1'],
  ['hub_signature', 'as GitHub', 'hub-sha256'],
  ['stripe_signature', 'as Stripe', 'stripe-sha256'],
  ['shopify_signature', 'as Shopify', 'shopify-sha256'],
]

/** Other names for the headers that are sent; those of signatures that are not made are left out. */
function HeaderNamesPart({
  schemes,
  headers,
  change,
  faultAt,
}: {
  readonly schemes: readonly Scheme[]
  readonly headers: HeaderNames
  readonly change: (fields: Partial<HeaderNames>) => void
  readonly faultAt: FaultAt
}) {
  const isUsed = (scheme: Scheme | undefined) =>
    scheme === undefined || schemes.includes(scheme) || (scheme === 'v1' && schemes.includes('v1a'))
  const isOpen = Object.values(headers).some(Boolean) || faultAt('/signing/headers') !== undefined
  return (
    <details open={isOpen || undefined}>
      <summary className="cursor-pointer rounded text-sm text-ink-2">Other names for the headers</summary>
      <div className="mt-3 grid gap-4 sm:grid-cols-3">
        {headerWords
          .filter(([, , scheme]) => isUsed(scheme))
          .map(([name, label]) => (
            <Field
              key={name}
              label={label}
              optional
              hint={name === 'attempt' ? 'Empty: not sent' : undefined}
              error={faultAt(`/signing/headers/${name}`)}
            >
              <Input
                value={headers[name]}
                placeholder={usualHeaderNames[name] || 'webhook-attempt'}
                onChange={event => change({ [name]: event.target.value })}
              />
            </Field>
          ))}
      </div>
    </details>
  )
}

function Wrong({ text }: { readonly text: string | undefined }) {
  return text === undefined ? null : (
    <p role="alert" className="text-xs text-bad">
      {text}
    </p>
  )
}
