import type { Environment } from '../config/config.ts'

/** Where a command writes; replaced in tests. Each text is one line or several, without the last newline. */
export interface CommandIo {
  out(text: string): void
  err(text: string): void
  /** The settings' environment; the process's own unless given. */
  readonly environment?: Environment
}

/** Exit codes, the same for every command. */
export const exitCode = { ok: 0, failure: 1, usage: 2 } as const

/** A command: takes the arguments after its name. @returns the exit code */
export type Command = (args: readonly string[], io: CommandIo) => Promise<number>
