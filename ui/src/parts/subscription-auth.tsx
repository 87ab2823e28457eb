import { type ReactNode, useState } from 'react'
import { Button } from '../design/button.tsx'
import { Field, Input, Select, Textarea } from '../design/field.tsx'
import { Fold } from '../design/fold.tsx'
import { Time } from '../design/time.tsx'
import {
  type AuthDraft,
  type AuthType,
  authNames,
  type FaultAt,
  keepsSecret,
  type PartProps,
} from './subscription-extras.ts'

const authSentences: Readonly<Record<AuthType, string>> = {
  none: 'nothing besides the signature',
  basic: 'a name and a password (Basic)',
  bearer: 'a token (Bearer)',
  oauth2: 'an access token, fetched first (OAuth 2)',
  mtls: 'a client certificate (mutual TLS)',
}

/** What is shown to the receiver so that it lets deliveries in. Secrets are typed, and never shown again. */
export function AuthPart({
  draft: { auth },
  set,
  faultAt,
  certificateEndsAt,
}: PartProps & { readonly certificateEndsAt: string | undefined }) {
  const [asked, setAsked] = useState(false)
  const change = (fields: Partial<AuthDraft>) => set({ auth: { ...auth, ...fields } })
  const hasTls = auth.certificate !== '' || auth.key !== '' || auth.ca !== ''
  const isTlsFaulty = ['certificate', 'key', 'ca'].some(name => faultAt(`/auth/${name}`) !== undefined)
  const isTlsShown = asked || auth.type === 'mtls' || hasTls || isTlsFaulty
  return (
    <Fold
      title="Credentials"
      hint="What is shown to the receiver, or to a gateway before it, so that it lets deliveries in."
      now={authNames[auth.type]}
      isFaulty={faultAt('/auth') !== undefined}
    >
      <Field label="Shown to the receiver" error={faultAt('/auth/type')}>
        <Select value={auth.type} onChange={event => change({ type: event.target.value as AuthType })}>
          {Object.entries(authSentences).map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </Select>
      </Field>
      <AuthFields auth={auth} change={change} faultAt={faultAt} />
      {isTlsShown ? (
        <TlsFields auth={auth} change={change} faultAt={faultAt} endsAt={certificateEndsAt} />
      ) : (
        <Button size="sm" look="quiet" onClick={() => setAsked(true)}>
          Client certificate, own authority …
        </Button>
      )}
    </Fold>
  )
}

interface AuthProps {
  readonly auth: AuthDraft
  readonly change: (fields: Partial<AuthDraft>) => void
  readonly faultAt: FaultAt
}

function AuthFields({ auth, change, faultAt }: AuthProps) {
  const text = (
    name: 'username' | 'client_id' | 'scope' | 'audience',
    label: string,
    hint?: string,
  ): ReactNode => (
    <Field label={label} optional={hint !== undefined} hint={hint} error={faultAt(`/auth/${name}`)}>
      <Input value={auth[name]} onChange={event => change({ [name]: event.target.value })} />
    </Field>
  )
  const secret = (name: 'password' | 'token' | 'client_secret', label: string) => (
    <SecretField
      label={label}
      isKept={keepsSecret(auth, name)}
      value={auth[name]}
      onChange={value => change({ [name]: value })}
      error={faultAt(`/auth/${name}`)}
    />
  )
  switch (auth.type) {
    case 'none':
    case 'mtls':
      return null
    case 'basic':
      return (
        <div className="grid gap-4 sm:grid-cols-2">
          {text('username', 'User name')}
          {secret('password', 'Password')}
        </div>
      )
    case 'bearer':
      return secret('token', 'Token')
    case 'oauth2':
      return (
        <>
          <Field
            label="Token address"
            hint="Where access tokens are fetched, by client credentials"
            error={faultAt('/auth/token_url')}
          >
            <Input
              type="url"
              value={auth.token_url}
              onChange={event => change({ token_url: event.target.value })}
              placeholder="https://auth.example.com/token"
            />
          </Field>
          <div className="grid gap-4 sm:grid-cols-2">
            {text('client_id', 'Client id')}
            {secret('client_secret', 'Client secret')}
            {text('scope', 'Scope', 'Empty: none is asked for')}
            {text('audience', 'Audience', 'For servers that ask for it')}
            <Field label="Id and secret go" error={faultAt('/auth/client_auth')}>
              <Select
                value={auth.client_auth}
                onChange={event => change({ client_auth: event.target.value as 'basic' | 'body' })}
              >
                <option value="basic">as Basic authentication</option>
                <option value="body">in the body</option>
              </Select>
            </Field>
          </div>
        </>
      )
  }
}

/** A secret is typed, and never shown again. */
function SecretField({
  label,
  isKept,
  value,
  onChange,
  error,
}: {
  readonly label: string
  readonly isKept: boolean
  readonly value: string
  readonly onChange: (value: string) => void
  readonly error: string | undefined
}) {
  return (
    <Field
      label={label}
      hint={isKept ? 'Leave empty to keep the one there is' : 'Stored encrypted, and not shown again'}
      error={error}
    >
      <Input
        type="password"
        autoComplete="new-password"
        value={value}
        placeholder={isKept ? '********' : undefined}
        onChange={event => onChange(event.target.value)}
      />
    </Field>
  )
}

function TlsFields({ auth, change, faultAt, endsAt }: AuthProps & { readonly endsAt: string | undefined }) {
  const isKept = keepsSecret(auth, 'key')
  const pem = (name: 'certificate' | 'key' | 'ca', label: string, hint: ReactNode, kind: string) => (
    <Field
      label={label}
      optional={name === 'ca' || auth.type !== 'mtls'}
      hint={hint}
      error={faultAt(`/auth/${name}`)}
    >
      <Textarea
        rows={3}
        value={auth[name]}
        onChange={event => change({ [name]: event.target.value })}
        placeholder={name === 'key' && isKept ? '********' : `-----BEGIN ${kind}-----`}
      />
    </Field>
  )
  return (
    <>
      {pem(
        'certificate',
        'Client certificate',
        endsAt === undefined ? (
          'PEM: its own first, then those between it and its authority'
        ) : (
          <>
            The one there is ends <Time at={endsAt} exact />
          </>
        ),
        'CERTIFICATE',
      )}
      {pem(
        'key',
        'Private key',
        isKept
          ? 'Leave empty to keep the one there is'
          : 'PEM without a passphrase. Stored encrypted, and not shown again',
        'PRIVATE KEY',
      )}
      {pem(
        'ca',
        'Authorities of the receiver',
        'PEM: the only ones that its certificate may come from. Empty: the usual ones',
        'CERTIFICATE',
      )}
    </>
  )
}
