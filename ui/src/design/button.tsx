import { type LinkProps, Link as RouterLink } from '@tanstack/react-router'
import type { ButtonHTMLAttributes, ReactNode, Ref } from 'react'
import { cx } from './cx.ts'
import { Spinner } from './spinner.tsx'
import { Tooltip } from './tooltip.tsx'

type Look = 'primary' | 'secondary' | 'quiet' | 'danger'
type Size = 'md' | 'sm'

const base =
  'flex shrink-0 items-center justify-center gap-1.5 whitespace-nowrap rounded-control font-medium transition-colors duration-150 disabled:opacity-55 aria-disabled:opacity-55'
const looks: Readonly<Record<Look, string>> = {
  primary: 'bg-accent-fill text-on-accent hover:bg-accent-fill-hover',
  secondary: 'border border-control bg-surface text-ink hover:bg-hover',
  quiet: 'text-ink-2 hover:bg-hover hover:text-ink',
  danger: 'border border-bad text-bad bg-surface hover:bg-bad-soft',
}
const sizes: Readonly<Record<Size, string>> = { md: 'h-8 w-fit px-3 text-sm', sm: 'h-7 w-fit px-2 text-xs' }

export function buttonClass(look: Look = 'secondary', size: Size = 'md', more?: string): string {
  return cx(base, looks[look], sizes[size], more)
}

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: Look
  readonly size?: Size
  /** Before the text. */
  readonly icon?: ReactNode
  /** What was asked for is under way: the button shows it, and takes no second click. */
  readonly busy?: boolean
  readonly ref?: Ref<HTMLButtonElement>
}

/** A verb that can be pressed. One `primary` on a page at the most. */
export function Button({ look, size, icon, busy, className, children, onClick, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      aria-disabled={busy || undefined}
      onClick={busy ? event => event.preventDefault() : onClick}
      className={buttonClass(look, size, className)}
    >
      {busy ? <Spinner /> : icon}
      {children}
    </button>
  )
}

/** A button that is only a picture; its name is spoken, and shown on hover. */
export function IconButton({
  label,
  keys,
  className,
  children,
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & {
  readonly label: string
  readonly keys?: string
  readonly ref?: Ref<HTMLButtonElement>
}) {
  return (
    <Tooltip text={label} keys={keys}>
      <button
        type="button"
        aria-label={label}
        {...rest}
        className={cx(base, looks.quiet, 'h-7 w-7', className)}
      >
        {children}
      </button>
    </Tooltip>
  )
}

/** A link that looks like a button: it goes somewhere. */
export function ButtonLink({
  look,
  size,
  icon,
  children,
  className,
  ...to
}: LinkProps & {
  readonly look?: Look
  readonly size?: Size
  readonly icon?: ReactNode
  readonly className?: string
  readonly children?: ReactNode
}) {
  return (
    <RouterLink {...to} className={buttonClass(look, size, className)}>
      {icon}
      {children}
    </RouterLink>
  )
}
