import { RotateCw } from 'lucide-react'
import { useOutdated } from '../api/outdated.ts'
import { sentenceOf } from '../api/problem.ts'
import { Button } from '../design/button.tsx'
import { cx } from '../design/cx.ts'
import { Time } from '../design/time.tsx'

/** That what is shown is old: figures that stand still look like figures that are well. */
export function OutdatedBar({ className }: { readonly className?: string }) {
  const outdated = useOutdated()
  if (outdated === undefined) return null
  return (
    <div
      role="status"
      className={cx(
        'flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-warn/50 bg-warn-soft px-4 py-1.5 text-sm sm:px-6',
        className,
      )}
    >
      <span className="min-w-0 grow basis-60">
        <b className="font-semibold">
          Not up to date: read <Time at={outdated.since} />.
        </b>{' '}
        {sentenceOf(outdated.error).sentence}
      </span>
      <Button size="sm" icon={<RotateCw className="h-3.5 w-3.5" />} onClick={outdated.again}>
        Try again
      </Button>
    </div>
  )
}
