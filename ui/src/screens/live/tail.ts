import { useEffect, useRef, useState } from 'react'
import { useEnded } from '../../api/ended.ts'
import { listen, type StreamItem, type StreamState } from '../../api/stream.ts'

/** Older lines are forgotten. */
const linesMax = 1000
const drawEveryMs = 200

/** One thing that the service told, and when. */
export interface Line {
  readonly key: string
  readonly at: number
  readonly item: StreamItem
}

/** The lines so far. While it stands still, new ones are counted and kept aside. */
export function useTail(query: Readonly<Record<string, string | undefined>>, still: boolean) {
  const [lines, setLines] = useState<readonly Line[]>([])
  const [counts, setCounts] = useState({ told: 0, dropped: 0, waiting: 0, perSecond: 0 })
  const [state, setState] = useState<StreamState>('waiting')
  const [tries, setTries] = useState(0)
  const [problem, setProblem] = useState<unknown>()
  const fresh = useRef<Line[]>([])
  const totals = useRef({ told: 0, dropped: 0, recent: [] as number[], serial: 0 })
  const isStill = useRef(still)
  isStill.current = still
  const ended = useEnded()
  const text = JSON.stringify(query)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each try is another connection
  useEffect(() => {
    if (ended) return
    const end = new AbortController()
    setState('waiting')
    setProblem(undefined)
    void listen(JSON.parse(text), end.signal, {
      onItem: item => {
        const sums = totals.current
        if (item.event === 'gap') sums.dropped += Number(item.data.dropped ?? 0)
        else sums.told++
        sums.recent.push(Date.now())
        fresh.current.push({ key: `${item.id} ${sums.serial++}`, at: Date.now(), item })
        if (fresh.current.length > linesMax) fresh.current.shift()
      },
      onState: (now, reason) => {
        setState(now)
        setProblem(reason)
      },
    })
    return () => end.abort()
  }, [text, tries, ended])
  useEffect(() => {
    const draw = () => {
      const sums = totals.current
      const now = Date.now()
      sums.recent = sums.recent.filter(at => now - at < 5000)
      setCounts({
        told: sums.told,
        dropped: sums.dropped,
        waiting: isStill.current ? fresh.current.length : 0,
        perSecond: Math.round(sums.recent.length / 5),
      })
      if (isStill.current || fresh.current.length === 0) return
      const taken = fresh.current.reverse()
      fresh.current = []
      setLines(before => [...taken, ...before].slice(0, linesMax))
    }
    const timer = setInterval(draw, drawEveryMs)
    return () => clearInterval(timer)
  }, [])
  const again = () => setTries(count => count + 1)
  return { lines, ...counts, state, problem, again, clear: () => setLines([]) }
}
