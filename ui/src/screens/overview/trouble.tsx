import { Link } from '@tanstack/react-router'
import { Check, RotateCcw } from 'lucide-react'
import { useState } from 'react'
import { useRead } from '../../api/queries.ts'
import type { Subscription, SubscriptionFigures } from '../../api/schema.ts'
import { StateBadge } from '../../design/badge.tsx'
import { IconButton } from '../../design/button.tsx'
import { numberText, Time } from '../../design/time.tsx'
import { mostWords } from '../../parts/failure-words.ts'
import { RecoverDialog } from '../../parts/recover-dialog.tsx'
import { Reason, SubscriptionName, shortUrl } from '../../parts/subscription-name.tsx'
import type { Window } from '../../parts/window.ts'
import { useCan, useTenant } from '../../shell/me.ts'

export const isUnwell = ({ state }: Subscription) =>
  state === 'circuit_open' || state === 'disabled' || state === 'degraded'

/** Fewer accepted attempts than this are a figure to look at, as its colour says elsewhere. */
const isPoor = ({ success_rate: rate }: SubscriptionFigures['totals']) => rate !== null && rate < 0.99

function failedWords(totals: SubscriptionFigures['totals'] | undefined): string {
  if (totals === undefined || totals.failed === 0) return ''
  return `; ${numberText(totals.failed)} of ${numberText(totals.success + totals.failed)} attempts failed`
}

/** How many are listed. */
const troublesMax = 5

/** Those whose state says so, and then those of which most has failed in the time that is shown. */
export function Trouble({
  rows,
  window,
}: {
  readonly rows: readonly Subscription[]
  readonly window: Window
}) {
  const tenant = useTenant()
  const mayWrite = useCan('write')
  const [retrying, setRetrying] = useState<number>()
  const worst = useRead(
    'listSubscriptionStats',
    { query: { window, tenant, limit: 50 } },
    { everyMs: 30_000, keep: true },
  )
  const unwell = rows.filter(isUnwell).slice(0, troublesMax)
  const totalsOf = new Map((worst.data ?? []).map(({ subscription_id: id, totals }) => [id, totals]))
  const failing = (worst.data ?? [])
    .filter(({ totals, subscription_id: id }) => isPoor(totals) && !unwell.some(row => row.id === id))
    .slice(0, troublesMax - unwell.length)
  if (unwell.length + failing.length === 0) {
    return (
      <p className="flex items-center gap-2 text-sm text-ink-2">
        <Check aria-hidden="true" className="h-4 w-4 text-good" /> No subscription is in trouble.
      </p>
    )
  }
  const retry = (id: number) =>
    mayWrite && (
      <IconButton label={`Retry what failed for #${id}`} onClick={() => setRetrying(id)}>
        <RotateCcw className="h-3.5 w-3.5" />
      </IconButton>
    )
  return (
    <ul className="-my-1 divide-y">
      {unwell.map(({ id, description, target_url: url, state, state_reason: reason, state_since: since }) => (
        <li key={id} className="py-2">
          <div className="flex items-center gap-2 text-sm">
            <Link
              to="/subscriptions/$id"
              params={{ id: String(id) }}
              className="min-w-0 grow truncate rounded font-medium hover:underline"
            >
              <span className="text-ink-3">#{id}</span> {description || shortUrl(url)}
            </Link>
            <StateBadge state={state} />
            {retry(id)}
          </div>
          <p className="mt-0.5 line-clamp-2 text-xs text-ink-2">
            since <Time at={since} />:{' '}
            {mostWords(totalsOf.get(id)) ?? (reason && <Reason short text={reason} />)}
            {failedWords(totalsOf.get(id))}
          </p>
        </li>
      ))}
      {failing.map(({ subscription_id: id, totals: { success, failed } }) => (
        <li key={id} className="flex items-center gap-2 py-2 text-sm">
          <span className="min-w-0 grow truncate font-medium">
            <SubscriptionName id={id} />
          </span>
          <span className="shrink-0 text-xs text-ink-2">
            {numberText(failed)} of {numberText(success + failed)} attempts failed
          </span>
          {retry(id)}
        </li>
      ))}
      {retrying !== undefined && <RecoverDialog id={retrying} onClose={() => setRetrying(undefined)} />}
    </ul>
  )
}
