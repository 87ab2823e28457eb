/**
 * Headers of requests that let somebody in somewhere. Nobody is shown them, they are passed on to no receiver, and nobody may
 * ask what is in them: who may set a filter or an ordering key would else find out, a character at a time, what others send.
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
