import { useEffect, useRef } from 'react'

export type KeyMap = Readonly<Record<string, (event: KeyboardEvent) => void>>

/** A first key of two, such as the g of `g e`, counts for this long. */
const sequenceMs = 1200
let pending = ''
let pendingAt = 0

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
      const isSecond = pending !== '' && performance.now() - pendingAt < sequenceMs
      const action = latest.current[isSecond ? `${pending} ${key}` : key]
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

/** Remembers the first key of a sequence, once all others have looked at it; once for the whole page. */
export function rememberKeys(): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (isTyping(event.target) || event.metaKey || event.ctrlKey) return
    const isFirst = event.key === 'g' && pending !== 'g'
    setTimeout(() => {
      pending = isFirst ? 'g' : ''
      pendingAt = performance.now()
      if (patientKeys.includes(event.key) && !event.defaultPrevented) early = { event, at: pendingAt }
    })
  }
  addEventListener('keydown', onKey)
  return () => removeEventListener('keydown', onKey)
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.matches('input:not([type=checkbox]), textarea, select, [contenteditable]')
  )
}
