import { Link } from '@tanstack/react-router'
import { ChevronRight } from 'lucide-react'
import { type ReactNode, useEffect } from 'react'
import { createPortal } from 'react-dom'
import { useBrand } from '../shell/brand.ts'
import { cx } from './cx.ts'

export interface Crumb {
  readonly label: ReactNode
  readonly to: string
}

/** A page: where it is, its title, what can be done, one line of facts, and what it shows. */
export function Page({
  title,
  spoken,
  crumbs = [],
  badge,
  actions,
  facts,
  full,
  children,
}: {
  readonly title: ReactNode
  /** The title as a text, where it is none. */
  readonly spoken?: string
  readonly crumbs?: readonly Crumb[]
  readonly badge?: ReactNode
  readonly actions?: ReactNode
  readonly facts?: ReactNode
  /** Tables take more of a wide window; beyond its cap the end of a row is too far from its beginning. */
  readonly full?: boolean
  readonly children: ReactNode
}) {
  const { name: brand } = useBrand()
  const text = spoken ?? (typeof title === 'string' ? title : '')
  useEffect(() => {
    document.title = text ? `${text} · ${brand}` : brand
  }, [text, brand])
  return (
    <div
      className={cx(
        'mx-auto w-full px-4 pt-5 pb-16 sm:px-6',
        full ? 'max-w-[2000px]' : 'max-w-[1280px] min-[1900px]:max-w-[1600px]',
      )}
    >
      <Crumbs crumbs={crumbs} here={text} />
      <header className="mb-4 flex min-h-8 flex-wrap items-center gap-x-3 gap-y-2">
        <h1 className="line-clamp-2 min-w-0 text-xl font-semibold tracking-tight [overflow-wrap:anywhere]">
          {title}
        </h1>
        {badge}
        <div className="grow" />
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
        {facts && (
          <div className="w-full text-sm text-ink-2">
            <div className="max-w-4xl">{facts}</div>
          </div>
        )}
      </header>
      {children}
    </div>
  )
}

/** They stand in the bar of the shell. */
function Crumbs({ crumbs, here }: { readonly crumbs: readonly Crumb[]; readonly here: string }) {
  const place = document.getElementById('crumbs')
  if (place === null) return null
  return createPortal(
    <nav aria-label="Where this is" className="min-w-0">
      <ol className="flex min-w-0 items-center gap-1 text-sm text-ink-2">
        {crumbs.map(({ label, to }) => (
          // On a telephone there is room for where one came from last, and for some of that.
          <li
            key={to}
            className="flex min-w-0 items-center gap-1 sm:shrink-0 max-sm:[&:not(:nth-last-child(2))]:hidden"
          >
            <Link to={to} className="truncate rounded hover:text-ink hover:underline">
              {label}
            </Link>
            <ChevronRight aria-hidden="true" className="h-3.5 w-3.5 shrink-0 text-ink-3" />
          </li>
        ))}
        <li aria-current="page" className="truncate text-ink max-sm:max-w-[65%] max-sm:shrink-0">
          {here}
        </li>
      </ol>
    </nav>,
    place,
  )
}

/** A part of a page, with its heading. */
export function Section({
  title,
  hint,
  actions,
  children,
  className,
}: {
  readonly title?: ReactNode
  readonly hint?: ReactNode
  readonly actions?: ReactNode
  readonly children: ReactNode
  readonly className?: string
}) {
  return (
    <section className={cx('mb-6', className)}>
      {(title || actions) && (
        <div className="mb-2 flex flex-wrap items-start justify-between gap-x-2">
          <div className="min-w-0">
            <h2 className="text-sm leading-7 font-semibold">{title}</h2>
            {hint && <p className="-mt-1 mb-1 text-xs text-ink-3">{hint}</p>}
          </div>
          {actions && <div className="flex min-h-7 items-center gap-2">{actions}</div>}
        </div>
      )}
      {children}
    </section>
  )
}

/** A box with a hairline around it. */
export function Card({ children, className }: { readonly children: ReactNode; readonly className?: string }) {
  return <div className={cx('rounded-card border bg-surface p-4', className)}>{children}</div>
}

/** A figure with its name; a click leads to what it counts. */
export function Figure({
  label,
  value,
  hint,
  tone,
}: {
  readonly label: ReactNode
  readonly value: ReactNode
  readonly hint?: ReactNode
  readonly tone?: 'good' | 'warn' | 'bad' | undefined
}) {
  const tones = { good: 'text-good', warn: 'text-warn', bad: 'text-bad' }
  return (
    <div className="min-w-0">
      <div className="truncate text-xs text-ink-3">{label}</div>
      <div className={cx('mt-0.5 truncate text-2xl font-semibold tracking-tight', tone && tones[tone])}>
        {value}
      </div>
      {hint && <div className="mt-0.5 text-xs text-ink-3">{hint}</div>}
    </div>
  )
}
