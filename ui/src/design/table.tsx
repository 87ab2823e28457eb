import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { List } from '../api/queries.ts'
import { useKeys } from '../shell/keys.ts'
import { usePreferences } from '../shell/preferences.ts'
import { Button } from './button.tsx'
import type { Column } from './column.ts'
import { cx } from './cx.ts'
import { useHeldRows, useScrolled } from './held-rows.ts'
import { choosing, type Selection, toggled } from './selection.tsx'
import { Spinner } from './spinner.tsx'
import { EmptyState, ErrorState, Skeleton } from './states.tsx'
import { shownFrom, TableRow } from './table-row.tsx'

export interface DataTableProps<Item> {
  /** What its rows are, for screen readers. */
  readonly label: string
  readonly columns: readonly Column<Item>[]
  readonly list: List<Item>
  readonly keyOf: (item: Item) => string
  /** Opens a row: a click on it, `Enter`, and `j` `k` while another one is open. */
  readonly onOpen?: (item: Item) => void
  /** The row whose details are shown. */
  readonly openKey?: string | undefined
  /** Rows can be chosen, to do one thing with several of them. */
  readonly selection?: Selection | undefined
  /**
   * New rows come in at the top by themselves. As soon as the reader has scrolled, opened or chosen something they wait
   * behind a button, so that nothing moves under the pointer.
   */
  readonly newestFirst?: boolean
  /** What is shown where there is nothing, and no filter either. */
  readonly empty: ReactNode
  /** Takes the filters away, where there are some. */
  readonly clearFilters?: (() => void) | undefined
}

/**
 * A real table of any length: only the rows in sight are drawn, and the next page is loaded before it is reached. With its
 * states: loading, empty, an error, nothing that fits the filters. `j` and `k` go from row to row.
 */
export function DataTable<Item>(props: DataTableProps<Item>) {
  const { list, empty, clearFilters } = props
  if (list.error !== undefined) return <ErrorState error={list.error} retry={list.again} />
  if (!list.loading && list.rows.length === 0) {
    if (clearFilters === undefined) return empty
    return (
      <EmptyState
        title="Nothing fits these filters"
        action={<Button onClick={clearFilters}>Clear the filters</Button>}
      >
        Take one away, or look at a longer time.
      </EmptyState>
    )
  }
  return <Rows {...props} />
}

