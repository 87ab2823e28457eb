import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { ExternalLink } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { apiRoot } from '../../api/client.ts'
import { useChange, useRead } from '../../api/queries.ts'
import type { PortalToken } from '../../api/schema.ts'
import { useConfig } from '../../api/session.ts'
import { Button } from '../../design/button.tsx'
import { CodeBlock, CodeSamples } from '../../design/code-block.tsx'
import { Checkbox, Field, Segmented, Select } from '../../design/field.tsx'
import { Card, Page, Section } from '../../design/page.tsx'
import { ErrorState, Notice } from '../../design/states.tsx'
import { Time } from '../../design/time.tsx'
import { toast } from '../../design/toast.tsx'
import { useCaller } from '../../shell/me.ts'
import { places } from '../../shell/navigation.ts'
import { usePreferences } from '../../shell/preferences.ts'
import { Look } from './look.tsx'
import { frameSample, linkSamples } from './samples.ts'

const route = getRouteApi('/customer-page')

/** The pages that a customer can see. */
const shownTo = places.filter(({ need }) => ['read', 'publish', 'write'].includes(need))
const viewOf = (to: string) => (to === '/' ? 'overview' : to.slice(1))

interface Draft {
  readonly tenant: string
  readonly seconds: number
  readonly readOnly: boolean
  /** Null: all. */
  readonly views: readonly string[] | null
  readonly theme: 'system' | 'light' | 'dark'
}

/** How customers get a page of their own: try it, then link to it from your application, or show it inside. */
export function CustomerPage() {
  const me = useCaller()
  const config = useConfig()
  const chosen = usePreferences().tenant
  const { tenant: asked } = route.useSearch()
  const navigate = useNavigate({ from: '/customer-page' })
  const [draft, setDraft] = useState<Draft>({
    tenant: me.tenant ?? asked ?? (chosen || 'default'),
    ...{ seconds: 3600, readOnly: false, views: null, theme: 'system' },
  })
  const set = (change: Partial<Draft>) => {
    setDraft({ ...draft, ...change })
    if (change.tenant !== undefined) void navigate({ search: { tenant: change.tenant }, replace: true })
  }
  return (
    <Page
      title="Customer page"
      facts="A customer sees the subscriptions and deliveries of their own tenant, in this same dashboard, and nothing of others. You link to it, or show it inside your application."
    >
      {config.data?.auth === 'none' && (
        <div className="mb-5">
          <Notice kind="warn">
            This service asks for no keys, so whoever can reach it sees everything, with or without a link.
            Customers need a service with <code className="font-mono text-xs">AUTH=keys</code>.
          </Notice>
        </div>
      )}
      <div className="grid gap-x-6 narrow:grid-cols-2">
        <TryIt draft={draft} set={set} />
        <div className="min-w-0">
          <Section
            title="Link to it"
            hint="When a signed-in customer clicks, your server makes a link for their tenant and leads them there."
          >
            <CodeSamples samples={linkSamples({ root: apiRoot.href, ...draft })} />
          </Section>
          <Embed theme={draft.theme} />
          <Look tenant={draft.tenant} />
        </div>
      </div>
    </Page>
  )
}

function TryIt({ draft, set }: { readonly draft: Draft; readonly set: (change: Partial<Draft>) => void }) {
  const me = useCaller()
  const tenants = useRead('listTenants', { query: { limit: 250 } }, { enabled: me.tenant === null })
  const make = useChange('createPortalToken', { quiet: true })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const { tenant, seconds, readOnly, views } = draft
    make.mutate({
      body: { tenant, expires_in_seconds: seconds, read_only: readOnly, views: views && [...views] },
    })
  }
  const names = [
    ...new Set([draft.tenant, ...(tenants.data ?? []).map(({ id }) => id).filter(id => id !== 'system')]),
  ]
  return (
    <div className="min-w-0">
      <Section title="Try it">
        <Card>
          <form onSubmit={submit} className="space-y-4">
            <div className="grid gap-4 sm:grid-cols-2">
              <Field label="Tenant">
                <Select
                  value={draft.tenant}
                  disabled={me.tenant !== null}
                  onChange={event => set({ tenant: event.target.value })}
                >
                  {names.map(name => (
                    <option key={name}>{name}</option>
                  ))}
                </Select>
              </Field>
              <Field label="Valid for">
                <Select
                  value={draft.seconds}
                  onChange={event => set({ seconds: Number(event.target.value) })}
                >
                  <option value={900}>15 minutes</option>
                  <option value={3600}>1 hour</option>
                  <option value={28800}>8 hours</option>
                  <option value={86400}>1 day</option>
                  <option value={604800}>7 days</option>
                </Select>
              </Field>
            </div>
            <Checkbox
              checked={draft.readOnly}
              onChange={event => set({ readOnly: event.target.checked })}
              hint="No new subscription, no pause, no replay, no test"
            >
              May look only, and change nothing
            </Checkbox>
            <Views views={draft.views} set={views => set({ views })} />
            <div>
              <div className="mb-1 text-xs font-medium text-ink-2">Theme</div>
              <Segmented
                label="Theme"
                value={draft.theme}
                onChange={theme => set({ theme })}
                options={[
                  { value: 'system', label: 'As the system' },
                  { value: 'light', label: 'Light' },
                  { value: 'dark', label: 'Dark' },
                ]}
              />
            </div>
            {make.isError && <ErrorState error={make.error} />}
            <Button type="submit" look="primary" busy={make.isPending}>
              Make a link
            </Button>
          </form>
        </Card>
      </Section>
      {make.data && <Made key={make.data.id} token={make.data} theme={draft.theme} />}
    </div>
  )
}

