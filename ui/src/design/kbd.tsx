import { cx } from './cx.ts'

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent)

/** Keys to press, such as `mod+k` or `g s`. */
export function Kbd({ keys, inverted }: { readonly keys: string; readonly inverted?: boolean }) {
  return (
    <span className="inline-flex gap-1">
      {keys.split(' ').map(key => (
        <kbd
          key={key}
          className={cx(
            'inline-flex h-5 min-w-5 items-center justify-center rounded border px-1 font-sans text-xs',
            inverted ? 'border-ink-3 text-bg' : 'border-line bg-sunken text-ink-2',
          )}
        >
          {nameOf(key)}
        </kbd>
      ))}
    </span>
  )
}

function nameOf(key: string): string {
  return key
    .split('+')
    .map(part => (part === 'mod' ? (isMac ? '⌘' : 'Ctrl ') : part.length === 1 ? part.toUpperCase() : part))
    .join('')
}
