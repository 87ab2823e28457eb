import { useEffect, useRef } from 'react'

export type KeyMap = Readonly<Record<string, (event: KeyboardEvent) => void>>

/** A first key of two, such as the g of `g e`, counts for this long. */
const sequenceMs = 1200
/** The key before the one that is pressed now, where it counts. */
let pending = ''
let begun = { key: '', at: 0 }

/** Keys of lists and details: one that is pressed while these are still on their way is kept for them, this long. */
const patientKeys = ['j', 'k', 'r']
const patientMs = 2000
let early: { readonly event: KeyboardEvent; readonly at: number } | undefined

/**
 * Keys that do something while this part of the page is there: `j`, `?`, `mod+k`, `g e`. Not while somebody types, nor
 * while a dialog is open (but `mod+…` always).
 */
export function useKeys(keys: KeyMap): void {
  const latest = useRef(keys)
  latest.current = keys
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const modified = event.metaKey || event.ctrlKey
      if (event.altKey || event.defaultPrevented) return
      if (!modified && (isTyping(event.target) || document.querySelector('[role=dialog], [role=menu]')))
        return
      const key = modified ? `mod+${event.key.toLowerCase()}` : event.key
      const action = latest.current[pending === '' ? key : `${pending} ${key}`]
      if (action === undefined) return
      event.preventDefault()
      action(event)
    }
    addEventListener('keydown', onKey)
    if (early !== undefined && latest.current[early.event.key] !== undefined) {
      if (performance.now() - early.at < patientMs) latest.current[early.event.key]?.(early.event)
      early = undefined
    }
    return () => removeEventListener('keydown', onKey)
  }, [])
}

/** Remembers the first key of a sequence, before any other looks at the second; once for the whole page. */
export function rememberKeys(): () => void {
  const onKey = (event: KeyboardEvent) => {
    pending = ''
    if (isTyping(event.target) || event.metaKey || event.ctrlKey) return
    const at = performance.now()
    if (at - begun.at < sequenceMs) pending = begun.key
    begun = { key: event.key === 'g' && pending !== 'g' ? 'g' : '', at }
    if (!patientKeys.includes(event.key)) return
    setTimeout(() => {
      if (!event.defaultPrevented) early = { event, at }
    })
  }
  addEventListener('keydown', onKey, true)
  return () => removeEventListener('keydown', onKey, true)
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.matches('input:not([type=checkbox]), textarea, select, [contenteditable]')
  )
}
