import { cloneElement, type ReactElement, useEffect, useRef, useState } from 'react'
import { getPreferences } from '../shell/preferences.ts'
import { Kbd } from './kbd.tsx'
import { exactTime } from './time.tsx'

const delayMs = 350
/** The next one comes at once this long after the last: somebody looks from one to the other. */
const warmMs = 150

/**
 * A short text on hover and focus, lines and all. Never the only place where something is said. It costs its element an
 * attribute: a list of many rows has one or two in each.
 */
export function Tooltip({
  text,
  keys,
  children,
}: {
  readonly text: string
  readonly keys?: string | undefined
  readonly children: ReactElement<TipAttributes>
}) {
  return cloneElement(children, { 'data-tip': text, ...(keys && { 'data-tip-keys': keys }) })
}

interface TipAttributes {
  readonly 'data-tip'?: string
  readonly 'data-tip-keys'?: string
}

/** What shows them; around nothing, once on the page. A `<time>` has its exact time without being asked. */
export function TooltipHost() {
  const [of, setOf] = useState<Element>()
  const [, redraw] = useState(0)
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => listen(setOf), [])
  useEffect(() => {
    if (of === undefined) return
    const observer = new MutationObserver(() => redraw(count => count + 1))
    observer.observe(of, { attributeFilter: ['data-tip'] })
    of.setAttribute('aria-describedby', tipId)
    return () => {
      observer.disconnect()
      of.removeAttribute('aria-describedby')
    }
  }, [of])
  const text = of === undefined || !of.isConnected ? '' : textOf(of)
  useEffect(() => {
    if (box.current !== null && of !== undefined && text !== '') place(box.current, of)
  }, [of, text])
  if (of === undefined || text === '') return null
  const keys = of.getAttribute('data-tip-keys')
  return (
    <div
      ref={box}
      id={tipId}
      role="tooltip"
      className="appear fixed top-0 left-0 z-50 flex max-w-80 items-center gap-2 rounded-control bg-ink px-2 py-1 text-xs break-words whitespace-pre-line text-bg shadow-float"
    >
      {text}
      {keys && <Kbd keys={keys} inverted />}
    </div>
  )
}

const tipId = 'tooltip'

function textOf(element: Element): string {
  if (element instanceof HTMLTimeElement) {
    const ms = Date.parse(element.dateTime)
    return Number.isNaN(ms) ? '' : exactTime(ms, getPreferences().clock)
  }
  return element.getAttribute('data-tip') ?? ''
}

/** Above it, or below where there is no room; within the window. */
function place(box: HTMLElement, of: Element): void {
  const { left, width, top, bottom } = of.getBoundingClientRect()
  const { offsetWidth, offsetHeight } = box
  const gap = 6
  const above = top - gap - offsetHeight
  const x = Math.max(8, Math.min(innerWidth - 8 - offsetWidth, left + width / 2 - offsetWidth / 2))
  box.style.left = `${x}px`
  box.style.top = `${above < 8 ? bottom + gap : above}px`
}

/** Says whose is to be shown. A pointer that goes on to the text itself keeps it there; `Esc` takes it away. */
function listen(show: (element: Element | undefined) => void): () => void {
  const end = new AbortController()
  const on = { signal: end.signal, passive: true }
  let [timer, goneAt]: [ReturnType<typeof setTimeout> | undefined, number] = [undefined, 0]
  let shown: Element | undefined
  const set = (element: Element | undefined) => {
    clearTimeout(timer)
    if (element === undefined && shown !== undefined) goneAt = performance.now()
    shown = element
    show(element)
  }
  const toward = (element: Element | undefined, atOnce: boolean) => {
    if (element === shown) return clearTimeout(timer)
    if (element === undefined || shown !== undefined) set(undefined)
    if (element === undefined) return
    const isWarm = atOnce || performance.now() - goneAt < warmMs
    timer = setTimeout(() => element.isConnected && set(element), isWarm ? 0 : delayMs)
  }
  const tipped = (target: EventTarget | null) =>
    target instanceof Element
      ? (target.closest('[data-tip], time[datetime]:not([data-exact])') ?? undefined)
      : undefined
  addEventListener(
    'pointerover',
    ({ target, pointerType }) => {
      if (pointerType === 'touch' || (target instanceof Element && target.closest(`#${tipId}`))) return
      clearTimeout(timer)
      toward(tipped(target), false)
    },
    on,
  )
  addEventListener(
    'focusin',
    ({ target }) => {
      if (target instanceof Element && target.matches(':focus-visible')) toward(tipped(target), true)
    },
    on,
  )
  addEventListener('focusout', () => set(undefined), on)
  addEventListener('pointerdown', () => set(undefined), on)
  addEventListener('scroll', () => shown && set(undefined), { ...on, capture: true })
  addEventListener('keydown', ({ key }) => key === 'Escape' && set(undefined), on)
  return () => {
    clearTimeout(timer)
    end.abort()
  }
}
