import { useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { Menu as MenuIcon, PanelLeft, Search, Webhook, X } from 'lucide-react'
import { Suspense, useEffect, useRef, useState } from 'react'
import { isPortal } from '../api/client.ts'
import { setEnded } from '../api/ended.ts'
import { keepFresh } from '../api/fresh.ts'
import { isStatus } from '../api/problem.ts'
import type { Me } from '../api/schema.ts'
import { can, useConfig, useMe } from '../api/session.ts'
import { Button, IconButton } from '../design/button.tsx'
import { cx } from '../design/cx.ts'
import { Kbd } from '../design/kbd.tsx'
import { late } from '../design/late.ts'
import { Spinner } from '../design/spinner.tsx'
import { EmptyState, ErrorState } from '../design/states.tsx'
import { Tooltip } from '../design/tooltip.tsx'
import { useBrand, useBrandColours } from './brand.ts'
import { rememberKeys, useKeys } from './keys.ts'
import { MeContext } from './me.ts'
import { type Place, places } from './navigation.ts'
import { OutdatedBar } from './outdated-bar.tsx'
import { setPreferences, usePreferences } from './preferences.ts'

// Menus come after the page, which is there sooner without their library.
const Choices = late(async () => (await import('./choices.tsx')).Choices)
const TenantSwitch = late(async () => (await import('./tenant-switch.tsx')).TenantSwitch)
const Palette = late(async () => (await import('./palette.tsx')).Palette)
const KeyHelp = late(async () => (await import('./key-help.tsx')).KeyHelp)
const SignIn = late(async () => (await import('./sign-in.tsx')).SignIn)
const SignInAgain = late(async () => (await import('./sign-in-again.tsx')).SignInAgain)

/**
 * Who is there? Then the frame with the page in it, or the door. When a session ends the page stays as it is behind the door,
 * with all that was typed into it.
 */
export function Root() {
  useBrandColours()
  const me = useMe()
  const ended = me.data !== undefined && isStatus(me.error, 401)
  useEffect(() => setEnded(ended), [ended])
  const isAnother = useIsAnother(me.data)
  useEffect(() => {
    if (isAnother) location.reload()
  }, [isAnother])
  if (me.isPending || isAnother) return <Waiting />
  if (me.data === undefined) {
    if (!isStatus(me.error, 401)) {
      return (
        <main className="mx-auto max-w-lg p-8">
          <ErrorState error={me.error} retry={() => void me.refetch()} />
        </main>
      )
    }
    return <Suspense fallback={<Waiting />}>{isPortal ? <LinkEnded /> : <SignIn />}</Suspense>
  }
  if (ended && isPortal) return <LinkEnded />
  return (
    <MeContext value={me.data}>
      <Frame me={me.data} ended={ended} />
      <Suspense fallback={<div className="fixed inset-0 z-[80] bg-bg" />}>
        {ended && <SignInAgain />}
      </Suspense>
    </MeContext>
  )
}

/**
 * Whether somebody who sees other things is there than when the page was opened, by signing in again here or in another
 * window: then it begins anew, so that nobody finds what another one has read or typed.
 */
function useIsAnother(me: Me | undefined): boolean {
  const reach = me && `${me.scope} ${me.tenant}`
  const opened = useRef(reach)
  if (reach === undefined || opened.current === undefined) opened.current = reach
  return reach !== opened.current
}

function LinkEnded() {
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <EmptyState title="This link has ended">
        It was valid for a while only, or was withdrawn. Ask whoever sent it for a new one.
      </EmptyState>
    </main>
  )
}

function Waiting() {
  return (
    <main className="grid min-h-dvh place-items-center text-ink-3" aria-busy="true">
      <Spinner />
    </main>
  )
}

/** A portal token may name the pages that its page shows. */
function isOfViews({ views }: Me, { to }: Place): boolean {
  return views == null || views.includes(to === '/' ? 'overview' : to.slice(1))
}

type Overlay = 'palette' | 'help' | undefined

