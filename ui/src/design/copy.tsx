import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'
import { IconButton } from './button.tsx'
import { Tooltip } from './tooltip.tsx'

/** Whether something was copied in the last moment, and how to copy. */
export function useCopy(): readonly [copied: boolean, copy: (text: string) => void] {
  const [copied, setCopied] = useState(0)
  useEffect(() => {
    if (copied === 0) return
    const timer = setTimeout(() => setCopied(0), 1500)
    return () => clearTimeout(timer)
  }, [copied])
  return [copied > 0, text => void copyText(text).then(() => setCopied(Date.now()))]
}

/** The clipboard is only there on https and localhost; elsewhere the old way is left. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  const area = document.createElement('textarea')
  area.value = text
  area.style.position = 'fixed'
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}

export function CopyButton({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }) {
  const [copied, copy] = useCopy()
  return (
    <IconButton label={copied ? 'Copied' : label} onClick={() => copy(text)} className="h-6 w-6">
      {copied ? <Check className="h-3.5 w-3.5 text-good" /> : <Copy className="h-3.5 w-3.5" />}
    </IconButton>
  )
}

/** An id: shortened in the middle, whole on hover, copied with one click. */
export function Id({ id, whole }: { readonly id: string; readonly whole?: boolean }) {
  const [copied, copy] = useCopy()
  const short = whole || id.length <= 16 ? id : `${id.slice(0, 8)}…${id.slice(-4)}`
  return (
    <Tooltip text={copied ? 'Copied' : whole ? 'Copy' : `${id} · click to copy`}>
      <button
        type="button"
        onClick={event => {
          event.stopPropagation()
          event.preventDefault()
          copy(id)
        }}
        className="max-w-full truncate rounded font-mono text-xs text-ink-2 hover:text-ink hover:underline"
      >
        {short}
      </button>
    </Tooltip>
  )
}
