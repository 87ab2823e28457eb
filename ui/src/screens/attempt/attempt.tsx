import { getRouteApi, Link } from '@tanstack/react-router'
import { RotateCcw } from 'lucide-react'
import { useState } from 'react'
import { useRead } from '../../api/queries.ts'
import type { AttemptDetails } from '../../api/schema.ts'
import { HttpStatus, StateBadge, TriggerBadge } from '../../design/badge.tsx'
import { Button } from '../../design/button.tsx'
import { CodeBlock } from '../../design/code-block.tsx'
import { Id } from '../../design/copy.tsx'
import { HeaderList, KeyValue } from '../../design/key-value.tsx'
import { Card, Page, Section } from '../../design/page.tsx'
import { ErrorState, Notice, SkeletonLines } from '../../design/states.tsx'
import { bytesText, Countdown, durationText, Time } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { Waterfall } from '../../design/waterfall.tsx'
import { attemptWords } from '../../parts/deliveries.tsx'
import { adviceOf } from '../../parts/failure-words.ts'
import { OwnReceiver } from '../../parts/own-receiver.tsx'
import { ReplayDialog } from '../../parts/replay-dialog.tsx'
import { SubscriptionName } from '../../parts/subscription-name.tsx'
import { TryNow } from '../../parts/try-now.tsx'
import { useKeys } from '../../shell/keys.ts'
import { useCan } from '../../shell/me.ts'
import { CheckSignature } from './check-signature.tsx'
import { CopyAsCurl } from './copy-as-curl.tsx'

const route = getRouteApi('/attempts/$id')

/** One request that was made: what was sent, what came back, where the time went, and what to do about it. */
export function Attempt() {
  const { id } = route.useParams()
  const attempt = useRead('getAttempt', { path: { id } })
  const { data } = attempt
  const title = data ? `Attempt ${data.attempt}` : 'Attempt'
  const mayWrite = useCan('write')
  const [asking, setAsking] = useState(false)
  // Of a test there is no event that could be sent again.
  // What waits for its retry is tried now instead, by the button beside the reason.
  const waits = data?.verdict === 'retry' && Date.parse(data.next_attempt_at ?? '') > Date.now()
  const canReplay = mayWrite && data !== undefined && data.trigger !== 'test' && !waits
  useKeys({ r: () => (waits ? toast('It is pending: it is being tried anyway.') : setAsking(true)) })
  return (
    <Page
      title={title}
      crumbs={
        data && data.trigger !== 'test'
          ? [
              { label: 'Events', to: '/events' },
              { label: `Event ${data.webhook_id.slice(0, 8)}…`, to: `/events/${data.webhook_id}` },
            ]
          : [{ label: 'Events', to: '/events' }]
      }
      badge={
        data && (
          <span className="flex gap-2">
            <StateBadge state={data.status} />
            <TriggerBadge trigger={data.trigger} />
          </span>
        )
      }
      facts={
        data && (
          <span className="flex flex-wrap gap-x-3">
            <SubscriptionName id={data.subscription_id} /> <Time at={data.timestamp} exact />
            {data.request && <OwnReceiver url={data.request.url} />}
          </span>
        )
      }
      actions={
        canReplay && (
          <Button
            look={data.status === 'failed' ? 'primary' : 'secondary'}
            icon={<RotateCcw className="h-3.5 w-3.5" />}
            onClick={() => setAsking(true)}
          >
            Replay
          </Button>
        )
      }
    >
      {canReplay && asking && (
        <ReplayDialog
          webhookId={data.webhook_id}
          count={1}
          subscriptionIds={[data.subscription_id]}
          onClose={() => setAsking(false)}
        />
      )}
      {data !== undefined ? (
        <Details attempt={data} />
      ) : attempt.isError ? (
        <ErrorState error={attempt.error} retry={() => void attempt.refetch()} />
      ) : (
        <SkeletonLines lines={10} />
      )}
    </Page>
  )
}

