import { getRouteApi, Link } from '@tanstack/react-router'
import { FlaskConical } from 'lucide-react'
import { useState } from 'react'
import { useChange } from '../../api/queries.ts'
import type { DraftTest, Subscription } from '../../api/schema.ts'
import { Button, ButtonLink } from '../../design/button.tsx'
import { CodeBlock, CodeSamples } from '../../design/code-block.tsx'
import { Page, Section } from '../../design/page.tsx'
import { Notice } from '../../design/states.tsx'
import { verifySamples } from '../../parts/samples.ts'
import { draftOf, SubscriptionForm } from '../../parts/subscription-form.tsx'
import { TestDialog } from '../../parts/test-result.tsx'

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

function Made({
  subscription,
  crumbs,
}: {
  readonly subscription: Subscription
  readonly crumbs: { label: string; to: string }[]
}) {
  const { id, signing_secret: secret, target_url: url } = subscription
  return (
    <Page
      title={`Subscription #${id} is there`}
      crumbs={crumbs}
      facts={<span className="break-all">{url}</span>}
      actions={
        <>
          <ButtonLink to="/send" search={{ to: String(id) }}>
            Send it an event
          </ButtonLink>
          <ButtonLink to="/subscriptions/$id" params={{ id: String(id) }} look="primary">
            Open it
          </ButtonLink>
        </>
      }
    >
      <div className="max-w-3xl">
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
