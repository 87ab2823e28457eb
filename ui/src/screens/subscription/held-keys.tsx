import { Link } from '@tanstack/react-router'
import { useList } from '../../api/queries.ts'
import type { Subscription } from '../../api/schema.ts'
import { Tag } from '../../design/badge.tsx'
import { Button } from '../../design/button.tsx'
import { Card, Section } from '../../design/page.tsx'
import { ErrorState, SkeletonLines } from '../../design/states.tsx'
import { Countdown, numberText, Time } from '../../design/time.tsx'

/** The service counts no further. */
const countedMax = 1000

/** With order by key: which keys wait for one that failed, since when, and how much waits behind it. */
export function HeldKeys({ subscription: { id } }: { readonly subscription: Subscription }) {
  const keys = useList('listOrderingKeys', { path: { id }, query: { limit: 10 } }, { everyMs: 5000 })
  return (
    <Section
      title="Keys that wait"
      hint="Events with the same key go one after the other; one that fails holds up those behind it."
    >
      <Card>
        {keys.error !== undefined ? (
          <ErrorState error={keys.error} retry={keys.again} />
        ) : keys.loading ? (
          <SkeletonLines lines={2} />
        ) : keys.rows.length === 0 ? (
          <p className="text-sm text-ink-2">No key waits.</p>
        ) : (
          <ul className="divide-y">
            {keys.rows.map(row => (
              <li
                key={row.ordering_key}
                className="flex flex-wrap items-baseline gap-x-4 gap-y-1 py-2 text-sm first:pt-0 last:pb-0"
              >
                <span className="min-w-0 max-w-full basis-56" title={row.ordering_key}>
                  <Tag>{row.ordering_key}</Tag>
                </span>
                <span className="min-w-0 grow text-ink-2">
                  {row.held_since === null ? (
                    'being sent'
                  ) : (
                    <>
                      held since <Time at={row.held_since} /> by{' '}
                      <Link
                        to="/events/$id"
                        params={{ id: row.webhook_id }}
                        className="text-accent underline"
                      >
                        an event
                      </Link>{' '}
                      that failed {row.attempts === 1 ? 'once' : `${row.attempts} times`}
                    </>
                  )}
                  {row.next_attempt_at && (
                    <>
                      ; next attempt <Countdown at={row.next_attempt_at} />
                    </>
                  )}
                </span>
                <span className="shrink-0 text-ink-3">
                  {row.waiting >= countedMax ? `${numberText(countedMax)} or more` : numberText(row.waiting)}{' '}
                  behind it
                </span>
              </li>
            ))}
          </ul>
        )}
        {keys.hasMore && (
          <Button size="sm" look="quiet" busy={keys.loadingMore} onClick={keys.more}>
            More
          </Button>
        )}
      </Card>
    </Section>
  )
}
