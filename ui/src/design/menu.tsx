import { DropdownMenu as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { cx } from './cx.ts'

export interface MenuItem {
  readonly label: ReactNode
  readonly icon?: ReactNode
  readonly onSelect: () => void
  readonly danger?: boolean
  readonly disabled?: boolean
  /** One of several: whether it is the one. */
  readonly checked?: boolean
}

/** More that can be done, behind one button. `null` is a line between. */
export function Menu({
  trigger,
  items,
  align = 'end',
}: {
  readonly trigger: ReactNode
  readonly items: readonly (MenuItem | null)[]
  readonly align?: 'start' | 'end'
}) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className="appear z-50 max-h-[min(24rem,var(--radix-dropdown-menu-content-available-height))] min-w-44 overflow-y-auto rounded-card border bg-surface p-1 shadow-float"
        >
          {items.map((item, index) =>
            item === null ? (
              // biome-ignore lint/suspicious/noArrayIndexKey: a line has no name
              <Radix.Separator key={index} className="my-1 h-px bg-line" />
            ) : (
              <Radix.Item
                // biome-ignore lint/suspicious/noArrayIndexKey: the items of a menu stay in their order
                key={index}
                disabled={item.disabled ?? false}
                onSelect={item.onSelect}
                className={cx(
                  'flex cursor-pointer items-center gap-2 rounded px-2 py-1.5 text-sm outline-none data-[disabled]:opacity-50 data-[highlighted]:bg-hover [&>svg]:h-3.5 [&>svg]:w-3.5',
                  item.danger && 'text-bad',
                )}
              >
                {item.checked !== undefined && (
                  <span aria-hidden="true" className="w-3 text-accent">
                    {item.checked ? '✓' : ''}
                  </span>
                )}
                {item.icon}
                <span className="grow truncate">{item.label}</span>
                {item.checked && <span className="only-spoken">(chosen)</span>}
              </Radix.Item>
            ),
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
