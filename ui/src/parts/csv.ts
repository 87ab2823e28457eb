export interface CsvColumn<Row> {
  readonly name: string
  readonly value: (row: Row) => unknown
}

/** A spreadsheet takes a text that begins so for a formula, and runs it when the file is opened. */
const formula = /^[=+\-@\t\r]/

/** One cell: never a formula, and in quotes where its text has what separates cells. Numbers stay numbers. */
export function csvCell(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return String(value)
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  const inert = formula.test(text) ? `'${text}` : text
  return /[",\r\n;\t]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert
}

/** Rows as CSV (RFC 4180), with the names of the columns first. */
export function csvOf<Row>(rows: readonly Row[], columns: readonly CsvColumn<Row>[]): string {
  const lines = [
    columns.map(({ name }) => csvCell(name)),
    ...rows.map(row => columns.map(({ value }) => csvCell(value(row)))),
  ]
  return `${lines.map(cells => cells.join(',')).join('\r\n')}\r\n`
}

/** Rows as JSON, one a line. */
export function ndjsonOf(rows: readonly unknown[]): string {
  return rows.map(row => `${JSON.stringify(row)}\n`).join('')
}
