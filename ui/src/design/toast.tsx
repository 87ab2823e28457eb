import { CheckCircle2, CircleAlert, X } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import { sentenceOf } from '../api/problem.ts'
import { Button, IconButton } from './button.tsx'

interface ToastItem {
  readonly id: number
  readonly kind: 'good' | 'bad'
  readonly text: string
  readonly requestId?: string | undefined
  readonly action?: { readonly label: string; readonly run: () => void } | undefined
}

let items: readonly ToastItem[] = []
let nextId = 1
const listeners = new Set<() => void>()

function change(to: readonly ToastItem[]): void {
  items = to
  for (const listener of listeners) listener()
}

function add(item: Omit<ToastItem, 'id'>, ms: number): void {
  const id = nextId++
  change([...items.slice(-3), { ...item, id }])
  setTimeout(() => remove(id), ms)
}

function remove(id: number): void {
  change(items.filter(item => item.id !== id))
}

/** Something was done; `action` is for undo, or to go there. */
export function toast(text: string, action?: ToastItem['action']): void {
  add({ kind: 'good', text, action }, action ? 10_000 : 5000)
}

/** Something was not done: the sentence of the problem, and its request id. */
export function toastError(error: unknown): void {
  const { sentence, requestId } = sentenceOf(error)
  add({ kind: 'bad', text: sentence, requestId }, 12_000)
}

/** Where they are shown; in the app once. */
export function Toaster() {
  const shown = useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => items,
  )
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed inset-x-3 bottom-3 z-[60] flex flex-col items-end gap-2 sm:left-auto sm:w-96"
    >
      {shown.map(item => (
        <div
          key={item.id}
          className="appear pointer-events-auto flex w-full items-start gap-2.5 rounded-card border bg-surface px-3.5 py-3 text-sm shadow-float"
        >
          {item.kind === 'good' ? (
            <CheckCircle2 aria-hidden="true" className="mt-0.5 h-4 w-4 shrink-0 text-good" />
          ) : (
            <CircleAlert aria-hidden="true" className="mt-0.5 h-4 w-4 shrink-0 text-bad" />
          )}
          <div className="min-w-0 grow">
            <p className="break-words">{item.text}</p>
            {item.requestId && (
              <p className="mt-0.5 truncate font-mono text-xs text-ink-3">request {item.requestId}</p>
            )}
          </div>
          {item.action && (
            <Button
              size="sm"
              onClick={() => {
                item.action?.run()
                remove(item.id)
              }}
            >
              {item.action.label}
            </Button>
          )}
          <IconButton label="Dismiss" className="-my-1 -mr-1.5" onClick={() => remove(item.id)}>
            <X className="h-3.5 w-3.5" />
          </IconButton>
        </div>
      ))}
    </div>
  )
}
