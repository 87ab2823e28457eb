import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { MoreHorizontal, Pause, Play, Send } from 'lucide-react'
import { useState } from 'react'
import { useChange, useRead } from '../../api/queries.ts'
import type { Subscription as SubscriptionAnswer } from '../../api/schema.ts'
import { StateBadge } from '../../design/badge.tsx'
import { Button, ButtonLink, IconButton } from '../../design/button.tsx'
import { CopyButton } from '../../design/copy.tsx'
import { Menu } from '../../design/menu.tsx'
import { Page } from '../../design/page.tsx'
import { ErrorState, Notice, SkeletonLines } from '../../design/states.tsx'
import { Tabs } from '../../design/tabs.tsx'
import { Time } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { atLeastText } from '../../parts/at-least.ts'
import { mostWords } from '../../parts/failure-words.ts'
import { OwnReceiver } from '../../parts/own-receiver.tsx'
import { RecoverDialog } from '../../parts/recover-dialog.tsx'
import { Reason, shortUrl } from '../../parts/subscription-name.tsx'
import { TestDialog } from '../../parts/test-result.tsx'
import { isUnverified, VerificationNotice } from '../../parts/verification.tsx'
import { useCan } from '../../shell/me.ts'
import { DeleteDialog } from './danger.tsx'
import { DeliveriesTab } from './deliveries-tab.tsx'
import { OverviewTab } from './overview-tab.tsx'
import { SecretsTab } from './secrets-tab.tsx'
import { SettingsTab } from './settings-tab.tsx'

const route = getRouteApi('/subscriptions/$id')

/** One subscription: how it is and why, what it was sent, its rules, its secrets. */
export function Subscription() {
  const { id } = route.useParams()
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/subscriptions/$id' })
  const read = useRead('getSubscription', { path: { id } }, { everyMs: 5000 })
  const mayWrite = useCan('write')
  const mayKeys = useCan('keys')
  const { data } = read
  const crumbs = [{ label: 'Subscriptions', to: '/subscriptions' }]
  if (data === undefined) {
    return (
      <Page title={`Subscription #${id}`} crumbs={crumbs}>
        {read.isError ? (
          <ErrorState error={read.error} retry={() => void read.refetch()} />
        ) : (
          <SkeletonLines lines={8} />
        )}
      </Page>
    )
  }
  const tabs = [
    { id: 'overview', label: 'Overview', content: () => <OverviewTab subscription={data} /> },
    { id: 'deliveries', label: 'Deliveries', content: () => <DeliveriesTab subscription={data} /> },
    { id: 'settings', label: 'Settings', content: () => <SettingsTab subscription={data} /> },
    ...(mayKeys
      ? [{ id: 'secrets', label: 'Secrets', content: () => <SecretsTab subscription={data} /> }]
      : []),
  ]
  return (
    <Page
      title={data.description || shortUrl(data.target_url)}
      spoken={`#${data.id} ${data.description || shortUrl(data.target_url)}`}
      crumbs={crumbs}
      badge={<StateBadge state={data.state} />}
      facts={
        <span className="flex flex-wrap items-center gap-x-3">
          <span className="text-ink-3">#{data.id}</span>
          <span className="flex min-w-0 max-w-full items-center gap-1">
            <span className="truncate">{data.target_url}</span>
            <CopyButton text={data.target_url} label="Copy the address" />
          </span>
          {data.uid && <span className="font-mono text-xs leading-5">uid:{data.uid}</span>}
          <span className="text-ink-3">{data.tenant}</span>
          <OwnReceiver url={data.target_url} />
        </span>
      }
      actions={mayWrite && <Actions subscription={data} />}
    >
      <VerificationNotice subscription={data} mayWrite={mayWrite} />
      <StateNotice subscription={data} mayWrite={mayWrite} />
      <Tabs
        tabs={tabs}
        value={search.tab ?? 'overview'}
        onChange={tab => void navigate({ search: { tab }, replace: true, resetScroll: false })}
      />
    </Page>
  )
}

const stateWords: Readonly<Record<string, string>> = {
  paused: 'Paused. Events are accepted and wait until it is resumed.',
  disabled: 'Disabled, as it failed for too long. Nothing is sent until it is resumed.',
  circuit_open: 'The receiver failed again and again, so it is left in peace for a while.',
  degraded: 'The last attempts have all failed. Each delivery is tried again.',
}