const endings: Readonly<Record<string, string>> = {
  delivered: 'delivered',
  retry: 'it is tried again',
  given_up: 'given up: no further attempt is made by itself',
  expired: 'too old to be tried again',
  cancelled: 'the delivery was cancelled',
}

function Details({ attempt }: { readonly attempt: AttemptDetails }) {
  const { request, response, timings_ms: timings, hint, error, status, verdict } = attempt
  return (
    <>
      {status === 'failed' && (
        <div className="mb-5">
          <Notice
            kind={verdict === 'retry' ? 'warn' : 'bad'}
            action={
              verdict === 'retry' &&
              attempt.next_attempt_at !== null &&
              Date.parse(attempt.next_attempt_at) > Date.now() && (
                <TryNow away event={attempt.webhook_id} subscription={attempt.subscription_id} />
              )
            }
          >
            <b className="font-semibold">
              {capitalised(attemptWords(attempt))}
              {verdict === 'retry' && attempt.next_attempt_at !== null && (
                <>
                  ; next attempt <Countdown at={attempt.next_attempt_at} />
                </>
              )}
            </b>
            {hint && <p className="mt-0.5">{adviceOf(hint)}</p>}
            {error && <p className="mt-0.5 font-mono text-xs break-all text-ink-2">{error}</p>}
          </Notice>
        </div>
      )}
      <div className="mb-6 grid gap-4 narrow:grid-cols-2">
        <Card>
          <KeyValue
            facts={[
              ['Answer', <HttpStatus key="s" status={attempt.http_status} />],
              ['Took', durationText(attempt.duration_ms)],
              ['What followed', endings[verdict] ?? verdict],
              ['Attempt', <Id key="i" id={attempt.id} />],
              attempt.trigger !== 'test' && [
                'Event',
                <Link
                  key="e"
                  to="/events/$id"
                  params={{ id: attempt.webhook_id }}
                  className="rounded font-mono text-xs hover:underline"
                >
                  {attempt.webhook_id}
                </Link>,
              ],
              attempt.remote_address !== null && [
                'Sent to',
                <code key="a" className="font-mono text-xs">
                  {attempt.remote_address}
                </code>,
              ],
            ]}
          />
        </Card>
        <Card>
          <h2 className="mb-3 text-sm font-semibold">Where the time went</h2>
          {timings === null ? <NotKept what="The timings" /> : <Waterfall timings={timings} />}
        </Card>
      </div>
      <div className="grid gap-x-6 narrow:grid-cols-2">
        <Section
          title="Request"
          className="min-w-0"
          actions={request !== null && <CopyAsCurl attempt={attempt} />}
        >
          {request === null ? (
            <NotKept what="The request" />
          ) : (
            <div className="space-y-3">
              <CodeBlock code={`${request.method} ${request.url}`} title="Address" />
              <HeaderList headers={request.headers} />
              <p className="text-xs text-ink-3">
                The body is the payload of the event, byte for byte. Values that are secret are masked.
              </p>
            </div>
          )}
        </Section>
        <Section title="Response" className="min-w-0">
          {response === null ? (
            <NotKept
              what={attempt.http_status === null ? 'There was none. The answer' : 'The answer'}
              none={attempt.http_status === null}
            />
          ) : (
            <div className="space-y-3">
              <HeaderList headers={response.headers} />
              {response.body === '' ? (
                <p className="text-sm text-ink-3">The body was empty.</p>
              ) : (
                <CodeBlock
                  code={response.body}
                  title={`Body, ${bytesText(response.body_bytes)}${response.body_truncated ? ', cut' : ''}${response.body_encoding === 'base64' ? ', as base64' : ''}`}
                />
              )}
            </div>
          )}
        </Section>
      </div>
      <CheckSignature attempt={attempt} />
    </>
  )
}

function NotKept({ what, none }: { readonly what: string; readonly none?: boolean }) {
  return (
    <p className="text-sm text-ink-3">
      {none
        ? 'No answer came.'
        : `${what} was not kept: the details of attempts that succeed are kept with CAPTURE_RESPONSES=all only.`}
    </p>
  )
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
