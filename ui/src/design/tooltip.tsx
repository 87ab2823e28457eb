import { Tooltip as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { Kbd } from './kbd.tsx'

/** Around the whole app, once. */
export const TooltipProvider = Radix.Provider

/** A short text on hover and focus. Never the only place where something is said. */
export function Tooltip({
  text,
  keys,
  children,
}: {
  readonly text: ReactNode
  readonly keys?: string | undefined
  readonly children: ReactNode
}) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          sideOffset={6}
          collisionPadding={8}
          className="appear z-50 max-w-80 rounded-control bg-ink px-2 py-1 text-xs text-bg shadow-float"
        >
          <span className="flex items-center gap-2 break-words">
            {text}
            {keys && <Kbd keys={keys} inverted />}
          </span>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
