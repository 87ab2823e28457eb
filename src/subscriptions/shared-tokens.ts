import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { checkSealingKey, type Sealer } from '../platform/seal.ts'
import type { OAuthClient } from './auth.ts'
import {
  claimToken,
  dropTokensSealedOtherwise,
  giveUpToken,
  readToken,
  writeToken,
} from './shared-tokens-store.ts'

/** An access token in the clear. Times are Unix milliseconds. */
export interface AccessToken {
  readonly token: string
  readonly fetchedAt: number
  readonly expiresAt: number
}

/** How processes share access tokens. None of it rejects: without it each process has tokens of its own. */
export interface TokenShare {
  read(client: OAuthClient): Promise<AccessToken | undefined>
  /** Whether the caller is to fetch a token, and nobody else for `forMs`; true also where it cannot be found out. */
  claim(client: OAuthClient, forMs: number): Promise<boolean>
  write(client: OAuthClient, token: AccessToken): Promise<void>
  /** The caller has fetched none: others may try. */
  giveUp(client: OAuthClient): Promise<void>
}

const contextOf = ({ subscriptionId }: OAuthClient) => `subscription:${subscriptionId}:access_token`

/** Shares them by the table `oauth_tokens`, sealed. Those of a subscription that is not saved are shared with nobody. */
export class SharedTokens implements TokenShare {
  readonly #database: Database
  readonly #seal: Sealer
  readonly #logger: Logger

  constructor(deps: { readonly database: Database; readonly seal: Sealer; readonly logger: Logger }) {
    this.#database = deps.database
    this.#seal = deps.seal
    this.#logger = deps.logger
  }

  read(client: OAuthClient): Promise<AccessToken | undefined> {
    return this.#try(client, undefined, async id => {
      const row = await readToken(this.#database, id, client.fingerprint)
      if (row === undefined) return undefined
      const { token, fetchedAt, expiresAt } = row
      const times = { fetchedAt: fetchedAt.getTime(), expiresAt: expiresAt.getTime() }
      return { token: this.#seal.open(token, contextOf(client)), ...times }
    })
  }

  claim(client: OAuthClient, forMs: number): Promise<boolean> {
    return this.#try(client, true, id => claimToken(this.#database, id, client.fingerprint, forMs))
  }

  async write(client: OAuthClient, token: AccessToken): Promise<void> {
    await this.#try(client, undefined, id =>
      this.#database.transaction(async tx => {
        await checkSealingKey(tx, this.#seal)
        const sealed = { ...token, token: this.#seal.seal(token.token, contextOf(client)) }
        await writeToken(tx, id, client.fingerprint, sealed)
        return undefined
      }),
    )
  }

  async giveUp(client: OAuthClient): Promise<void> {
    await this.#try(client, undefined, async id => {
      await giveUpToken(this.#database, id, client.fingerprint)
      return undefined
    })
  }

  async #try<T>(
    { subscriptionId: id }: OAuthClient,
    otherwise: T,
    work: (id: number) => Promise<T>,
  ): Promise<T> {
    if (id === 0) return otherwise
    try {
      return await work(id)
    } catch (error) {
      this.#logger.warn(
        { err: error, subscription_id: id },
        'an access token is not shared with other processes',
      )
      return otherwise
    }
  }
}

/** Those that an older encryption key has sealed: they are fetched again. */
export function dropOldTokens(tx: Queryable, seal: Sealer): Promise<void> {
  return dropTokensSealedOtherwise(tx, `v1:${seal.keyIds[0] ?? ''}:`)
}
