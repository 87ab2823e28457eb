import { Search, X } from 'lucide-react'
import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from 'react'
import { cx } from './cx.ts'

export interface Filter {
  /** As in the URL. */
  readonly key: string
  /** What people type: `status`. */
  readonly name: string
  readonly hint: string
  /** Values to pick from; others may be typed, unless `only`. */
  readonly options?: readonly string[]
  readonly only?: boolean
  /** What people call the options, where these are ids: they are found by it, too. */
  readonly names?: ReadonlyMap<string, string>
}

type Values = Readonly<Record<string, string | undefined>>

interface Suggestion {
  readonly text: string
  readonly hint: string
  readonly filter: Filter
  readonly value: string | undefined
}

/**
 * Filters as words: `status:failed type:order.*`. Typed or picked, each with an ✕; what is typed, picked and in the URL is
 * one thing. `/` puts the cursor here.
 */
export function FilterBar({
  filters,
  values,
  onChange,
  freeText,
  children,
}: {
  readonly filters: readonly Filter[]
  readonly values: Values
  readonly onChange: (values: Values) => void
  /** The filter that a word without a name belongs to. */
  readonly freeText?: string
  readonly children?: ReactNode
}) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const [isOpen, setOpen] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const listId = useId()
  const suggestions = isOpen ? suggestionsFor(text, filters, values) : []
  const set = (key: string, value: string | undefined) => onChange({ ...values, [key]: value })
  const take = ({ filter, value }: Suggestion) => {
    if (value === undefined) setText(`${filter.name}:`)
    else {
      set(filter.key, value)
      setText('')
    }
    setAt(0)
    input.current?.focus()
  }
  const enter = () => {
    const [, name = '', value = ''] = /^([\w-]+):(.*)$/.exec(text.trim()) ?? []
    const filter = filters.find(one => one.name === name)
    if (filter !== undefined && value !== '') set(filter.key, value)
    else if (freeText !== undefined && text.trim() !== '') set(freeText, text.trim())
    else return
    setText('')
    setOpen(false)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      setOpen(true)
      const count = Math.max(1, suggestions.length)
      setAt((at + (event.key === 'ArrowDown' ? 1 : count - 1)) % count)
    } else if (event.key === 'Enter') {
      const chosen = suggestions[at]
      const isWhole =
        /^[\w-]+:.+$/.test(text.trim()) &&
        (at === 0 ? chosen?.value === undefined || !chosen.text.startsWith(text.trim()) : false) &&
        // What is found by its name is typed by its name.
        (chosen?.value === undefined || chosen.filter.names === undefined)
      if (chosen && text.trim() !== '' && !isWhole) take(chosen)
      else if (chosen && at > 0) take(chosen)
      else enter()
    } else if (event.key === 'Escape') {
      if (isOpen) {
        event.preventDefault()
        setOpen(false)
      } else input.current?.blur()
    } else if (event.key === 'Backspace' && text === '') {
      const last = filters.filter(({ key }) => values[key]).at(-1)
      if (last) set(last.key, undefined)
    }
  }
  return (
    <search className="mb-3 flex flex-wrap items-center gap-2">
      <div className="relative min-w-0 grow basis-48">
        <div className="flex min-h-8 flex-wrap items-center gap-1 rounded-control border border-control bg-surface py-0.5 pr-1 pl-2 focus-within:outline-2 focus-within:outline-accent">
          <Search aria-hidden="true" className="h-3.5 w-3.5 shrink-0 text-ink-3" />
          {filters.map(({ key, name }) => {
            const value = values[key]
            return value === undefined || value === '' ? null : (
              <span
                key={key}
                className="inline-flex h-6 max-w-full items-center rounded border bg-sunken pl-1.5 font-mono text-xs"
              >
                <span className="text-ink-3">{name}:</span>
                <span className="max-w-60 truncate">{value}</span>
                <button
                  type="button"
                  aria-label={`Remove ${name}:${value}`}
                  onClick={() => set(key, undefined)}
                  className="ml-0.5 rounded p-1 text-ink-3 hover:text-ink"
                >
                  <X className="h-3 w-3" />
                </button>
              </span>
            )
          })}
          <input
            ref={input}
            data-search
            role="combobox"
            aria-label="Filter"
            aria-expanded={suggestions.length > 0}
            aria-controls={listId}
            aria-autocomplete="list"
            aria-activedescendant={suggestions.length > 0 ? `${listId}-${at}` : undefined}
            value={text}
            spellCheck={false}
            autoComplete="off"
            placeholder="Filter"
            onChange={event => {
              setText(event.target.value)
              setOpen(true)
              setAt(0)
            }}
            onFocus={() => setOpen(true)}
            onBlur={() => setOpen(false)}
            onKeyDown={onKeyDown}
            className="h-6 min-w-24 grow bg-transparent px-1 font-mono text-xs outline-none"
          />
        </div>
        <div
          id={listId}
          role="listbox"
          aria-label="Filters"
          hidden={suggestions.length === 0}
          className="appear absolute top-full left-0 z-30 mt-1 max-h-72 w-full max-w-md overflow-y-auto rounded-card border bg-surface p-1 shadow-float"
        >
          {suggestions.map((suggestion, index) => (
            // biome-ignore lint/a11y/useFocusableInteractive: as above
            // biome-ignore lint/a11y/useKeyWithClickEvents: as above
            <div
              key={suggestion.text}
              id={`${listId}-${index}`}
              role="option"
              aria-selected={index === at}
              onMouseDown={event => event.preventDefault()}
              onClick={() => take(suggestion)}
              className={cx(
                'flex cursor-pointer items-baseline gap-3 rounded px-2 py-1.5 text-xs',
                index === at && 'bg-hover',
              )}
            >
              <span className="font-mono text-ink">{suggestion.text}</span>
              <span className="ml-auto truncate text-ink-3">{suggestion.hint}</span>
            </div>
          ))}
        </div>
      </div>
      {children}
    </search>
  )
}

function suggestionsFor(text: string, filters: readonly Filter[], values: Values): readonly Suggestion[] {
  const [, name, value = ''] = /^([\w-]+):(.*)$/.exec(text.trimStart()) ?? []
  const named = filters.find(filter => filter.name === name)
  if (named !== undefined) {
    const nameOf = (option: string) => named.names?.get(option) ?? ''
    return (named.options ?? [])
      .filter(option => `${option} ${nameOf(option)}`.toLowerCase().includes(value.toLowerCase()))
      .slice(0, 12)
      .map(option => ({
        ...{ text: `${named.name}:${option}`, hint: nameOf(option) },
        ...{ filter: named, value: option },
      }))
  }
  const word = text.trim().toLowerCase()
  const byValue =
    word === ''
      ? []
      : filters.flatMap(filter =>
          (filter.options ?? [])
            .filter(option => option.toLowerCase().startsWith(word))
            .map(option => ({ text: `${filter.name}:${option}`, hint: filter.hint, filter, value: option })),
        )
  const byName = filters
    .filter(filter => !values[filter.key] && filter.name.startsWith(word))
    .map(filter => ({ text: `${filter.name}:`, hint: filter.hint, filter, value: undefined }))
  return [...byName, ...byValue].slice(0, 12)
}
