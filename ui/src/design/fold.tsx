import { ChevronRight } from 'lucide-react'
import { type ReactNode, useState } from 'react'

/** Settings that few need: closed, with a sentence that says what they are for and what they are now. */
export function Fold({
  title,
  hint,
  now,
  isFaulty,
  children,
}: {
  readonly title: string
  readonly hint: string
  /** What is set, in a word or two. */
  readonly now: ReactNode
  /** Something in it is wrong: then it is open, so that the sentence is seen. */
  readonly isFaulty: boolean
  readonly children: ReactNode
}) {
  const [isOpen, setOpen] = useState(false)
  return (
    <details
      open={isOpen || isFaulty}
      onToggle={event => setOpen(event.currentTarget.open)}
      className="group border-b last:border-b-0"
    >
      <summary className="flex cursor-pointer list-none items-start gap-2 px-4 py-3 text-sm hover:bg-hover">
        <ChevronRight
          aria-hidden="true"
          className="mt-0.5 h-4 w-4 shrink-0 text-ink-3 transition-transform group-open:rotate-90"
        />
        <span className="min-w-0 grow">
          <span className="flex flex-wrap items-baseline justify-between gap-x-4">
            <span className="font-medium">{title}</span>
            <span className="min-w-0 truncate text-xs text-ink-2">{now}</span>
          </span>
          <span className="block text-xs text-ink-3">{hint}</span>
        </span>
      </summary>
      <div className="space-y-4 px-4 pt-1 pb-4">{children}</div>
    </details>
  )
}
