import type { ReactNode } from 'react'

/** A column of a table. */
export interface Column<Item> {
  readonly id: string
  readonly head: ReactNode
  readonly cell: (item: Item) => ReactNode
  /** A width of CSS; the columns without one share what is left. */
  readonly width?: string
  readonly align?: 'right'
  /** How loud it is, where it is not what a row is about. */
  readonly tone?: 'quiet' | 'faint'
  /** From which width of the window on it is shown. */
  readonly from?: 'sm' | 'md' | 'lg' | 'xl' | '2xl'
}
