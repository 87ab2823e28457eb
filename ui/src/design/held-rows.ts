import { useEffect, useRef, useState } from 'react'

/** The rows as they were when the reader began to read, each as it is now; and how many have come in above them. */
export function useHeldRows<Item>(
  all: readonly Item[],
  keyOf: (item: Item) => string,
  hold: boolean,
): { readonly rows: readonly Item[]; readonly waiting: number; readonly show: () => void } {
  const first = useRef<string>(undefined)
  const [, redraw] = useState(0)
  const top = all[0]
  if (!hold || first.current === undefined) first.current = top === undefined ? undefined : keyOf(top)
  const waiting = hold ? all.findIndex(item => keyOf(item) === first.current) : 0
  // What was first is no longer there, as where the filters have changed: then there is nothing to hold on to.
  if (waiting === -1) first.current = top === undefined ? undefined : keyOf(top)
  const show = () => {
    first.current = undefined
    redraw(count => count + 1)
  }
  return { rows: waiting > 0 ? all.slice(waiting) : all, waiting: Math.max(0, waiting), show }
}

/** Whether the page was scrolled down, further than a row. */
export function useScrolled(): boolean {
  const [isScrolled, setScrolled] = useState(false)
  useEffect(() => {
    // Looked at by the browser: to ask for scrollY has the whole page laid out, at each event.
    const top = document.createElement('div')
    Object.assign(top.style, { position: 'absolute', top: '0', height: '40px', width: '1px' })
    top.setAttribute('aria-hidden', 'true')
    document.body.append(top)
    const observer = new IntersectionObserver(([seen]) => setScrolled(seen?.isIntersecting === false))
    observer.observe(top)
    return () => {
      observer.disconnect()
      top.remove()
    }
  }, [])
  return isScrolled
}
