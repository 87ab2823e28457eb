/**
 * Headers of requests that let somebody in somewhere. Sources and test receivers show nobody what is in them, sources pass them
 * on to no receiver, and no filter may ask for them: who sets it would else find out, a character at a time, what others send.
 */
const names: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'x-api-key',
  'api-key',
  'x-auth-token',
  'x-gitlab-token',
])

/** @param name in lower case */
export function isCredentialHeader(name: string): boolean {
  return names.has(name)
}
