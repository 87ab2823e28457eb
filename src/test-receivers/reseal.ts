import type { Queryable } from '../platform/postgres.ts'
import type { Sealer } from '../platform/seal.ts'
import { lockSealedOtherwise, updateSealedSecret } from './store.ts'
import { receiverSealContext } from './test-receivers.ts'

/**
 * Seals the secrets of all receivers with the newest key: at most some hundreds. One that cannot be opened is forgotten, so
 * that it keeps no key in use: the receiver ends within days anyway.
 */
export async function resealReceivers(tx: Queryable, seal: Sealer): Promise<void> {
  const [newest = ''] = seal.keyIds
  for (const { id, signing_secret: sealed } of await lockSealedOtherwise(tx, `v1:${newest}:`)) {
    if (sealed !== null) await updateSealedSecret(tx, id, again(seal, sealed, receiverSealContext(id)))
  }
}

function again(seal: Sealer, sealed: string, context: string): string | null {
  try {
    return seal.seal(seal.open(sealed, context), context)
  } catch {
    return null
  }
}
