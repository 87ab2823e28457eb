import { adviceOnLack } from '../egress/own-lack.ts'
import type { Troubles } from '../platform/troubles.ts'

/** What was postponed is tried again within seconds. When nothing was postponed for this long, the lack is over. */
const overAfterMs = 10_000

/**
 * Tells the operator what this process lacks to send deliveries, such as file descriptors or its proxy: as it begins, with
 * what to do, and as it ends, however many deliveries wait meanwhile.
 *
 * @param code what was lacking, as the error has it
 * @param quietMs replaced in tests
 */
export function tellPostponed(
  troubles: Troubles,
  code: string,
  error: string,
  quietMs: number = overAfterMs,
): void {
  troubles.occurred(
    {
      kind: 'resources',
      subject: code,
      level: 'warn',
      message: `deliveries wait, and no attempt is spent: ${adviceOnLack(code)}`,
      cause: error,
      over: 'deliveries go on',
      counts: 'postponed',
      fields: { error_code: code },
    },
    quietMs,
  )
}
