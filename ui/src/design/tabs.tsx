import { Tabs as Radix } from 'radix-ui'
import type { ReactNode } from 'react'

export interface Tab {
  readonly id: string
  readonly label: ReactNode
  readonly content: () => ReactNode
}

/** Tabs; which one is open belongs in the URL, so it is given from outside. */
export function Tabs({
  tabs,
  value,
  onChange,
}: {
  readonly tabs: readonly Tab[]
  readonly value: string
  readonly onChange: (id: string) => void
}) {
  const open = tabs.find(tab => tab.id === value) ?? tabs[0]
  return (
    <Radix.Root value={open?.id ?? ''} onValueChange={onChange} activationMode="manual">
      <Radix.List className="mb-5 flex gap-1 overflow-x-auto border-b [scrollbar-width:none]">
        {tabs.map(tab => (
          <Radix.Trigger
            key={tab.id}
            value={tab.id}
            className="-mb-px border-b-2 border-transparent px-2.5 py-2 sm:px-3 text-sm font-medium whitespace-nowrap text-ink-2 -outline-offset-2 transition-colors hover:text-ink data-[state=active]:border-accent data-[state=active]:text-ink"
          >
            {tab.label}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {open && <Radix.Content value={open.id}>{open.content()}</Radix.Content>}
    </Radix.Root>
  )
}
