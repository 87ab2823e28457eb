import { getRouteApi, Link } from '@tanstack/react-router'
import { FlaskConical } from 'lucide-react'
import { useState } from 'react'
import { useChange, useRead } from '../../api/queries.ts'
import type { DraftTest, Subscription } from '../../api/schema.ts'
import { Button, ButtonLink } from '../../design/button.tsx'
import { CodeBlock, CodeSamples } from '../../design/code-block.tsx'
import { Page, Section } from '../../design/page.tsx'
import { Notice } from '../../design/states.tsx'
import { OwnReceiver } from '../../parts/own-receiver.tsx'
import { verifySamples } from '../../parts/samples.ts'
import { draftOf } from '../../parts/subscription-draft.ts'
import { SubscriptionForm } from '../../parts/subscription-form.tsx'
import { TestDialog } from '../../parts/test-result.tsx'
import { isUnverified, VerificationNotice } from '../../parts/verification.tsx'
import { useTenant } from '../../shell/me.ts'

const route = getRouteApi('/subscriptions/new')

/** Says where events go, and which. The secret is shown once, afterwards. */
export function NewSubscription() {
  const search = route.useSearch()
  const create = useChange('createSubscription', { affects: ['listSubscriptions'], quiet: true })
  const test = useChange('testDraft', { quiet: true })
  const [testing, setTesting] = useState(false)
  const crumbs = [{ label: 'Subscriptions', to: '/subscriptions' }]
  if (create.data) return <Made subscription={create.data} crumbs={crumbs} />
  return (
    <Page title="New subscription" crumbs={crumbs}>
      <SubscriptionForm
        isNew
        first={draftOf(undefined, { target_url: search.target_url ?? '', tenant: search.tenant ?? '' })}
        error={create.error}
        busy={create.isPending}
        verb="Create"
        onSubmit={body => create.mutate({ body })}
        belowAddress={fill => <TestReceiverOffer fill={fill} />}
        beside={written => (
          <Button
            icon={<FlaskConical className="h-3.5 w-3.5" />}
            busy={test.isPending}
            onClick={() => {
              const subscription = written()
              if (subscription === undefined) return
              setTesting(true)
              test.mutate({ body: subscription as DraftTest })
            }}
          >
            Test it first
          </Button>
        )}
      />
      {testing && <TestDialog test={test} onClose={() => setTesting(false)} />}
    </Page>
  )
}

/** Who has no receiver yet can go on all the same. */
function TestReceiverOffer({ fill }: { readonly fill: (url: string) => void }) {
  const tenant = useTenant()
  const create = useChange('createTestReceiver', { affects: ['listTestReceivers'] })
  return (
    <p className="-mt-2 text-xs text-ink-2">
      No receiver yet?{' '}
      <button
        type="button"
        className="rounded font-medium text-accent hover:underline"
        onClick={() =>
          create.isPending ||
          create.mutate({ body: { ...(tenant && { tenant }) } }, { onSuccess: ({ url }) => fill(url) })
        }
      >
        Use a test receiver
      </button>
      , an address of this service that shows what arrives.
    </p>
  )
}

function Made({
  subscription,
  crumbs,
}: {
  readonly subscription: Subscription
  readonly crumbs: { label: string; to: string }[]
}) {
  const { id, signing_secret: secret, target_url: url } = subscription
  const isChecked = subscription.verification !== null
  const now = useRead('getSubscription', { path: { id } }, { enabled: isChecked, everyMs: 2000 })
  const current = now.data ?? subscription
  return (
    <Page
      title={`Subscription #${id} is there`}
      crumbs={crumbs}
      facts={
        <span className="flex flex-wrap gap-x-3">
          <span className="break-all">{url}</span>
          <OwnReceiver url={url} />
        </span>
      }
      actions={
        <>
          <ButtonLink to="/subscriptions/$id" params={{ id: String(id) }}>
            Open it
          </ButtonLink>
          <ButtonLink to="/send" search={{ to: String(id) }} look="primary">
            Send it an event
          </ButtonLink>
        </>
      }
    >
      <div className="max-w-3xl">
        {/* Before the secret: nothing is sent until the receiver has said yes. */}
        <VerificationNotice subscription={current} mayWrite />
        {isChecked && !isUnverified(current) && (
          <div className="mb-5">
            <Notice kind="good">The receiver said yes, so events are sent to it.</Notice>
          </div>
        )}
        <div className="mb-5">
          <Notice kind="good">
            Every request is signed with this secret. Give it to whoever runs the receiver; it is{' '}
            <Link
              to="/subscriptions/$id"
              params={{ id: String(id) }}
              search={{ tab: 'secrets' }}
              className="underline"
            >
              shown again
            </Link>{' '}
            only to those who may, and that is recorded.
          </Notice>
        </div>
        <Section title="Signing secret">
          <CodeBlock code={secret} title="Standard Webhooks" />
        </Section>
        <Section title="How the receiver checks it">
          <CodeSamples samples={verifySamples(secret)} />
        </Section>
      </div>
    </Page>
  )
}