function Frame({ me, ended }: { readonly me: Me; readonly ended: boolean }) {
  const navigate = useNavigate()
  const { sidebar, tenant: chosenTenant } = usePreferences()
  const [overlay, setOverlay] = useState<Overlay>()
  const [sheet, setSheet] = useState(false)
  // The bar has to be there before the page writes its name into it.
  const [isThere, setThere] = useState(false)
  useEffect(() => setThere(true), [])
  useEffect(rememberKeys, [])
  const client = useQueryClient()
  const tenant = me.tenant ?? (chosenTenant || undefined)
  const listens = can(me, 'read') && !ended
  useEffect(() => (listens ? keepFresh(client, tenant) : undefined), [client, tenant, listens])
  const shown = places.filter(place => can(me, place.need) && isOfViews(me, place))
  useKeys({
    'mod+k': () => setOverlay(overlay === 'palette' ? undefined : 'palette'),
    '?': () => setOverlay('help'),
    '/': () => document.querySelector<HTMLInputElement>('[data-search]')?.focus(),
    ...Object.fromEntries(shown.map(place => [`g ${place.key}`, () => void navigate({ to: place.to })])),
  })
  const iconsOnly = sidebar === 'icons'
  return (
    <div className={cx('min-h-dvh', iconsOnly ? 'narrow:pl-14' : 'narrow:pl-56')}>
      <a
        href="#page"
        className="fixed top-1 left-1 z-50 -translate-y-16 rounded-control bg-accent-fill px-3 py-1.5 text-on-accent focus:translate-y-0"
      >
        Skip to the page
      </a>
      <aside
        className={cx(
          'fixed inset-y-0 left-0 z-30 flex-col border-r bg-bg narrow:flex',
          iconsOnly ? 'w-56 narrow:w-14' : 'w-56',
          sheet ? 'flex shadow-float' : 'hidden',
        )}
      >
        <SideBar
          shown={shown}
          iconsOnly={iconsOnly && !sheet}
          close={() => setSheet(false)}
          isSheet={sheet}
        />
      </aside>
      {sheet && (
        <button
          type="button"
          aria-label="Close the navigation"
          className="fixed inset-0 z-20 bg-scrim narrow:hidden"
          onClick={() => setSheet(false)}
        />
      )}
      <header className="sticky top-0 z-20 flex h-12 items-center gap-2 border-b bg-bg px-3 sm:px-6">
        <IconButton label="Navigation" className="narrow:hidden" onClick={() => setSheet(true)}>
          <MenuIcon className="h-4 w-4" />
        </IconButton>
        <div id="crumbs" className="min-w-0 grow" />
        <span className="hidden sm:block">
          <Button
            size="sm"
            className="text-ink-2"
            icon={<Search className="h-3.5 w-3.5" />}
            onClick={() => setOverlay('palette')}
          >
            Search <Kbd keys="mod+k" />
          </Button>
        </span>
        <IconButton label="Search" className="sm:hidden" onClick={() => setOverlay('palette')}>
          <Search className="h-4 w-4" />
        </IconButton>
        <Suspense fallback={<span className="w-16" />}>
          <Choices me={me} />
        </Suspense>
      </header>
      <OutdatedBar className="sticky top-12 z-20" />
      <main id="page" tabIndex={-1} className="outline-none">
        {isThere && <Outlet />}
      </main>
      <Suspense fallback={null}>
        {overlay === 'palette' && <Palette me={me} onClose={() => setOverlay(undefined)} />}
        {overlay === 'help' && <KeyHelp places={shown} onClose={() => setOverlay(undefined)} />}
      </Suspense>
    </div>
  )
}

function SideBar({
  shown,
  iconsOnly,
  isSheet,
  close,
}: {
  readonly shown: readonly Place[]
  readonly iconsOnly: boolean
  readonly isSheet: boolean
  readonly close: () => void
}) {
  const config = useConfig()
  const brand = useBrand()
  const groups = (['work', 'setup', 'operate'] as const)
    .map(group => shown.filter(place => place.group === group))
    .filter(group => group.length > 0)
  return (
    <>
      <div className="flex h-12 shrink-0 items-center gap-2 px-3.5">
        {brand.logo ? (
          <img src={brand.logo} alt="" className="h-6 max-w-28 shrink-0 object-contain" />
        ) : (
          <span className="grid h-6 w-6 shrink-0 place-items-center rounded-control bg-accent-fill text-on-accent">
            <Webhook aria-hidden="true" className="h-4 w-4" />
          </span>
        )}
        {!iconsOnly && <span className="grow truncate font-semibold">{brand.name}</span>}
        {isSheet && (
          <IconButton label="Close the navigation" onClick={close}>
            <X className="h-4 w-4" />
          </IconButton>
        )}
      </div>
      <Suspense fallback={null}>
        <TenantSwitch iconsOnly={iconsOnly} />
      </Suspense>
      <nav aria-label="Pages" className="grow overflow-y-auto px-2 pb-2">
        {groups.map((group, index) => (
          <ul key={group[0]?.group} className={cx('space-y-0.5 py-2', index > 0 && 'border-t')}>
            {group.map(place => (
              <li key={place.to}>
                <NavigationLink place={place} iconsOnly={iconsOnly} onClick={close} />
              </li>
            ))}
          </ul>
        ))}
      </nav>
      <div className="flex items-center justify-between gap-2 border-t px-3 py-2 text-xs text-ink-3">
        {!iconsOnly && <span className="truncate">{config.data && `v${config.data.version}`}</span>}
        <IconButton
          label={iconsOnly ? 'Show the names' : 'Icons only'}
          className="hidden narrow:inline-flex"
          onClick={() => setPreferences({ sidebar: iconsOnly ? 'open' : 'icons' })}
        >
          <PanelLeft className="h-4 w-4" />
        </IconButton>
      </div>
    </>
  )
}

function NavigationLink({
  place: { to, label, icon: Icon },
  iconsOnly,
  onClick,
}: {
  readonly place: Place
  readonly iconsOnly: boolean
  readonly onClick: () => void
}) {
  // An attempt is a part of an event.
  const isAttempt = useRouterState({ select: ({ location }) => location.pathname.startsWith('/attempts/') })
  const link = (
    <Link
      to={to}
      {...(isAttempt && to === '/events' && { 'data-part': true })}
      onClick={onClick}
      activeOptions={{ exact: to === '/', includeSearch: false }}
      aria-label={iconsOnly ? label : undefined}
      className="flex h-8 items-center gap-2.5 rounded-control px-2.5 text-sm text-ink-2 transition-colors hover:bg-hover hover:text-ink data-[part]:bg-selected data-[part]:text-ink"
      activeProps={{ className: 'bg-selected font-medium !text-ink' }}
    >
      <Icon aria-hidden="true" className="h-4 w-4 shrink-0" />
      {!iconsOnly && <span className="truncate">{label}</span>}
    </Link>
  )
  return iconsOnly ? <Tooltip text={label}>{link}</Tooltip> : link
}
