/** A line without axes: which way it went. `label` says it in words. */
export function Sparkline({
  values,
  label,
  tone = 'accent',
}: {
  readonly values: readonly (number | null)[]
  readonly label: string
  readonly tone?: 'accent' | 'bad'
}) {
  const [width, height] = [88, 20]
  const most = Math.max(1, ...values.map(value => value ?? 0))
  const step = width / Math.max(1, values.length - 1)
  const points = values.map(
    (value, index) => [index * step, height - 1 - ((value ?? 0) / most) * (height - 3)] as const,
  )
  const line = points
    .map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`)
    .join('')
  const colour = tone === 'bad' ? 'text-bad' : 'text-accent'
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${width} ${height}`}
      className={`block h-5 w-22 ${colour}`}
    >
      <path d={`${line}L${width} ${height}L0 ${height}Z`} fill="currentColor" opacity="0.12" />
      <path d={line} fill="none" stroke="currentColor" strokeWidth="1.25" strokeLinejoin="round" />
    </svg>
  )
}

/** Delivered and failed as bars, one beside the other. */
export function OutcomeBars({
  bars,
  label,
}: {
  readonly bars: readonly { readonly success: number; readonly failed: number }[]
  readonly label: string
}) {
  const [width, height] = [88, 20]
  const most = Math.max(1, ...bars.map(({ success, failed }) => success + failed))
  const step = width / Math.max(1, bars.length)
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${width} ${height}`} className="block h-5 w-22">
      {bars.map(({ success, failed }, index) => {
        const good = (success / most) * height
        const bad = (failed / most) * height
        const x = index * step
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: bars stay in their order
          <g key={index}>
            <rect
              x={x}
              y={height - good}
              width={Math.max(1, step - 1)}
              height={good}
              className="fill-good"
              opacity="0.75"
            />
            <rect
              x={x}
              y={height - good - bad}
              width={Math.max(1, step - 1)}
              height={bad}
              className="fill-bad"
            />
          </g>
        )
      })}
      <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} className="stroke-line" />
    </svg>
  )
}
