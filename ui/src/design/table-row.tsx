import { type MouseEvent, memo } from 'react'
import type { Column } from './column.ts'
import { cx } from './cx.ts'

/** A column that is not shown on every window. */
export const shownFrom = {
  sm: 'hidden sm:table-cell',
  md: 'hidden md:table-cell',
  lg: 'hidden lg:table-cell',
  xl: 'hidden xl:table-cell',
  '2xl': 'hidden 2xl:table-cell',
}

interface RowProps<Item> {
  readonly row: Item
  readonly index: number
  readonly columns: readonly Column<Item>[]
  readonly height: number
  readonly isOpen: boolean
  /** The same function each time, so that a row that has not changed is not drawn again. */
  readonly open: ((row: Item) => void) | undefined
}

function PlainRow<Item>({ row, index, columns, height, isOpen, open }: RowProps<Item>) {
  // A click anywhere opens it; for the keyboard its first cell has a link.
  const click = (event: MouseEvent) => {
    if (!(event.target as HTMLElement).closest('a, button, input, label')) open?.(row)
  }
  return (
    <tr
      data-index={index}
      aria-rowindex={index + 2}
      aria-current={isOpen || undefined}
      style={{ height }}
      onClick={open && click}
      className={cx(
        'group transition-colors duration-100 focus-within:bg-hover',
        open && 'cursor-pointer',
        isOpen ? 'bg-selected' : 'hover:bg-hover',
      )}
    >
      {columns.map(({ id, cell, align, tone, from }) => (
        <td
          key={id}
          className={cx(
            'truncate border-b px-2 first:pl-3 last:pr-3',
            align === 'right' && 'text-right',
            tone === 'quiet' && 'text-ink-2',
            tone === 'faint' && 'text-ink-3',
            from && shownFrom[from],
          )}
        >
          {cell(row)}
        </td>
      ))}
    </tr>
  )
}

/** While a list is scrolled only the rows that come into sight are drawn. */
export const TableRow = memo(PlainRow) as typeof PlainRow // memo forgets that it is generic
