import { useState } from 'react'
import { useChange, useRead } from '../api/queries.ts'
import { StateBadge, Tag } from '../design/badge.tsx'
import { Button } from '../design/button.tsx'
import { Field, Select } from '../design/field.tsx'
import { ErrorState } from '../design/states.tsx'
import { relativeTime } from '../design/time.tsx'
import { useTenant } from '../shell/me.ts'

/** Tries a filter on an event that was really sent: whether it fits, and clause by clause why. */
export function FilterTester({ filter }: { readonly filter: string }) {
  const tenant = useTenant()
  const [id, setId] = useState('')
  const events = useRead('listEvents', { query: { tenant, limit: 20 } })
  const test = useChange('testFilter', { quiet: true })
  const parsed = parse(filter)
  const rows = events.data ?? []
  const chosen = id || (rows[0]?.webhook_id ?? '')
  if (rows.length === 0)
    return (
      <p className="text-xs text-ink-3">
        Once there are events, the filter can be tried on one of them here.
      </p>
    )
  return (
    <div className="space-y-3 rounded-card border bg-sunken p-3">
      <div className="flex flex-wrap items-end gap-2">
        <Field label="Try it on a recent event" className="grow">
          <Select value={chosen} onChange={event => setId(event.target.value)}>
            {rows.map(({ webhook_id: webhookId, event_type: type, created_at: at }) => (
              <option key={webhookId} value={webhookId}>
                {type ?? 'no type'} · {relativeTime(Date.parse(at) - Date.now())} · …{webhookId.slice(-6)}
              </option>
            ))}
          </Select>
        </Field>
        <Button
          disabled={parsed === undefined}
          busy={test.isPending}
          onClick={() => parsed && test.mutate({ body: { filter: parsed, webhook_id: chosen } })}
        >
          Try
        </Button>
      </div>
      {parsed === undefined && <p className="text-xs text-bad">The filter is no JSON yet.</p>}
      {test.isError && <ErrorState error={test.error} />}
      {test.data && (
        <div className="space-y-2 text-sm">
          {test.data.matches ? (
            <StateBadge state="success" word="the event fits" />
          ) : (
            <StateBadge state="failed" word="the event does not fit" />
          )}
          <ul className="space-y-1">
            {test.data.why.map(({ pointer, clause, value, holds }) => (
              <li key={`${pointer} ${clause}`} className="flex flex-wrap items-baseline gap-2 text-xs">
                <span className={holds ? 'text-good' : 'text-bad'}>{holds ? '● holds' : '✕ does not'}</span>
                <Tag>{`${pointer} ${clause}`}</Tag>
                <span className="text-ink-3">
                  the event has {value === undefined ? 'nothing there' : JSON.stringify(value)}
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  )
}

function parse(text: string): { [name: string]: unknown } | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
