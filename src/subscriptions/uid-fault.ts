import { AppError } from '../errors.ts'

/** An error of a statement; the caller's where it says that another subscription of the tenant has the uid. */
export function uidFault(error: unknown, uid: string | null): unknown {
  const constraint = error instanceof Error && 'constraint' in error ? error.constraint : undefined
  if (constraint !== 'subscriptions_uid') return error
  return new AppError(
    'uid_taken',
    `Another subscription of this tenant has the uid ${uid}. Give another one.`,
    {
      cause: error,
    },
  )
}