function StateNotice({
  subscription,
  mayWrite,
}: {
  readonly subscription: SubscriptionAnswer
  readonly mayWrite: boolean
}) {
  const { state, state_reason: reason, state_since: since } = subscription
  const [recovering, setRecovering] = useState(false)
  const resume = useResume(subscription)
  const query = { ids: String(subscription.id), window: '24h' as const }
  const isFailing = state !== 'active' && state !== 'paused'
  const figures = useRead('listSubscriptionStats', { query }, { enabled: isFailing, everyMs: 10_000 })
  const { totals, retrying = 0 } = (isFailing && figures.data?.[0]) || {}
  const most = mostWords(totals)
  if (state === 'active') return null
  // It cannot be resumed before its receiver has said yes: the other notice says so.
  if (state === 'disabled' && isUnverified(subscription)) return null
  const isStopped = state === 'paused' || state === 'disabled'
  return (
    <div className="mb-5">
      <Notice
        kind={state === 'paused' ? 'idle' : state === 'degraded' ? 'warn' : 'bad'}
        action={
          mayWrite && (
            <>
              <Button
                size="sm"
                look={isStopped ? 'primary' : 'secondary'}
                onClick={resume}
                icon={<Play className="h-3.5 w-3.5" />}
              >
                {isStopped ? 'Resume' : 'Try now'}
              </Button>
              {(state === 'disabled' || (totals && totals.given_up > 0)) && (
                <Button size="sm" onClick={() => setRecovering(true)}>
                  Retry what failed
                </Button>
              )}
            </>
          )
        }
      >
        <b className="font-semibold">{stateWords[state]}</b>
        <p className="text-ink-2">
          Since <Time at={since} />
          {most && `: ${most}`}
          {reason && !(most && state === 'degraded') && (
            <>
              {most ? '; ' : ': '}
              <Reason text={reason} />
            </>
          )}
          {retrying > 0 && (
            <>
              .{' '}
              <Link
                to="/subscriptions/$id"
                params={{ id: String(subscription.id) }}
                search={{ tab: 'deliveries', status: 'waiting' }}
                className="rounded underline"
              >
                {atLeastText(retrying)} to be tried again
              </Link>
            </>
          )}
        </p>
      </Notice>
      {recovering && <RecoverDialog id={subscription.id} onClose={() => setRecovering(false)} />}
    </div>
  )
}

/** Resumes at once; the page shows it before the service has answered. */
function useResume({ id }: SubscriptionAnswer): () => void {
  const resume = useChange('resumeSubscription', { affects: ['getSubscription', 'listSubscriptions'] })
  return () => resume.mutate({ path: { id } }, { onSuccess: () => toast('It is resumed.') })
}

function Actions({ subscription }: { readonly subscription: SubscriptionAnswer }) {
  const { id, paused } = subscription
  const navigate = useNavigate()
  const [asking, setAsking] = useState<'delete' | 'recover' | 'test'>()
  const test = useChange('testSubscription', { affects: ['listLogs'], quiet: true })
  const pause = useChange('pauseSubscription', { affects: ['getSubscription', 'listSubscriptions'] })
  const resume = useResume(subscription)
  return (
    <>
      <ButtonLink to="/send" search={{ to: String(id) }} icon={<Send className="h-3.5 w-3.5" />}>
        Send an event
      </ButtonLink>
      {paused ? (
        <Button look="primary" icon={<Play className="h-3.5 w-3.5" />} onClick={resume}>
          Resume
        </Button>
      ) : (
        <Button
          icon={<Pause className="h-3.5 w-3.5" />}
          busy={pause.isPending}
          onClick={() =>
            pause.mutate(
              { path: { id } },
              { onSuccess: () => toast('It is paused; events wait.', { label: 'Undo', run: resume }) },
            )
          }
        >
          Pause
        </Button>
      )}
      <Menu
        trigger={
          <IconButton label="More" className="h-8 w-8">
            <MoreHorizontal className="h-4 w-4" />
          </IconButton>
        }
        items={[
          {
            label: 'Send a test',
            onSelect: () => {
              setAsking('test')
              test.mutate({ path: { id }, body: {} })
            },
          },
          { label: 'Retry what failed', onSelect: () => setAsking('recover') },
          {
            label: 'Its events',
            onSelect: () => void navigate({ to: '/events', search: { subscription_id: String(id) } }),
          },
          {
            label: 'Its dead letters',
            onSelect: () => void navigate({ to: '/dead-letters', search: { subscription_id: String(id) } }),
          },
          {
            label: 'Who changed it',
            onSelect: () => void navigate({ to: '/audit', search: { subject: `subscription:${id}` } }),
          },
          null,
          { label: 'Delete', danger: true, onSelect: () => setAsking('delete') },
        ]}
      />
      {asking === 'test' && <TestDialog test={test} onClose={() => setAsking(undefined)} />}
      {asking === 'recover' && <RecoverDialog id={id} onClose={() => setAsking(undefined)} />}
      {asking === 'delete' && (
        <DeleteDialog subscription={subscription} onClose={() => setAsking(undefined)} />
      )}
    </>
  )
}