function Views({
  views,
  set,
}: {
  readonly views: readonly string[] | null
  readonly set: (views: readonly string[] | null) => void
}) {
  const all = shownTo.map(({ to }) => viewOf(to))
  const toggle = (view: string) => {
    const now = views ?? all
    const next = now.includes(view)
      ? now.filter(one => one !== view)
      : all.filter(one => one === view || now.includes(one))
    if (next.length > 0) set(next.length === all.length ? null : next)
  }
  return (
    <fieldset>
      <legend className="mb-1 text-xs font-medium text-ink-2">
        Pages in its navigation{' '}
        <span className="font-normal text-ink-3">– no protection: it may read all its tenant has</span>
      </legend>
      <div className="grid grid-cols-2 gap-x-4 gap-y-1.5 sm:grid-cols-3">
        {shownTo.map(({ to, label }) => (
          <Checkbox
            key={to}
            checked={views === null || views.includes(viewOf(to))}
            onChange={() => toggle(viewOf(to))}
          >
            {label}
          </Checkbox>
        ))}
      </div>
    </fieldset>
  )
}

/** The link, and what a customer sees behind it. */
function Made({ token, theme }: { readonly token: PortalToken; readonly theme: Draft['theme'] }) {
  const revoke = useChange('revokePortalToken')
  const [isOver, setOver] = useState(false)
  const query = theme === 'system' ? '' : `?theme=${theme}`
  const link = token.url.replace('#', `${query}#`)
  // Of this origin, where the address that customers use may be another one.
  const here = new URL(`portal${query}#token=${token.token}`, document.baseURI).href
  const end = () =>
    revoke.mutate(
      { path: { id: token.id } },
      {
        onSuccess: () => {
          setOver(true)
          toast('The link has ended. Pages that are open notice with their next request.')
        },
      },
    )
  if (isOver) return null
  return (
    <Section
      title="The link"
      hint={
        <>
          Shown once. Valid until <Time at={token.expires_at} exact />
        </>
      }
      actions={
        <>
          <a
            href={here}
            target="_blank"
            rel="noreferrer"
            className="inline-flex h-7 items-center gap-1.5 rounded-control border border-control bg-surface px-2 text-xs font-medium hover:bg-hover"
          >
            <ExternalLink aria-hidden="true" className="h-3.5 w-3.5" /> Open
          </a>
          <Button size="sm" busy={revoke.isPending} onClick={end}>
            Withdraw
          </Button>
        </>
      }
    >
      <div className="space-y-3">
        <CodeBlock
          code={link}
          title="Whoever has it is that customer, until it expires"
          maxHeight="max-h-24"
        />
        <iframe
          key={here}
          src={here}
          title="What the customer sees"
          className="h-[32rem] w-full rounded-card border bg-bg"
        />
      </div>
    </Section>
  )
}

function Embed({ theme }: { readonly theme: string }) {
  const { data } = useConfig()
  const ancestors = data?.portal.frame_ancestors ?? []
  return (
    <Section
      title="Show it inside your application"
      hint="In a frame, from the origins that PORTAL_FRAME_ANCESTORS lists; browsers refuse all others."
    >
      <div className="space-y-3">
        <CodeBlock code={frameSample(theme)} title="HTML" wrap={false} />
        {ancestors.length === 0 ? (
          <Notice>
            No origin is listed yet. Start the service with{' '}
            <code className="font-mono text-xs">PORTAL_FRAME_ANCESTORS=https://app.example.com</code>.
          </Notice>
        ) : (
          <Notice kind="good">
            It may be shown by{' '}
            {ancestors.map(origin => (
              <code key={origin} className="mr-2 font-mono text-xs">
                {origin}
              </code>
            ))}
          </Notice>
        )}
      </div>
    </Section>
  )
}
