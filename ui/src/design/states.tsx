import { CircleAlert, RotateCw } from 'lucide-react'
import type { ReactNode } from 'react'
import { sentenceOf } from '../api/problem.ts'
import { Button } from './button.tsx'
import { CopyButton } from './copy.tsx'
import { cx } from './cx.ts'

/** A place that is being filled. */
export function Skeleton({ className }: { readonly className?: string }) {
  return <span aria-hidden="true" className={cx('skeleton block h-4', className)} />
}

/** Lines that are being loaded. */
export function SkeletonLines({ lines = 4 }: { readonly lines?: number }) {
  return (
    <div role="status" className="space-y-3 py-2">
      <span className="only-spoken">Loading</span>
      {Array.from({ length: lines }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
        <Skeleton key={index} className={index % 3 === 2 ? 'w-1/2' : index % 2 ? 'w-4/5' : 'w-full'} />
      ))}
    </div>
  )
}

/** Nothing is there yet: what it would be, and how it comes. */
export function EmptyState({
  title,
  icon,
  children,
  action,
}: {
  readonly title: string
  readonly icon?: ReactNode
  readonly children?: ReactNode
  readonly action?: ReactNode
}) {
  return (
    <div className="mx-auto flex max-w-xl flex-col items-center gap-3 px-4 py-14 text-center">
      {icon && <span className="text-ink-3 [&>svg]:h-7 [&>svg]:w-7">{icon}</span>}
      <h2 className="text-lg font-semibold">{title}</h2>
      {children && <div className="text-sm text-ink-2">{children}</div>}
      {action && <div className="mt-1 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  )
}

/** Something could not be read: the sentence of the problem, its request id, and another try. */
export function ErrorState({ error, retry }: { readonly error: unknown; readonly retry?: () => void }) {
  const { sentence, requestId } = sentenceOf(error)
  return (
    <div role="alert" className="flex items-start gap-3 rounded-card border border-bad/50 bg-bad-soft p-4">
      <CircleAlert aria-hidden="true" className="mt-0.5 h-4 w-4 shrink-0 text-bad" />
      <div className="min-w-0 grow space-y-2 text-sm">
        <p className="break-words">{sentence}</p>
        {requestId && (
          <p className="flex items-center gap-1 font-mono text-xs text-ink-2">
            <span className="truncate">request {requestId}</span>
            <CopyButton text={requestId} label="Copy the request id" />
          </p>
        )}
        {retry && (
          <Button size="sm" icon={<RotateCw className="h-3.5 w-3.5" />} onClick={retry}>
            Try again
          </Button>
        )}
      </div>
    </div>
  )
}

/** A sentence beside what it is about: a warning, or what to do next. */
export function Notice({
  kind = 'idle',
  children,
  action,
}: {
  readonly kind?: 'idle' | 'good' | 'busy' | 'warn' | 'bad'
  readonly children: ReactNode
  readonly action?: ReactNode
}) {
  const looks = {
    idle: 'border-line bg-sunken',
    good: 'border-good/50 bg-good-soft',
    busy: 'border-busy/50 bg-busy-soft',
    warn: 'border-warn/50 bg-warn-soft',
    bad: 'border-bad/50 bg-bad-soft',
  }
  return (
    <div
      className={cx(
        'flex flex-wrap items-center justify-between gap-3 rounded-card border px-4 py-3 text-sm',
        looks[kind],
      )}
    >
      <div className="min-w-0 grow basis-60 break-words">{children}</div>
      {action && <div className="flex shrink-0 gap-2">{action}</div>}
    </div>
  )
}