function Rows<Item>(props: DataTableProps<Item>) {
  const { label, list, keyOf, onOpen, openKey, selection, newestFirst = false } = props
  const { rows: rowLook } = usePreferences()
  const height = rowLook === 'compact' ? 28 : 37
  const table = useRef<HTMLTableElement>(null)
  const [top, setTop] = useState(0)
  useLayoutEffect(() => {
    const place = () => setTop((table.current?.getBoundingClientRect().top ?? 0) + scrollY)
    place()
    addEventListener('resize', place)
    return () => removeEventListener('resize', place)
  }, [])
  const isScrolled = useScrolled()
  const isRead = isScrolled || openKey !== undefined || (selection?.keys.size ?? 0) > 0
  const { rows, waiting, show } = useHeldRows(list.rows, keyOf, newestFirst && isRead)
  const latest = useRef(props)
  latest.current = props
  const open = useCallback((row: Item) => latest.current.onOpen?.(row), [])
  const columns = useMemo(
    () => (selection ? [choosing(selection, rows, latest.current.keyOf), ...props.columns] : props.columns),
    [selection, rows, props.columns],
  )
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => height,
    overscan: 10,
    scrollMargin: top,
    getItemKey: index => keyOf(rows[index] as Item), // the index is one of the rows
  })
  const items = virtual.getVirtualItems()
  const lastShown = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (list.hasMore && !list.loadingMore && lastShown >= rows.length - 20) list.more()
  }, [list, lastShown, rows.length])

  const openIndex = openKey === undefined ? -1 : rows.findIndex(row => keyOf(row) === openKey)
  const move = (by: number) => {
    const focused = document.activeElement?.closest('tr')?.dataset.index
    const from =
      openIndex >= 0 ? openIndex : focused === undefined ? (by > 0 ? -1 : rows.length) : Number(focused)
    const to = Math.min(rows.length - 1, Math.max(0, from + by))
    const row = rows[to]
    if (row === undefined) {
      if (list.loading) early.current += by
      return
    }
    virtual.scrollToIndex(to, { align: 'auto' })
    if (openIndex >= 0) onOpen?.(row)
    else
      requestAnimationFrame(() =>
        table.current?.querySelector<HTMLElement>(`tr[data-index="${to}"] :is(a, button)`)?.focus(),
      )
  }
  // Pressed while the list was on its way.
  const early = useRef(0)
  const latestMove = useRef(move)
  latestMove.current = move
  const isThere = rows.length > 0
  useEffect(() => {
    if (isThere && early.current !== 0) latestMove.current(early.current)
    if (isThere) early.current = 0
  }, [isThere])
  const chooseFocused = () => {
    const index = document.activeElement?.closest('tr')?.dataset.index
    const row = index === undefined ? undefined : rows[Number(index)]
    if (row !== undefined) selection?.set(toggled(selection.keys, keyOf(row)))
  }
  useKeys({ j: () => move(1), k: () => move(-1), ...(selection && { x: chooseFocused }) })

  const before = (items[0]?.start ?? top) - top
  const after = virtual.getTotalSize() - ((items.at(-1)?.end ?? top) - top)
  return (
    <>
      {waiting > 0 && (
        <div className="sticky top-13 z-20 flex h-0 justify-center">
          <button
            type="button"
            onClick={() => {
              show()
              scrollTo({ top: 0 })
            }}
            className="appear h-7 rounded-full border bg-surface px-3 text-xs font-medium text-accent shadow-float"
          >
            {waiting} new
          </button>
        </div>
      )}
      <table
        ref={table}
        className="w-full table-fixed border-separate border-spacing-0 text-sm"
        aria-label={label}
        aria-busy={list.loading}
        // Most rows are not in the document, so that their number has to be said.
        aria-rowcount={list.loading || list.hasMore ? -1 : rows.length + 1}
      >
        <thead className="sticky top-12 z-10">
          <tr>
            {columns.map(({ id, head, width, align, from }) => (
              <th
                key={id}
                scope="col"
                style={{ width }}
                className={cx(
                  'h-8 truncate border-b bg-bg px-2 text-xs font-medium text-ink-3 first:pl-3 last:pr-3',
                  align === 'right' ? 'text-right' : 'text-left',
                  from && shownFrom[from],
                )}
              >
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {list.loading && <LoadingRows columns={columns} height={height} />}
          {before > 0 && <tr style={{ height: before }} />}
          {items.map(({ index, key }) => {
            const row = rows[index] as Item // the index is one of the rows
            return (
              <TableRow
                key={String(key)}
                row={row}
                index={index}
                columns={columns}
                height={height}
                isOpen={index === openIndex}
                open={onOpen && open}
              />
            )
          })}
          {after > 0 && <tr style={{ height: after }} />}
          {list.loadingMore && (
            <tr>
              <td colSpan={columns.length} className="h-10 text-center text-ink-3">
                <Spinner /> <span className="only-spoken">Loading more</span>
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </>
  )
}

function LoadingRows<Item>({
  columns,
  height,
}: {
  readonly columns: readonly Column<Item>[]
  readonly height: number
}) {
  return Array.from({ length: 8 }, (_, row) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
    <tr key={row} style={{ height }}>
      {columns.map(({ id, from }, column) => (
        <td key={id} className={cx('border-b px-2 first:pl-3 last:pr-3', from && shownFrom[from])}>
          <Skeleton className={(row + column) % 3 === 0 ? 'w-3/5' : 'w-4/5'} />
        </td>
      ))}
    </tr>
  ))
}

/** A short table that is there as a whole. */
export function PlainTable({
  head,
  children,
}: {
  readonly head: readonly ReactNode[]
  readonly children: ReactNode
}) {
  return (
    <div className="overflow-x-auto">
      <table className="w-full border-separate border-spacing-0 text-sm [&_td]:border-b [&_td]:px-2 [&_td]:py-1.5 [&_td:first-child]:pl-0 [&_th]:border-b [&_th]:px-2 [&_th]:py-1.5 [&_th]:text-left [&_th]:text-xs [&_th]:font-medium [&_th]:whitespace-nowrap [&_th]:text-ink-3 [&_th:first-child]:pl-0 [&_tr:last-child_td]:border-b-0">
        <thead>
          <tr>
            {head.map((name, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns stay in their order
              <th key={index} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}
