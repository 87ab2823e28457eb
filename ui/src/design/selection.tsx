import { X } from 'lucide-react'
import { type ReactNode, useMemo, useState } from 'react'
import { IconButton } from './button.tsx'
import type { Column } from './column.ts'

/** Which rows are chosen, by their keys. */
export interface Selection {
  readonly keys: ReadonlySet<string>
  readonly set: (keys: ReadonlySet<string>) => void
}

export function useSelection(): Selection {
  const [keys, set] = useState<ReadonlySet<string>>(new Set())
  return useMemo(() => ({ keys, set }), [keys])
}

export function toggled(keys: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(keys)
  if (!next.delete(key)) next.add(key)
  return next
}

/** The column with a box for each row, and one for all that are there. */
export function choosing<Item>(
  { keys, set }: Selection,
  rows: readonly Item[],
  keyOf: (item: Item) => string,
): Column<Item> {
  const box = 'block h-4 w-4 accent-(--accent-fill)'
  const all = rows.length > 0 && rows.every(row => keys.has(keyOf(row)))
  return {
    id: 'choose',
    width: '2.25rem',
    head: (
      <input
        type="checkbox"
        aria-label="Choose all that are shown"
        className={box}
        checked={all}
        ref={element => {
          if (element) element.indeterminate = !all && keys.size > 0
        }}
        onChange={() => set(all ? new Set() : new Set(rows.map(keyOf)))}
      />
    ),
    cell: row => (
      // The label takes the whole cell, so that a click beside the box does not open the row.
      <label className="-mx-2 flex h-full items-center px-2 py-2">
        <input
          type="checkbox"
          aria-label={`Choose ${keyOf(row)}`}
          className={box}
          checked={keys.has(keyOf(row))}
          onChange={() => set(toggled(keys, keyOf(row)))}
        />
      </label>
    ),
  }
}

/** What can be done with the rows that are chosen; not there while none is. */
export function SelectionBar({
  selection: { keys, set },
  children,
}: {
  readonly selection: Selection
  readonly children: ReactNode
}) {
  if (keys.size === 0) return null
  return (
    <div
      role="toolbar"
      aria-label="What to do with those that are chosen"
      className="appear fixed inset-x-3 bottom-4 z-30 mx-auto flex w-fit max-w-full flex-wrap items-center gap-2 rounded-card border bg-surface px-3 py-2 text-sm shadow-float"
    >
      <span className="mr-1 font-medium">{keys.size} chosen</span>
      {children}
      <IconButton label="Choose none" onClick={() => set(new Set())}>
        <X className="h-4 w-4" />
      </IconButton>
    </div>
  )
}
