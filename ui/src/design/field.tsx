import {
  createContext,
  type InputHTMLAttributes,
  type ReactNode,
  type Ref,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useContext,
  useId,
} from 'react'
import { cx } from './cx.ts'

interface FieldIds {
  readonly id: string
  readonly describedBy: string | undefined
  readonly invalid: boolean
}

const FieldContext = createContext<FieldIds | undefined>(undefined)

/** A control with its label, a hint, and what is wrong with it, in place. */
export function Field({
  label,
  hint,
  error,
  optional,
  children,
  className,
}: {
  readonly label: ReactNode
  readonly hint?: ReactNode
  readonly error?: string | undefined
  readonly optional?: boolean
  readonly children: ReactNode
  readonly className?: string
}) {
  const id = useId()
  const describedBy = error ? `${id}-error` : hint ? `${id}-hint` : undefined
  return (
    <FieldContext value={{ id, describedBy, invalid: error !== undefined }}>
      <div className={cx('min-w-0', className)}>
        <label htmlFor={id} className="mb-1 flex items-baseline gap-2 text-sm font-medium">
          {label}
          {optional && <span className="text-xs font-normal text-ink-3">optional</span>}
        </label>
        {children}
        {error ? (
          <p id={`${id}-error`} role="alert" className="mt-1 text-xs text-bad">
            {error}
          </p>
        ) : (
          hint && (
            <p id={`${id}-hint`} className="mt-1 text-xs text-ink-3">
              {hint}
            </p>
          )
        )}
      </div>
    </FieldContext>
  )
}

/** What ties a control to its field. */
function useField(): {
  id: string | undefined
  'aria-describedby': string | undefined
  'aria-invalid': true | undefined
} {
  const field = useContext(FieldContext)
  return {
    id: field?.id,
    'aria-describedby': field?.describedBy,
    'aria-invalid': field?.invalid || undefined,
  }
}

const control =
  'w-full min-w-0 rounded-control border border-control bg-surface text-sm text-ink transition-colors hover:border-ink-3 disabled:opacity-60 aria-invalid:border-bad'

export function Input({
  className,
  ...rest
}: InputHTMLAttributes<HTMLInputElement> & { readonly ref?: Ref<HTMLInputElement> }) {
  return (
    <input
      autoComplete="off"
      spellCheck={false}
      {...useField()}
      {...rest}
      className={cx(control, 'h-8 px-2.5', className)}
    />
  )
}

export function Textarea({
  className,
  ...rest
}: TextareaHTMLAttributes<HTMLTextAreaElement> & { readonly ref?: Ref<HTMLTextAreaElement> }) {
  return (
    <textarea
      spellCheck={false}
      {...useField()}
      {...rest}
      className={cx(control, 'min-h-24 px-2.5 py-1.5 font-mono text-xs leading-5', className)}
    />
  )
}

export function Select({ className, children, ...rest }: SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <select {...useField()} {...rest} className={cx(control, 'h-8 px-2', className)}>
      {children}
    </select>
  )
}

/** Yes or no, with its words beside it. */
export function Checkbox({
  children,
  hint,
  ...rest
}: InputHTMLAttributes<HTMLInputElement> & { readonly children: ReactNode; readonly hint?: ReactNode }) {
  const id = useId()
  return (
    <div className="flex items-start gap-2">
      <input
        type="checkbox"
        {...rest}
        id={id}
        className="mt-0.5 h-4 w-4 shrink-0 accent-[var(--accent-fill)]"
      />
      <label htmlFor={id} className="text-sm">
        {children}
        {hint && <span className="block text-xs text-ink-3">{hint}</span>}
      </label>
    </div>
  )
}

/** One of a few, side by side. */
export function Segmented<Value extends string>({
  label,
  value,
  options,
  onChange,
}: {
  readonly label: string
  readonly value: Value
  readonly options: readonly { readonly value: Value; readonly label: ReactNode; readonly name?: string }[]
  readonly onChange: (value: Value) => void
}) {
  return (
    <fieldset className="inline-flex rounded-control border border-line bg-sunken p-0.5">
      <legend className="only-spoken">{label}</legend>
      {options.map(option => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          aria-label={option.name}
          onClick={() => onChange(option.value)}
          className={cx(
            'h-6 rounded px-2 text-xs font-medium transition-colors',
            option.value === value
              ? 'bg-surface text-ink shadow-sm ring-1 ring-line'
              : 'text-ink-2 hover:text-ink',
          )}
        >
          {option.label}
        </button>
      ))}
    </fieldset>
  )
}
