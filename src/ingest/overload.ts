import { AppError } from '../errors.ts'

/**
 * The refusal of what cannot be made durable soon. When to come again differs from caller to caller, so that those
 * who were refused together do not come again together.
 */
export function overloaded(detail: string, random: () => number = Math.random): AppError {
  return new AppError('overloaded', detail, { retryAfterSeconds: 1 + Math.floor(random() * 3) })
}
