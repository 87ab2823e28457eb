import { unknownSubscription, unknownUid } from '../http/parameters.ts'
import { defaultTenant, type Reach } from '../model/caller.ts'
import type { Queryable } from '../platform/postgres.ts'
import { readIdOfUid } from './store.ts'

/**
 * The id of a subscription within reach; of the default tenant, where that is all. It asks the database, for those who hold no
 * subscriptions in memory.
 *
 * @throws AppError not_found
 */
export async function idOfUid(db: Queryable, reach: Reach, uid: string): Promise<number> {
  const id = await readIdOfUid(db, reach.tenant ?? defaultTenant, uid)
  if (id === undefined) throw (reach.tenant === null ? unknownUid : unknownSubscription)(`uid:${uid}`)
  return id
}
