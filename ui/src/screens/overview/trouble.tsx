import { Link } from '@tanstack/react-router'
import { Check, RotateCcw } from 'lucide-react'
import { useState } from 'react'
import type { SubscriptionFigures } from '../../api/schema.ts'
import { StateBadge } from '../../design/badge.tsx'
import { IconButton } from '../../design/button.tsx'
import { numberText, Time } from '../../design/time.tsx'
import { atLeastText } from '../../parts/at-least.ts'
import { mostWords } from '../../parts/failure-words.ts'
import { RecoverDialog } from '../../parts/recover-dialog.tsx'
import { Reason, shortUrl, useSubscriptionNames } from '../../parts/subscription-name.tsx'
import { useCan } from '../../shell/me.ts'
import type { Trouble } from './worst-first.ts'

/** How many are listed. */
const troublesMax = 5

function failedWords({ failed, success }: SubscriptionFigures['totals']): string {
  return failed === 0 ? '' : `; ${numberText(failed)} of ${numberText(success + failed)} attempts failed`
}

/** The worst of the subscriptions in trouble: why, and what can be done. */
export function TroubleList({ rows }: { readonly rows: readonly Trouble[] }) {
  const [retrying, setRetrying] = useState<number>()
  if (rows.length === 0) {
    return (
      <p className="flex items-center gap-2 text-sm text-ink-2">
        <Check aria-hidden="true" className="h-4 w-4 text-good" /> No subscription is in trouble.
      </p>
    )
  }
  return (
    <ul className="-my-1 divide-y">
      {rows.slice(0, troublesMax).map(trouble => (
        <TroubleRow key={trouble.figures.subscription_id} trouble={trouble} onRetry={setRetrying} />
      ))}
      {retrying !== undefined && <RecoverDialog id={retrying} onClose={() => setRetrying(undefined)} />}
    </ul>
  )
}

function TroubleRow({
  trouble: { figures, unwell, dead },
  onRetry,
}: {
  readonly trouble: Trouble
  readonly onRetry: (id: number) => void
}) {
  const mayWrite = useCan('write')
  const { subscription_id: id, target_url: url, retrying, totals } = figures
  const description = useSubscriptionNames().get(id)?.description ?? unwell?.description
  return (
    <li className="py-2">
      <div className="flex items-center gap-2 text-sm">
        <Link
          to="/subscriptions/$id"
          params={{ id: String(id) }}
          className="min-w-0 grow truncate rounded font-medium hover:underline"
        >
          <span className="text-ink-3">#{id}</span> {description || shortUrl(url)}
        </Link>
        <StateBadge state={unwell?.state ?? (retrying > 0 ? 'retry' : 'given_up')} />
        {mayWrite && dead > 0 && (
          <IconButton label={`Retry what failed for #${id}`} onClick={() => onRetry(id)}>
            <RotateCcw className="h-3.5 w-3.5" />
          </IconButton>
        )}
      </div>
      <p className="mt-0.5 line-clamp-2 text-xs text-ink-2">
        {unwell !== undefined && (
          <>
            since <Time at={unwell.state_since} />:{' '}
          </>
        )}
        {mostWords(totals) ??
          (unwell?.state_reason && <Reason short text={unwell.state_reason} />) ??
          'failed before the time that is shown'}
        {failedWords(totals)}
      </p>
      {(retrying > 0 || dead > 0) && (
        <p className="mt-0.5 flex flex-wrap gap-x-3 text-xs">
          {retrying > 0 && (
            <Link
              to="/subscriptions/$id"
              params={{ id: String(id) }}
              search={{ tab: 'deliveries', status: 'waiting' }}
              className="rounded text-accent hover:underline"
            >
              {atLeastText(retrying)} to be tried again
            </Link>
          )}
          {dead > 0 && (
            <Link
              to="/dead-letters"
              search={{ subscription_id: String(id) }}
              className="rounded text-accent hover:underline"
            >
              {atLeastText(dead)} given up
            </Link>
          )}
        </p>
      )}
    </li>
  )
}
