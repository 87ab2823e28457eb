import { type AppError, StartupError } from '../errors.ts'

/** The message of an error of `fetch` is "fetch failed"; the reason is its cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message
}

/** A refusal of the API as a command tells it: without the places in a body, which the command has not. */
export function refusedCommand(error: AppError): StartupError {
  const sentence = error.errors?.map(({ detail }) => detail).join(' ') ?? error.message
  return new StartupError(sentence, { cause: error })
}
