import { KeyRound, RotateCw } from 'lucide-react'
import { useState } from 'react'
import { apiRoot } from '../../api/client.ts'
import { useChange } from '../../api/queries.ts'
import type { Subscription } from '../../api/schema.ts'
import { Badge } from '../../design/badge.tsx'
import { Button } from '../../design/button.tsx'
import { CodeBlock, CodeSamples } from '../../design/code-block.tsx'
import { ConfirmDialog } from '../../design/dialog.tsx'
import { Field, Select } from '../../design/field.tsx'
import { Card, Section } from '../../design/page.tsx'
import { ErrorState } from '../../design/states.tsx'
import { Time } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { verifySamples } from '../../parts/samples.ts'

/** What its requests are signed with: shown on demand, and recorded; replaced with an overlap. */
export function SecretsTab({ subscription }: { readonly subscription: Subscription }) {
  const { id, signing_secret: masked, signing_public_key: publicKey } = subscription
  const reveal = useChange('revealSecrets', { quiet: true })
  const rotate = useChange('rotateSecret', { affects: ['getSubscription'], quiet: true })
  const [asking, setAsking] = useState(false)
  const [overlap, setOverlap] = useState('86400')
  const shown = rotate.data?.signing_secret ?? reveal.data?.secrets[0]?.secret
  return (
    <div className="max-w-3xl">
      <Section
        title="Signing secret"
        hint="Every request carries a signature made with it; the receiver checks that with the same secret."
        actions={
          <Button icon={<RotateCw className="h-3.5 w-3.5" />} onClick={() => setAsking(true)}>
            Rotate
          </Button>
        }
      >
        <Card className="space-y-3">
          {shown ? (
            <CodeBlock
              code={shown}
              title={
                rotate.data
                  ? 'The new secret: give it to the receiver'
                  : 'Showing it was recorded in the audit log'
              }
            />
          ) : (
            <div className="flex flex-wrap items-center gap-3">
              <code className="font-mono text-sm break-all text-ink-2">{masked}</code>
              <div className="grow" />
              <Button
                icon={<KeyRound className="h-3.5 w-3.5" />}
                busy={reveal.isPending}
                onClick={() => reveal.mutate({ path: { id } })}
              >
                Show it
              </Button>
            </div>
          )}
          {reveal.isError && <ErrorState error={reveal.error} />}
          {reveal.data && reveal.data.secrets.length > 1 && (
            <ul className="space-y-2">
              {reveal.data.secrets.slice(1).map(({ secret, expires_at: until }) => (
                <li key={secret} className="flex flex-wrap items-center gap-2 text-xs">
                  <Badge tone="warn">still valid</Badge>
                  <code className="font-mono break-all">{secret}</code>
                  {until && (
                    <span className="text-ink-3">
                      until <Time at={until} exact />
                    </span>
                  )}
                </li>
              ))}
            </ul>
          )}
          {rotate.data && (
            <p className="text-sm text-ink-2">
              The one before is valid until <Time at={rotate.data.expires_at} exact />: until then each
              request carries both signatures.
            </p>
          )}
          {publicKey && (
            <CodeBlock code={publicKey} title="Public key, for receivers that check v1a signatures" />
          )}
          {signsWithKeyPair(subscription.signing) && (
            <CodeBlock
              code={new URL(`subscriptions/${id}/jwks.json`, apiRoot).href}
              title="Address of its public keys, for libraries that take a JWK Set; it needs no API key"
            />
          )}
        </Card>
      </Section>
      <Section title="How the receiver checks it" hint="Check the bytes as they came, before any parsing.">
        <CodeSamples samples={verifySamples(shown ?? 'whsec_…')} />
      </Section>
      {asking && (
        <ConfirmDialog
          open
          onClose={() => setAsking(false)}
          title="Rotate the signing secret"
          verb="Make a new secret"
          description="A new secret is made. For the overlap both are valid, so the receiver can change over without losing anything."
          act={async () => {
            await rotate.mutateAsync({ path: { id }, body: { overlap_seconds: Number(overlap) } })
            toast('There is a new secret.')
          }}
        >
          <Field label="Both are valid for">
            <Select value={overlap} onChange={event => setOverlap(event.target.value)}>
              <option value="0">no time: the old one ends now</option>
              <option value="3600">1 hour</option>
              <option value="86400">1 day</option>
              <option value="604800">7 days</option>
            </Select>
          </Field>
        </ConfirmDialog>
      )}
    </div>
  )
}

/** Only then there are public keys at its address; a pair that signs no more may still be kept. */
function signsWithKeyPair({ scheme, custom }: Subscription['signing']): boolean {
  const schemes: readonly string[] = Array.isArray(scheme) ? scheme : [scheme]
  return (
    schemes.includes('v1a') ||
    schemes.includes('rfc9421-ed25519') ||
    (schemes.includes('custom') && custom?.algorithm === 'ed25519')
  )
}
