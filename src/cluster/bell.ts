/**
 * How the processes of an installation reach each other sooner than by looking into PostgreSQL. Nothing depends on it
 * but time: whatever it loses is found in PostgreSQL by the next look.
 */
export interface Bell {
  readonly name: 'postgres' | 'redis'
  /**
   * Tells the processes that deliver that their lanes hold something new. Returns at once; calls close to each other
   * are told once.
   */
  ring(): void
  /** How it is, for /readyz and /system; undefined when there is nothing that could be missing. */
  readonly state: string | undefined
}

/** The notice that lanes hold something new, told by processes that do not deliver. */
export const lanesNotice = { channel: 'lanes', parse: () => true } as const
