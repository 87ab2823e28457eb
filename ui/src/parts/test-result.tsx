import type { TestResult as Result } from '../api/schema.ts'
import { HttpStatus, StateBadge } from '../design/badge.tsx'
import { CodeBlock } from '../design/code-block.tsx'
import { Dialog } from '../design/dialog.tsx'
import { HeaderList } from '../design/key-value.tsx'
import { Section } from '../design/page.tsx'
import { ErrorState, SkeletonLines } from '../design/states.tsx'
import { Waterfall } from '../design/waterfall.tsx'
import { adviceOf } from './failure-words.ts'

/** What became of a test: one signed request, made at once, that is no event and is not tried again. */
export function TestDialog({
  test,
  onClose,
}: {
  readonly test: { readonly data: Result | undefined; readonly error: unknown; readonly isError: boolean }
  readonly onClose: () => void
}) {
  const { data } = test
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title="Test"
      description="One signed request, made now. It is no event, and is not tried again."
    >
      {test.isError ? (
        <ErrorState error={test.error} />
      ) : data === undefined ? (
        <SkeletonLines lines={5} />
      ) : (
        <div>
          <div className="mb-4 space-y-1 text-sm">
            <p className="flex items-center gap-2">
              <StateBadge
                state={data.delivered ? 'success' : 'failed'}
                word={data.delivered ? 'accepted' : 'not accepted'}
              />
              {data.response && <HttpStatus status={data.response.status} />}
              <span className="text-ink-3">{data.event_type}</span>
            </p>
            {data.hint && <p>{adviceOf(data.hint)}</p>}
            {data.error && <p className="font-mono text-xs break-all text-ink-2">{data.error}</p>}
          </div>
          <Section title="Where the time went">
            <Waterfall timings={data.timings} />
          </Section>
          {data.response && (
            <Section title="Answer">
              <div className="space-y-2">
                <HeaderList headers={data.response.headers} />
                {data.response.body !== '' && (
                  <CodeBlock code={data.response.body} title="Body" maxHeight="max-h-48" />
                )}
              </div>
            </Section>
          )}
          <Section title="Request">
            <div className="space-y-2">
              <HeaderList headers={data.request.headers} />
              <CodeBlock code={data.request.body} title="Body" maxHeight="max-h-48" />
            </div>
          </Section>
        </div>
      )}
    </Dialog>
  )
}
