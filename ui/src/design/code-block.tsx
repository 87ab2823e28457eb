import { type ReactNode, useState } from 'react'
import { CopyButton } from './copy.tsx'
import { cx } from './cx.ts'
import { Segmented } from './field.tsx'

/** Text of machines, to read and to copy. */
export function CodeBlock({
  code,
  title,
  wrap: wrapFirst = true,
  maxHeight = 'max-h-96',
}: {
  readonly code: string
  readonly title?: ReactNode
  readonly wrap?: boolean
  readonly maxHeight?: string
}) {
  const [wrap, setWrap] = useState(wrapFirst)
  return (
    <div className="overflow-hidden rounded-card border bg-sunken">
      <div className="flex h-8 items-center gap-2 border-b pr-1 pl-3 text-xs text-ink-2">
        <span className="min-w-0 grow truncate">{title}</span>
        <button
          type="button"
          aria-pressed={wrap}
          onClick={() => setWrap(!wrap)}
          className="rounded px-1 hover:text-ink"
        >
          {wrap ? 'no wrap' : 'wrap'}
        </button>
        <CopyButton text={code} />
      </div>
      <pre
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
        tabIndex={0}
        className={cx(
          'overflow-auto px-3 py-2 font-mono text-xs leading-5 -outline-offset-2',
          maxHeight,
          wrap && 'break-words whitespace-pre-wrap [overflow-wrap:anywhere]',
        )}
      >
        {code}
      </pre>
    </div>
  )
}

/** The same in several languages. */
export function CodeSamples({
  samples,
}: {
  readonly samples: readonly { readonly name: string; readonly code: string }[]
}) {
  const [name, setName] = useState(samples[0]?.name ?? '')
  const shown = samples.find(sample => sample.name === name) ?? samples[0]
  return (
    <div className="space-y-2">
      <div className="overflow-x-auto">
        <Segmented
          label="Language"
          value={name}
          options={samples.map(sample => ({ value: sample.name, label: sample.name }))}
          onChange={setName}
        />
      </div>
      {shown && <CodeBlock code={shown.code} title={shown.name} wrap={false} />}
    </div>
  )
}
