import { parseArgs } from 'node:util'

export type PathArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'mistake'; readonly sentence: string }
  | { readonly kind: 'path'; readonly path: string; readonly flag: boolean }

/** Reads arguments that are one path, and perhaps one option without a value. */
export function readPathArguments(args: readonly string[], flag: string): PathArguments {
  if (args.some(argument => ['--help', '-h', 'help'].includes(argument))) return { kind: 'help' }
  try {
    const options = { [flag]: { type: 'boolean' } } as const
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    const [path, ...others] = positionals
    if (path === undefined || others.length > 0) return { kind: 'mistake', sentence: 'It takes one path.' }
    return { kind: 'path', path, flag: values[flag] === true }
  } catch (error) {
    // The first sentence of the error of `parseArgs` names the argument.
    const message = error instanceof Error ? error.message : String(error)
    return { kind: 'mistake', sentence: `${message.split(/\.\s|\n/, 1)[0]}.` }
  }
}
