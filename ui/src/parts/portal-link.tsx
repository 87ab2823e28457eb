import { type FormEvent, useState } from 'react'
import { useChange } from '../api/queries.ts'
import { useConfig } from '../api/session.ts'
import { Button } from '../design/button.tsx'
import { CodeBlock } from '../design/code-block.tsx'
import { Dialog } from '../design/dialog.tsx'
import { Checkbox, Field, Select } from '../design/field.tsx'
import { ErrorState, Notice } from '../design/states.tsx'
import { Time } from '../design/time.tsx'

/** Makes a link by which a customer sees what their tenant has, for a while. */
export function PortalLink({ tenant, onClose }: { readonly tenant: string; readonly onClose: () => void }) {
  const config = useConfig()
  const [seconds, setSeconds] = useState('3600')
  const [readOnly, setReadOnly] = useState(false)
  const make = useChange('createPortalToken', { quiet: true })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    make.mutate({ body: { tenant, expires_in_seconds: Number(seconds), read_only: readOnly } })
  }
  return (
    <Dialog
      open
      wide={make.data !== undefined}
      onClose={onClose}
      title={`Link to the page of ${tenant}`}
      description="Whoever has the link sees what this tenant has, and may change it, until it expires. It shows no keys and no secrets."
    >
      {make.data ? (
        <div className="space-y-3">
          <CodeBlock code={make.data.url} title="Copy it now: it is not shown again" />
          <p className="text-sm text-ink-2">
            It is valid until <Time at={make.data.expires_at} exact />.
          </p>
          <div className="flex justify-end">
            <Button look="primary" onClick={onClose}>
              Done
            </Button>
          </div>
        </div>
      ) : (
        <form onSubmit={submit} className="space-y-4">
          {config.data?.auth === 'none' && (
            <Notice kind="warn">
              This service asks for no keys, so whoever can reach it sees everything, with or without a link.
            </Notice>
          )}
          <Field label="Valid for">
            <Select value={seconds} onChange={event => setSeconds(event.target.value)}>
              <option value="3600">1 hour</option>
              <option value="28800">8 hours</option>
              <option value="86400">1 day</option>
              <option value="604800">7 days</option>
            </Select>
          </Field>
          <Checkbox checked={readOnly} onChange={event => setReadOnly(event.target.checked)}>
            May look only, and change nothing
          </Checkbox>
          {make.isError && <ErrorState error={make.error} />}
          <div className="flex justify-end gap-2">
            <Button onClick={onClose}>Cancel</Button>
            <Button type="submit" look="primary" busy={make.isPending}>
              Make the link
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  )
}
