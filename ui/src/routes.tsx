import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  lazyRouteComponent,
} from '@tanstack/react-router'
import { ButtonLink } from './design/button.tsx'
import { Page } from './design/page.tsx'
import { EmptyState, ErrorState } from './design/states.tsx'
import { texts } from './shell/search.ts'
import { Root } from './shell/shell.tsx'

// Every address of the dashboard. A screen is a folder of ./screens that is loaded when it is gone to; what it keeps in the
// query of its address is named here. Its place in the navigation is in ./shell/navigation.ts.

const root = createRootRoute({ component: Root, notFoundComponent: NotFound, errorComponent: Broken })

const overview = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: texts('window'),
  component: lazyRouteComponent(() => import('./screens/overview/overview.tsx'), 'Overview'),
})

const subscriptions = createRoute({
  getParentRoute: () => root,
  path: '/subscriptions',
  validateSearch: texts('state', 'q', 'event_type'),
  component: lazyRouteComponent(() => import('./screens/subscriptions/subscriptions.tsx'), 'Subscriptions'),
})

const newSubscription = createRoute({
  getParentRoute: () => root,
  path: '/subscriptions/new',
  validateSearch: texts('target_url', 'tenant'),
  component: lazyRouteComponent(() => import('./screens/subscriptions/new.tsx'), 'NewSubscription'),
})

const subscription = createRoute({
  getParentRoute: () => root,
  path: '/subscriptions/$id',
  validateSearch: texts('tab', 'status', 'window'),
  component: lazyRouteComponent(() => import('./screens/subscription/subscription.tsx'), 'Subscription'),
})

const events = createRoute({
  getParentRoute: () => root,
  path: '/events',
  validateSearch: texts(
    'status',
    'event_type',
    'subscription_id',
    'channel',
    'event_id',
    'idempotency_key',
    'since',
    'until',
    'q',
  ),
  component: lazyRouteComponent(() => import('./screens/events/events.tsx'), 'Events'),
})

const event = createRoute({
  getParentRoute: () => events,
  path: '$id',
  component: lazyRouteComponent(() => import('./screens/events/event.tsx'), 'EventPanel'),
})

const attempt = createRoute({
  getParentRoute: () => root,
  path: '/attempts/$id',
  component: lazyRouteComponent(() => import('./screens/attempt/attempt.tsx'), 'Attempt'),
})

const deadLetters = createRoute({
  getParentRoute: () => root,
  path: '/dead-letters',
  validateSearch: texts('subscription_id', 'error_class', 'since', 'until'),
  component: lazyRouteComponent(() => import('./screens/dead-letters/dead-letters.tsx'), 'DeadLetters'),
})

const replays = createRoute({
  getParentRoute: () => root,
  path: '/replays',
  validateSearch: texts('make', 'subscription_id', 'event_type', 'state', 'since', 'until'),
  component: lazyRouteComponent(() => import('./screens/replays/replays.tsx'), 'Replays'),
})

const send = createRoute({
  getParentRoute: () => root,
  path: '/send',
  validateSearch: texts('to', 'event_type'),
  component: lazyRouteComponent(() => import('./screens/send/send.tsx'), 'Send'),
})

const live = createRoute({
  getParentRoute: () => root,
  path: '/live',
  validateSearch: texts('kind', 'status', 'event_type', 'subscription_id'),
  component: lazyRouteComponent(() => import('./screens/live/live.tsx'), 'Live'),
})

const testReceivers = createRoute({
  getParentRoute: () => root,
  path: '/test-receivers',
  validateSearch: texts('id'),
  component: lazyRouteComponent(() => import('./screens/test-receivers/test-receivers.tsx'), 'TestReceivers'),
})

const sources = createRoute({
  getParentRoute: () => root,
  path: '/sources',
  validateSearch: texts('id', 'make'),
  component: lazyRouteComponent(() => import('./screens/sources/sources.tsx'), 'Sources'),
})

const eventTypes = createRoute({
  getParentRoute: () => root,
  path: '/event-types',
  validateSearch: texts('name'),
  component: lazyRouteComponent(() => import('./screens/event-types/event-types.tsx'), 'EventTypes'),
})

const system = createRoute({
  getParentRoute: () => root,
  path: '/system',
  component: lazyRouteComponent(() => import('./screens/system/system.tsx'), 'System'),
})

const tenants = createRoute({
  getParentRoute: () => root,
  path: '/tenants',
  validateSearch: texts('q'),
  component: lazyRouteComponent(() => import('./screens/tenants/tenants.tsx'), 'Tenants'),
})

const customerPage = createRoute({
  getParentRoute: () => root,
  path: '/customer-page',
  validateSearch: texts('tenant'),
  component: lazyRouteComponent(() => import('./screens/customer-page/customer-page.tsx'), 'CustomerPage'),
})

const keys = createRoute({
  getParentRoute: () => root,
  path: '/keys',
  component: lazyRouteComponent(() => import('./screens/keys/keys.tsx'), 'Keys'),
})

const audit = createRoute({
  getParentRoute: () => root,
  path: '/audit',
  validateSearch: texts('action', 'subject', 'actor', 'since', 'until'),
  component: lazyRouteComponent(() => import('./screens/audit/audit.tsx'), 'Audit'),
})

const routeTree = root.addChildren([
  overview,
  subscriptions,
  newSubscription,
  subscription,
  events.addChildren([event]),
  attempt,
  deadLetters,
  replays,
  live,
  send,
  testReceivers,
  sources,
  eventTypes,
  system,
  tenants,
  customerPage,
  keys,
  audit,
])

export const router = createRouter({
  routeTree,
  basepath: new URL(document.baseURI).pathname.replace(/\/$/, ''),
  scrollRestoration: true,
  defaultPreload: 'intent',
  // A query that a person reads and writes: every value is a text.
  parseSearch: text => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: search => {
    const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== '')
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
    return text === '' ? '' : `?${text.replaceAll('%3A', ':').replaceAll('%2C', ',')}`
  },
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}

function NotFound() {
  return (
    <Page title="There is no such page">
      <EmptyState title="There is nothing at this address" action={<ButtonLink to="/">Overview</ButtonLink>}>
        It may have been deleted, or the address was not copied whole.
      </EmptyState>
    </Page>
  )
}

function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <Page title="This page does not work">
      <ErrorState error={error} retry={reset} />
    </Page>
  )
}
