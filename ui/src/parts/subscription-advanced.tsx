import { fieldErrorsWithin } from '../design/dialog.tsx'
import { AuthPart } from './subscription-auth.tsx'
import type { Extras, FaultAt } from './subscription-extras.ts'
import type { ExtrasFault } from './subscription-extras-body.ts'
import { InboundPart } from './subscription-inbound.tsx'
import { FormatPart, SigningPart, TemplatesPart } from './subscription-message.tsx'

/** The settings that few subscriptions need, each part closed until it is asked for or something in it is wrong. */
export function AdvancedSettings({
  draft,
  set,
  error,
  fault,
  certificateEndsAt,
}: {
  readonly draft: Extras
  readonly set: (change: Partial<Extras>) => void
  /** What the service has answered. */
  readonly error: unknown
  /** What could not be sent. */
  readonly fault: ExtrasFault | undefined
  readonly certificateEndsAt: string | undefined
}) {
  const within = fieldErrorsWithin(error)
  const own = fault?.field === 'cloudevents' ? '/cloudevents/extensions' : `/${fault?.field}`
  const faultAt: FaultAt = pointer => {
    const isOwn = fault !== undefined && (own === pointer || own.startsWith(`${pointer}/`))
    return isOwn ? fault.detail : within(pointer)
  }
  const part = { draft, set, faultAt }
  return (
    <section aria-label="Advanced" className="rounded-card border bg-surface">
      <h2 className="border-b px-4 py-3 text-sm font-semibold">Advanced</h2>
      <FormatPart {...part} />
      <AuthPart {...part} certificateEndsAt={certificateEndsAt} />
      <TemplatesPart {...part} />
      <SigningPart {...part} />
      <InboundPart {...part} />
    </section>
  )
}
