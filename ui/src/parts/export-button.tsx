import { Download } from 'lucide-react'
import { useState } from 'react'
import { callPage, type Input, type OperationId, type Row } from '../api/client.ts'
import { IconButton } from '../design/button.tsx'
import { Menu } from '../design/menu.tsx'
import { Spinner } from '../design/spinner.tsx'
import { numberText } from '../design/time.tsx'
import { toast, toastError } from '../design/toast.tsx'
import { type CsvColumn, csvOf, ndjsonOf } from './csv.ts'
import { saveFile } from './save-file.ts'

/** A file has at most this many rows; for more the API is the way. */
const rowsMax = 10_000
const pageSize = 250

/** Saves what a list shows, by its filters, as a file: all pages of it up to a bound. */
export function ExportButton<Id extends OperationId>({
  id,
  input,
  name,
  columns,
}: {
  readonly id: Id
  readonly input: Input<Id>
  /** Of the file, without its ending. */
  readonly name: string
  readonly columns: readonly CsvColumn<Row<Id>>[]
}) {
  const [busy, setBusy] = useState(false)
  const save = async (kind: 'csv' | 'ndjson') => {
    setBusy(true)
    try {
      const { rows, isAll } = await readAll(id, input)
      const text = kind === 'csv' ? csvOf(rows, columns) : ndjsonOf(rows)
      const type = kind === 'csv' ? 'text/csv;charset=utf-8' : 'application/x-ndjson'
      saveFile(`${name}.${kind}`, new Blob([text], { type }))
      toast(
        isAll
          ? `${numberText(rows.length)} ${rows.length === 1 ? 'row' : 'rows'} saved.`
          : `The newest ${numberText(rows.length)} rows are saved; there are more. Filters narrow them.`,
      )
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Menu
      trigger={
        <IconButton label="Save as a file" className="h-8 w-8" aria-disabled={busy || undefined}>
          {busy ? <Spinner /> : <Download className="h-4 w-4" />}
        </IconButton>
      }
      items={[
        { label: 'CSV, for spreadsheets', disabled: busy, onSelect: () => void save('csv') },
        { label: 'JSON, one row a line', disabled: busy, onSelect: () => void save('ndjson') },
      ]}
    />
  )
}

async function readAll<Id extends OperationId>(
  id: Id,
  input: Input<Id>,
): Promise<{ readonly rows: readonly Row<Id>[]; readonly isAll: boolean }> {
  const rows: Row<Id>[] = []
  let cursor: string | undefined
  do {
    const page = await callPage(id, { ...input, query: { ...input.query, limit: pageSize, cursor } })
    rows.push(...page.rows)
    cursor = page.next
  } while (cursor !== undefined && rows.length < rowsMax)
  return { rows: rows.slice(0, rowsMax), isAll: cursor === undefined && rows.length <= rowsMax }
}
