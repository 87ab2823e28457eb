import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useChange } from '../api/queries.ts'
import { Button } from '../design/button.tsx'
import { cx } from '../design/cx.ts'
import { Field, Input, Textarea } from '../design/field.tsx'
import { ErrorState, Notice } from '../design/states.tsx'
import { useCan } from '../shell/me.ts'
import { checkSignature, type Step } from './signatures.ts'

/** Browsers have cryptography on https and localhost only. */
export const canSign = typeof crypto !== 'undefined' && crypto.subtle !== undefined

export function NoCryptography() {
  return (
    <Notice kind="warn">
      Browsers compute signatures on https and localhost only. Open this page in one of these ways.
    </Notice>
  )
}

/** A field for a secret, and a button that has the service show that of a subscription. */
export function SecretField({
  value,
  onChange,
  subscriptionId,
}: {
  readonly value: string
  readonly onChange: (value: string) => void
  /** Undefined: no one subscription is meant. */
  readonly subscriptionId: number | undefined
}) {
  const mayKeys = useCan('keys')
  const reveal = useChange('revealSecrets', { quiet: true })
  const show = async () => {
    if (subscriptionId === undefined) return
    const answer = await reveal.mutateAsync({ path: { id: subscriptionId } }).catch(() => undefined)
    if (answer?.secrets[0] !== undefined) onChange(answer.secrets[0].secret)
  }
  return (
    <div className="space-y-2">
      <Field label="Signing secret" hint="It stays in this browser, and is sent nowhere.">
        <Input
          value={value}
          spellCheck={false}
          autoComplete="off"
          className="font-mono"
          placeholder="whsec_…"
          onChange={event => onChange(event.target.value)}
        />
      </Field>
      {mayKeys && subscriptionId !== undefined && (
        <Button size="sm" busy={reveal.isPending} onClick={() => void show()}>
          Use that of subscription #{subscriptionId}; this is recorded
        </Button>
      )}
      {reveal.isError && <ErrorState error={reveal.error} />}
    </div>
  )
}

/** Checks a signature as a receiver does, and shows each step: for "it says the signature is wrong". */
export function SignatureCheck({
  headers: firstHeaders,
  body: firstBody,
  subscriptionId,
}: {
  readonly headers: string
  readonly body: string
  readonly subscriptionId?: number | undefined
}) {
  const [headers, setHeaders] = useState(firstHeaders)
  const [body, setBody] = useState(firstBody)
  const [secret, setSecret] = useState('')
  const check = useQuery({
    queryKey: ['signature', headers, body, secret],
    queryFn: () => checkSignature({ headers, body, secret }, Date.now()),
    enabled: canSign,
    gcTime: 0,
    retry: false,
    placeholderData: before => before,
  })
  if (!canSign) return <NoCryptography />
  return (
    <div className="grid gap-6 narrow:grid-cols-2">
      <div className="space-y-4">
        <SecretField value={secret} onChange={setSecret} subscriptionId={subscriptionId} />
        <Field label="Headers as the receiver saw them" hint="One a line">
          <Textarea rows={4} value={headers} onChange={event => setHeaders(event.target.value)} />
        </Field>
        <Field label="Body as it came" hint="Each space and line end counts">
          <Textarea rows={6} value={body} onChange={event => setBody(event.target.value)} />
        </Field>
      </div>
      <ol className="space-y-3" aria-live="polite">
        {(check.data ?? []).map(step => (
          <StepLine key={step.name} step={step} />
        ))}
      </ol>
    </div>
  )
}

function StepLine({ step: { name, holds, detail, text } }: { readonly step: Step }) {
  const mark = holds === undefined ? '·' : holds ? '✓' : '✕'
  return (
    <li className="grid grid-cols-[1.25rem_minmax(0,1fr)] gap-x-2 text-sm">
      <span
        aria-hidden="true"
        className={cx(
          'text-center font-semibold',
          holds === undefined ? 'text-ink-3' : holds ? 'text-good' : 'text-bad',
        )}
      >
        {mark}
      </span>
      <div>
        <span className="font-medium">{name}</span>
        {holds === false && <span className="only-spoken"> does not hold</span>}
        <p className={holds === false ? 'text-bad' : 'text-ink-2'}>{detail}</p>
        {text !== undefined && (
          <pre
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
            tabIndex={0}
            className="mt-1 max-h-32 overflow-auto rounded-control border bg-sunken px-2 py-1 font-mono text-xs leading-5 whitespace-pre-wrap [overflow-wrap:anywhere]"
          >
            {text}
          </pre>
        )}
      </div>
    </li>
  )
}
