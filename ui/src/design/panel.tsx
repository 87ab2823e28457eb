import { X } from 'lucide-react'
import { type ReactNode, useEffect, useRef } from 'react'
import { OutdatedBar } from '../shell/outdated-bar.tsx'
import { IconButton } from './button.tsx'

/**
 * The details of a row, beside the list: 560 px on the right, the whole width below 900 px. The list stays where it was.
 * `Esc` closes it.
 */
export function Panel({
  title,
  actions,
  onClose,
  children,
}: {
  readonly title: ReactNode
  readonly actions?: ReactNode
  readonly onClose: () => void
  readonly children: ReactNode
}) {
  const region = useRef<HTMLElement>(null)
  useEffect(() => region.current?.focus({ preventScroll: true }), [])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (
        event.key !== 'Escape' ||
        event.defaultPrevented ||
        document.querySelector('[role=dialog],[role=menu]')
      )
        return
      onClose()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [onClose])
  return (
    <section
      ref={region}
      tabIndex={-1}
      aria-label="Details"
      className="slide-in fixed inset-0 z-30 flex flex-col overflow-hidden bg-surface outline-none narrow:inset-y-0 narrow:right-0 narrow:left-auto narrow:w-[600px] narrow:border-l narrow:shadow-float"
    >
      <header className="flex flex-wrap items-center justify-end gap-2 border-b px-4 py-2.5">
        {/* On a telephone it has a line of its own. */}
        <div className="min-w-0 grow text-base font-semibold max-sm:order-last max-sm:basis-full">
          {title}
        </div>
        {actions}
        <IconButton label="Close" keys="Esc" onClick={onClose}>
          <X className="h-4 w-4" />
        </IconButton>
      </header>
      <OutdatedBar />
      <div className="min-h-0 grow overflow-y-auto px-4 py-4">{children}</div>
    </section>
  )
}
