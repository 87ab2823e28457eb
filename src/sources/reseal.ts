import type { Queryable } from '../platform/postgres.ts'
import type { Sealer } from '../platform/seal.ts'
import { sourceSealContext } from './known-sources.ts'
import { lockSealedOtherwise, updateSealed } from './store.ts'

const batchRows = 500

/**
 * Seals addresses and secrets of all sources with the newest key: some thousands at most. One that cannot be opened makes it
 * fail, so that its key is not forgotten.
 *
 * @throws Error that names the source
 */
export async function resealSources(tx: Queryable, seal: Sealer): Promise<void> {
  const [newest = ''] = seal.keyIds
  for (let after: number | undefined = 0; after !== undefined; ) {
    const rows: Awaited<ReturnType<typeof lockSealedOtherwise>> = await lockSealedOtherwise(
      tx,
      `v1:${newest}:`,
      after,
      batchRows,
    )
    for (const row of rows) await updateSealed(tx, resealed(seal, row))
    after = rows.length < batchRows ? undefined : rows.at(-1)?.id
  }
}

type Sealed = Parameters<typeof updateSealed>[1]

function resealed(seal: Sealer, { id, token, secrets }: Sealed): Sealed {
  const again = (sealed: string, context: string) => seal.seal(seal.open(sealed, context), context)
  try {
    return {
      id,
      token: again(token, sourceSealContext.token(id)),
      secrets: secrets.map(secret => ({
        ...secret,
        sealed: again(secret.sealed, sourceSealContext.secret(id)),
      })),
    }
  } catch (cause) {
    throw new Error(`Source ${id} cannot be opened. Delete it, or keep the key that sealed it.`, { cause })
  }
}
