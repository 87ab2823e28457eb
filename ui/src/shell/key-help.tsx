import { Dialog } from '../design/dialog.tsx'
import { Kbd } from '../design/kbd.tsx'
import type { Place } from './navigation.ts'

const general: readonly (readonly [keys: string, does: string])[] = [
  ['mod+k', 'Search, and everything that can be done'],
  ['/', 'Filter this list'],
  ['j', 'Next row'],
  ['k', 'Row before'],
  ['Enter', 'Open the row'],
  ['Esc', 'Close what is open'],
  ['x', 'Choose the row, where several can be chosen'],
  ['r', 'Replay what is open'],
  ['?', 'This list'],
]

/** All keys there are. */
export function KeyHelp({
  places,
  onClose,
}: {
  readonly places: readonly Place[]
  readonly onClose: () => void
}) {
  return (
    <Dialog open onClose={onClose} title="Keys" wide>
      <div className="grid gap-x-8 gap-y-6 sm:grid-cols-2">
        <KeyList title="Everywhere" keys={general} />
        <KeyList title="Go to" keys={places.map(place => [`g ${place.key}`, place.label])} />
      </div>
    </Dialog>
  )
}

function KeyList({
  title,
  keys,
}: {
  readonly title: string
  readonly keys: readonly (readonly [keys: string, does: string])[]
}) {
  return (
    <div>
      <h3 className="mb-2 text-xs font-medium text-ink-3">{title}</h3>
      <dl className="space-y-1.5 text-sm">
        {keys.map(([key, does]) => (
          <div key={key} className="flex items-center justify-between gap-4">
            <dt>{does}</dt>
            <dd>
              <Kbd keys={key} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  )
}
