import type { Config } from '../config/config.ts'
import type { Database } from '../platform/postgres.ts'
import { agreeOnKey, createSealer, loadEncryptionKeys, type Sealer } from '../platform/seal.ts'

/** The key ring of the settings, checked against the database. @throws StartupError when a key is missing */
export async function openSealer(database: Database, config: Config): Promise<Sealer> {
  const { encryptionKeys, dataDir } = config
  const sealer = createSealer(await loadEncryptionKeys({ fromConfig: encryptionKeys, dataDir }))
  await agreeOnKey(database, sealer)
  return sealer
}
