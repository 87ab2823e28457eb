import { deleteSomeExpungesOf, hasExpungesOf } from '../events/expunges.ts'
import { cancelSomeOf, hasLanesLeftBy, subscriptionLanes } from '../lanes/subscription-lanes.ts'
import { isCarried } from '../log/retention.ts'
import { deleteSomeReplaysOf, hasReplaysOf } from '../replay/of-tenant.ts'
import { deleteSomeSourcesOf } from '../sources/of-tenant.ts'
import { deleteSomeStatsOf, hasStatsOf } from '../stats/of-tenant.ts'
import { deleteSomeOf, hasSubscriptions, leftTombstones } from '../subscriptions/of-tenant.ts'
import type { Belongings } from '../tenants/removal.ts'
import { deleteSomeTestReceiversOf } from '../test-receivers/of-tenant.ts'

/**
 * All that tenants have, in the order in which it is removed when one is deleted. A table that says whose its rows are has
 * to be here: test/service/belongings.test.ts looks at all of them.
 */
export const belongings: readonly Belongings[] = [
  {
    what: 'subscriptions',
    tables: ['subscriptions'],
    remove: (session, tenant, _after, limit) => deleteSomeOf(session, subscriptionLanes, tenant, limit),
    isGone: async (session, tenant) => !(await hasSubscriptions(session, tenant)),
  },
  {
    what: 'owed deliveries',
    tables: ['subscription_tombstones'],
    remove: cancelSomeOf,
    isGone: async (session, tenant) => !(await hasLanesLeftBy(session, tenant)),
    // They are what makes a row of the log the tenant's.
    isNamed: leftTombstones,
  },
  {
    what: 'replays',
    tables: ['replays'],
    remove: (session, tenant, _after, limit) => deleteSomeReplaysOf(session, tenant, limit),
    isGone: async (session, tenant) => !(await hasReplaysOf(session, tenant)),
  },
  {
    what: 'roll-ups',
    tables: ['tenant_stats'],
    remove: (session, tenant, _after, limit) => deleteSomeStatsOf(session, tenant, limit),
    isGone: async (session, tenant) => !(await hasStatsOf(session, tenant)),
  },
  {
    what: 'expungings',
    tables: ['expunges'],
    remove: (session, tenant, _after, limit) => deleteSomeExpungesOf(session, tenant, limit),
    isGone: async (session, tenant) => !(await hasExpungesOf(session, tenant)),
  },
  {
    what: 'test receivers',
    tables: ['test_receivers'],
    remove: (session, tenant, _after, limit) => deleteSomeTestReceiversOf(session, tenant, limit),
  },
  {
    what: 'sources',
    tables: ['sources'],
    remove: (session, tenant, _after, limit) => deleteSomeSourcesOf(session, tenant, limit),
  },
  // They go with the row of the tenant (`on delete cascade`).
  { what: 'event types', tables: ['event_types'] },
  // A tenant is shown what was written since it was made (`listEntries`), so what was done for a former one is not.
  { what: 'audit log', tables: ['audit_log'] },
  // Events go with their partitions; `freeTenantIds` waits for that.
  { what: 'events', tables: ['events', 'events_carried'], isNamed: isCarried },
  // They went in the transaction that deleted the tenant.
  { what: 'keys and portal tokens', tables: ['api_keys', 'portal_tokens'] },
]
