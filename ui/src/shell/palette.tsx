import { useNavigate } from '@tanstack/react-router'
import { CornerDownLeft, Hash, Moon, Plus, Send, Sun, Webhook } from 'lucide-react'
import { Dialog as Radix } from 'radix-ui'
import { type KeyboardEvent, type ReactNode, useId, useState } from 'react'
import { useRead } from '../api/queries.ts'
import type { Me } from '../api/schema.ts'
import { can } from '../api/session.ts'
import { cx } from '../design/cx.ts'
import { Kbd } from '../design/kbd.tsx'
import { useTenant } from './me.ts'
import { places } from './navigation.ts'
import { setPreferences } from './preferences.ts'

interface Command {
  readonly id: string
  readonly label: string
  readonly hint?: string
  readonly keys?: string
  readonly icon: ReactNode
  readonly run: () => void
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Pages, subscriptions, ids and actions, by their names. */
export function Palette({ me, onClose }: { readonly me: Me; readonly onClose: () => void }) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const listId = useId()
  const commands = useCommands(me, text.trim())
  const run = (command: Command | undefined) => {
    if (command === undefined) return
    onClose()
    command.run()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') run(commands[at])
    else if (event.key === 'ArrowDown') setAt((at + 1) % Math.max(1, commands.length))
    else if (event.key === 'ArrowUp') setAt((at + commands.length - 1) % Math.max(1, commands.length))
    else return
    event.preventDefault()
  }
  return (
    <Radix.Root open onOpenChange={open => !open && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-scrim" />
        <Radix.Content
          aria-describedby={undefined}
          className="appear fixed inset-x-3 top-[12vh] z-50 mx-auto max-w-xl overflow-hidden rounded-card border bg-surface shadow-float"
        >
          <Radix.Title className="only-spoken">Search and commands</Radix.Title>
          <input
            role="combobox"
            aria-label="Search"
            aria-expanded="true"
            aria-controls={listId}
            aria-activedescendant={commands.length > 0 ? `${listId}-${at}` : undefined}
            value={text}
            spellCheck={false}
            autoComplete="off"
            placeholder="Go to a page, a subscription, or paste an id"
            onChange={event => {
              setText(event.target.value)
              setAt(0)
            }}
            onKeyDown={onKeyDown}
            className="h-12 w-full border-b bg-transparent px-4 text-base outline-none"
          />
          <div id={listId} role="listbox" aria-label="Results" className="max-h-[50vh] overflow-y-auto p-1.5">
            {commands.map((command, index) => (
              // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the text field, which names the chosen option
              // biome-ignore lint/a11y/useKeyWithClickEvents: as above
              <div
                key={command.id}
                id={`${listId}-${index}`}
                ref={index === at ? element => element?.scrollIntoView({ block: 'nearest' }) : undefined}
                role="option"
                aria-selected={index === at}
                onMouseMove={() => setAt(index)}
                onClick={() => run(command)}
                className={cx(
                  'flex h-9 cursor-pointer items-center gap-3 rounded-control px-2.5 text-sm [&>svg]:h-4 [&>svg]:w-4 [&>svg]:shrink-0 [&>svg]:text-ink-3',
                  index === at && 'bg-hover',
                )}
              >
                {command.icon}
                <span className="truncate">{command.label}</span>
                {command.hint && <span className="truncate text-xs text-ink-3">{command.hint}</span>}
                <span className="ml-auto shrink-0">
                  {command.keys ? (
                    <Kbd keys={command.keys} />
                  ) : (
                    index === at && <CornerDownLeft aria-hidden="true" className="h-3.5 w-3.5 text-ink-3" />
                  )}
                </span>
              </div>
            ))}
            {commands.length === 0 && (
              <p className="px-3 py-6 text-center text-sm text-ink-3">Nothing by that name.</p>
            )}
          </div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

function useCommands(me: Me, text: string): readonly Command[] {
  const navigate = useNavigate()
  const tenant = useTenant()
  const mayRead = can(me, 'read')
  const subscriptions = useRead('listSubscriptions', { query: { limit: 250, tenant } }, { enabled: mayRead })
  const word = text.toLowerCase()
  const fits = (...parts: readonly (string | null | undefined)[]) =>
    parts.some(part => part?.toLowerCase().includes(word))
  const dark = document.documentElement.dataset.theme === 'dark'
  const byId: readonly Command[] = uuid.test(text)
    ? [
        {
          id: 'event',
          label: `Event ${text}`,
          icon: <Hash />,
          run: () => void navigate({ to: '/events/$id', params: { id: text } }),
        },
        {
          id: 'attempt',
          label: `Attempt ${text}`,
          icon: <Hash />,
          run: () => void navigate({ to: '/attempts/$id', params: { id: text } }),
        },
      ]
    : []
  const pages = places
    .filter(place => can(me, place.need) && fits(place.label))
    .map(({ to, label, key, icon: Icon }) => ({
      id: to,
      label,
      keys: `g ${key}`,
      icon: <Icon />,
      run: () => void navigate({ to }),
    }))
  const actions: readonly Command[] = [
    ...(can(me, 'write')
      ? [
          {
            id: 'new',
            label: 'New subscription',
            icon: <Plus />,
            run: () => void navigate({ to: '/subscriptions/new' }),
          },
        ]
      : []),
    ...(can(me, 'publish')
      ? [{ id: 'send', label: 'Send an event', icon: <Send />, run: () => void navigate({ to: '/send' }) }]
      : []),
    {
      id: 'theme',
      label: dark ? 'Light theme' : 'Dark theme',
      icon: dark ? <Sun /> : <Moon />,
      run: () => setPreferences({ theme: dark ? 'light' : 'dark' }),
    },
  ].filter(({ label }) => fits(label))
  const found = (subscriptions.data ?? [])
    .filter(({ id, uid, target_url: url, description }) => fits(String(id), uid, url, description))
    .slice(0, word === '' ? 5 : 20)
    .map(({ id, target_url: url, description }) => ({
      id: `subscription-${id}`,
      label: `#${id} ${description ?? url}`,
      hint: description ? url : '',
      icon: <Webhook />,
      run: () => void navigate({ to: '/subscriptions/$id', params: { id: String(id) } }),
    }))
  return [...byId, ...(word === '' ? [...pages, ...actions, ...found] : [...pages, ...actions, ...found])]
}
