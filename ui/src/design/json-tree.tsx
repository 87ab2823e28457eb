import { createContext, useContext, useState } from 'react'
import { copyText } from './copy.tsx'
import { cx } from './cx.ts'
import { toast } from './toast.tsx'

const SearchContext = createContext('')

/** A JSON value to open and close. What is closed is not drawn; a click on a name copies its path. */
export function JsonTree({ value, search = '' }: { readonly value: unknown; readonly search?: string }) {
  return (
    <SearchContext value={search.toLowerCase()}>
      <div className="overflow-x-auto rounded-card border bg-sunken px-3 py-2 font-mono text-xs leading-5">
        <Node name={undefined} value={value} path="" depth={0} last />
      </div>
    </SearchContext>
  )
}

interface NodeProps {
  readonly name: string | undefined
  readonly value: unknown
  /** A JSON Pointer. */
  readonly path: string
  readonly depth: number
  readonly last: boolean
}

/** At first this many items of an array or object are drawn. */
const step = 100

function Node({ name, value, path, depth, last }: NodeProps) {
  const search = useContext(SearchContext)
  const [open, setOpen] = useState(depth < 2)
  const [shown, setShown] = useState(step)
  const isList = Array.isArray(value)
  const isNest = typeof value === 'object' && value !== null
  const entries = isNest ? Object.entries(value) : []
  if (!isNest || entries.length === 0) {
    return (
      <div className="pl-4">
        <Name name={name} path={path} />
        <Leaf value={value} />
        {!last && <span className="text-ink-3">,</span>}
      </div>
    )
  }
  const isOpen = open || (search !== '' && JSON.stringify(value).toLowerCase().includes(search))
  const [begin, end] = isList ? ['[', ']'] : ['{', '}']
  return (
    <div>
      <div className="flex items-start">
        <button
          type="button"
          aria-expanded={isOpen}
          aria-label={`${isOpen ? 'Close' : 'Open'} ${name ?? 'the value'}`}
          onClick={() => setOpen(!isOpen)}
          className="w-4 shrink-0 text-left text-ink-3 hover:text-ink"
        >
          {isOpen ? '▾' : '▸'}
        </button>
        <span>
          <Name name={name} path={path} />
          <span className="text-ink-3">{begin}</span>
          {!isOpen && (
            <span className="text-ink-3">
              {' '}
              {entries.length} {isList ? 'items' : 'fields'} {end}
            </span>
          )}
        </span>
      </div>
      {isOpen && (
        <>
          <div className="ml-[7px] border-l border-line pl-2">
            {entries.slice(0, shown).map(([key, item], index) => (
              <Node
                key={key}
                name={isList ? undefined : key}
                value={item}
                path={`${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`}
                depth={depth + 1}
                last={index === entries.length - 1}
              />
            ))}
            {entries.length > shown && (
              <button
                type="button"
                className="pl-4 text-accent hover:underline"
                onClick={() => setShown(shown * 10)}
              >
                {entries.length - shown} more
              </button>
            )}
          </div>
          <div className="pl-4 text-ink-3">
            {end}
            {!last && ','}
          </div>
        </>
      )}
    </div>
  )
}

function Name({ name, path }: { readonly name: string | undefined; readonly path: string }) {
  const search = useContext(SearchContext)
  if (name === undefined) return null
  const isFound = search !== '' && name.toLowerCase().includes(search)
  return (
    <>
      <button
        type="button"
        title={`Copy ${path}`}
        onClick={() => void copyText(path).then(() => toast(`Copied ${path}`))}
        className={cx('break-all text-accent hover:underline', isFound && 'bg-warn-soft')}
      >
        {name}
      </button>
      <span className="text-ink-3">: </span>
    </>
  )
}

function Leaf({ value }: { readonly value: unknown }) {
  const search = useContext(SearchContext)
  const text = Array.isArray(value)
    ? '[]'
    : typeof value === 'object' && value !== null
      ? '{}'
      : JSON.stringify(value)
  const isFound = search !== '' && String(text).toLowerCase().includes(search)
  const tone =
    typeof value === 'string'
      ? 'text-good'
      : typeof value === 'number'
        ? 'text-busy'
        : typeof value === 'boolean'
          ? 'text-warn'
          : 'text-ink-3'
  return <span className={cx('break-all', tone, isFound && 'bg-warn-soft')}>{text}</span>
}
