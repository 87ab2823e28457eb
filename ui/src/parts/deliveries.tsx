import { Link } from '@tanstack/react-router'
import type { Attempt, DeliveryDetails } from '../api/schema.ts'
import { HttpStatus, TriggerBadge } from '../design/badge.tsx'
import { Countdown, durationText, Time } from '../design/time.tsx'
import type { Moment } from '../design/timeline.tsx'
import { adviceOf } from './failure-words.ts'

/** What an attempt came to, in a few words. */
export function attemptWords({
  error_class: kind,
  http_status: status,
  error,
}: Pick<Attempt, 'error_class' | 'http_status' | 'error'>): string {
  const words: Readonly<Record<string, string>> = {
    dns: 'the name was not found',
    connect: 'connection failed',
    tls: 'TLS failed',
    timeout: 'timed out',
    blocked: 'the address is not allowed',
    invalid: 'the answer was no HTTP',
    proxy: 'the proxy failed',
    credentials: 'no access token',
  }
  if (kind === 'http' || kind === null) return status === null ? (error ?? '') : `answered ${status}`
  return words[kind] ?? error ?? kind
}

export const errorClasses = [
  'http',
  'timeout',
  'connect',
  'dns',
  'tls',
  'blocked',
  'invalid',
  'proxy',
  'credentials',
] as const

/** Attempts as lines of a timeline. The same advice is given once, with the newest attempt that it is for. */
export function attemptMoments(
  attempts: readonly Attempt[],
  order: 'oldest first' | 'newest first',
): readonly Moment[] {
  const oldestFirst = order === 'oldest first' ? attempts : attempts.toReversed()
  const advised = new Map(oldestFirst.map(({ id, hint }) => [hint, id]))
  return attempts.map(attempt => attemptMoment(attempt, advised.get(attempt.hint) === attempt.id))
}

function attemptMoment(attempt: Attempt, isAdvised: boolean): Moment {
  const { id, verdict, status, http_status: httpStatus, duration_ms: ms, timestamp, trigger, hint } = attempt
  const isEnd = verdict === 'given_up' || verdict === 'expired'
  return {
    key: id,
    tone: status === 'success' ? 'good' : isEnd ? 'bad' : verdict === 'cancelled' ? 'idle' : 'warn',
    title: (
      <span className="flex flex-wrap items-center gap-2">
        <Link to="/attempts/$id" params={{ id }} className="rounded hover:underline">
          Attempt {attempt.attempt}
        </Link>
        {httpStatus !== null && <HttpStatus status={httpStatus} />}
        <TriggerBadge trigger={trigger} />
        {ms !== null && <span className="text-xs font-normal text-ink-3">{durationText(ms)}</span>}
      </span>
    ),
    at: <Time at={timestamp} />,
    detail:
      status === 'success' ? null : (
        <>
          {attemptWords(attempt)}
          {isEnd && (
            <b className="font-medium text-bad">
              {' '}
              · {verdict === 'expired' ? 'too old to go on' : 'given up'}
            </b>
          )}
          {hint && isAdvised && <span className="block text-ink-3">{adviceOf(hint)}</span>}
        </>
      ),
  }
}

/** A delivery from its first attempt to its end, with what is planned. */
export function deliveryMoments({
  attempts,
  status,
  next_attempt_at: next,
}: Pick<DeliveryDetails, 'attempts' | 'status' | 'next_attempt_at'>): readonly Moment[] {
  const made = attemptMoments(attempts, 'oldest first')
  if (status !== 'pending') return made
  return [
    ...made,
    {
      key: 'next',
      tone: 'busy',
      planned: true,
      title: attempts.length === 0 ? 'First attempt' : 'Next attempt',
      at: next === null ? null : <Countdown at={next} />,
      detail: whyNotYet(next, attempts.length),
    },
  ]
}

/** Why it has to wait, where that is not the pause after an attempt. */
function whyNotYet(next: string | null, attempts: number): string | null {
  if (next === null) return 'When the subscription is resumed.'
  const isLater = attempts === 0 && Date.parse(next) > Date.now()
  return isLater ? 'Its receiver asked for a pause, its rate is limited, or it was sent for later.' : null
}
