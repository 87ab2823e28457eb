import { X } from 'lucide-react'
import { Dialog as Radix } from 'radix-ui'
import { type FormEvent, type ReactNode, useState } from 'react'
import { sentenceOf } from '../api/problem.ts'
import { Button } from './button.tsx'
import { cx } from './cx.ts'
import { Field, Input } from './field.tsx'
import { ErrorState } from './states.tsx'

export interface DialogProps {
  readonly open: boolean
  readonly onClose: () => void
  readonly title: string
  readonly description?: ReactNode
  readonly wide?: boolean
  readonly children?: ReactNode
}

/** Over the page; holds the focus and gives it back. */
export function Dialog({ open, onClose, title, description, wide, children }: DialogProps) {
  return (
    <Radix.Root open={open} onOpenChange={isOpen => !isOpen && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-scrim" />
        <Radix.Content
          {...(description === undefined && { 'aria-describedby': undefined })}
          className={cx(
            'appear fixed inset-x-3 top-[max(1rem,12vh)] z-50 mx-auto max-h-[80vh] overflow-y-auto rounded-card bg-surface p-5 shadow-float',
            wide ? 'max-w-2xl' : 'max-w-md',
          )}
        >
          <div className="mb-3 flex items-start justify-between gap-3">
            <Radix.Title className="text-lg font-semibold">{title}</Radix.Title>
            <Radix.Close asChild>
              {/* Without a tooltip: it has the focus when the dialog opens. */}
              <button
                type="button"
                aria-label="Close"
                className="-mt-0.5 -mr-1 grid h-7 w-7 shrink-0 place-items-center rounded-control text-ink-2 hover:bg-hover hover:text-ink"
              >
                <X className="h-4 w-4" />
              </button>
            </Radix.Close>
          </div>
          {description !== undefined && (
            <Radix.Description asChild>
              <div className="mb-4 text-sm text-ink-2">{description}</div>
            </Radix.Description>
          )}
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

/**
 * Asks before something is done: what will happen, to how many. `type` has to be typed for what cannot be taken back.
 */
export function ConfirmDialog({
  open,
  onClose,
  title,
  description,
  verb,
  danger,
  type,
  act,
  children,
}: DialogProps & {
  /** On the button: Discard, Replay 12 deliveries. */
  readonly verb: string
  readonly danger?: boolean
  readonly type?: string
  /** Rejects with what went wrong; then the dialog stays and says so. */
  readonly act: () => Promise<unknown>
}) {
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const close = () => {
    setTyped('')
    setError(undefined)
    onClose()
  }
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy || (type !== undefined && typed !== type)) return
    setBusy(true)
    setError(undefined)
    try {
      await act()
      close()
    } catch (problem) {
      setError(problem)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog open={open} onClose={close} title={title} description={description}>
      <form onSubmit={submit} className="space-y-4">
        {children}
        {type !== undefined && (
          <Field
            label={
              <span>
                Type <b className="font-semibold break-all">{type}</b> to go on
              </span>
            }
          >
            <Input value={typed} onChange={event => setTyped(event.target.value)} autoFocus />
          </Field>
        )}
        {error !== undefined && <ErrorState error={error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={close}>Cancel</Button>
          <Button
            type="submit"
            look={danger ? 'danger' : 'primary'}
            busy={busy}
            disabled={type !== undefined && typed !== type}
          >
            {verb}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

/** The errors of a 422, by the pointer of their field (`/target_url`). */
export function fieldErrors(error: unknown): (pointer: string) => string | undefined {
  const { errors } = sentenceOf(error)
  return pointer => errors.find(one => one.pointer === pointer)?.detail
}

/** The same of a place or anything within it, such as one of several headers; then with its name. */
export function fieldErrorsWithin(error: unknown): (pointer: string) => string | undefined {
  const { errors } = sentenceOf(error)
  return pointer => {
    const found = errors.find(one => one.pointer === pointer || one.pointer.startsWith(`${pointer}/`))
    if (found === undefined) return undefined
    const name = found.pointer
      .slice(pointer.length + 1)
      .replaceAll('~1', '/')
      .replaceAll('~0', '~')
    return name === '' || /^\d+$/.test(name) ? found.detail : `${name}: ${found.detail}`
  }
}
