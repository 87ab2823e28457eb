import {
  Activity,
  AppWindow,
  ArchiveX,
  Building2,
  FlaskConical,
  Gauge,
  History,
  Inbox,
  KeyRound,
  type LucideIcon,
  Radio,
  RotateCcw,
  ScrollText,
  Send,
  Shapes,
  Webhook,
} from 'lucide-react'
import type { Need } from '../api/session.ts'

export interface Place {
  readonly to: string
  readonly label: string
  readonly icon: LucideIcon
  /** Who sees it. */
  readonly need: Need
  /** The key after `g`. */
  readonly key: string
  readonly group: 'work' | 'setup' | 'operate'
}

/** The navigation, in its order. */
export const places: readonly Place[] = [
  { to: '/', label: 'Overview', icon: Gauge, need: 'read', key: 'o', group: 'work' },
  { to: '/subscriptions', label: 'Subscriptions', icon: Webhook, need: 'read', key: 's', group: 'work' },
  { to: '/events', label: 'Events', icon: History, need: 'read', key: 'e', group: 'work' },
  { to: '/dead-letters', label: 'Dead letters', icon: ArchiveX, need: 'read', key: 'd', group: 'work' },
  { to: '/replays', label: 'Replays', icon: RotateCcw, need: 'read', key: 'r', group: 'work' },
  { to: '/live', label: 'Live', icon: Radio, need: 'read', key: 'l', group: 'work' },
  { to: '/send', label: 'Send', icon: Send, need: 'publish', key: 'n', group: 'setup' },
  {
    to: '/test-receivers',
    label: 'Test receivers',
    icon: FlaskConical,
    need: 'read',
    key: 'v',
    group: 'setup',
  },
  { to: '/sources', label: 'Sources', icon: Inbox, need: 'read', key: 'i', group: 'setup' },
  { to: '/event-types', label: 'Event types', icon: Shapes, need: 'read', key: 't', group: 'setup' },
  { to: '/customer-page', label: 'Customer page', icon: AppWindow, need: 'keys', key: 'p', group: 'setup' },
  { to: '/system', label: 'System', icon: Activity, need: 'read_all', key: 'y', group: 'operate' },
  { to: '/tenants', label: 'Tenants', icon: Building2, need: 'admin', key: 'c', group: 'operate' },
  { to: '/keys', label: 'API keys', icon: KeyRound, need: 'keys', key: 'k', group: 'operate' },
  { to: '/audit', label: 'Audit log', icon: ScrollText, need: 'read', key: 'a', group: 'operate' },
]
