import { ApiProblem } from './problem.ts'
import { type Operations, operations } from './schema.ts'

export type OperationId = keyof Operations
export type Answer<Id extends OperationId> = Operations[Id]['answer']

/** What an operation takes; what it does not take is left out. */
export interface Input<Id extends OperationId> {
  readonly path?: Operations[Id]['path']
  readonly query?: Operations[Id]['query'] | Readonly<Record<string, unknown>>
  readonly body?: Operations[Id]['body']
  /** A body that is no JSON, with its type. */
  readonly raw?: { readonly body: BodyInit; readonly type: string }
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

/** Where the API is: one level above the page's own folder, which <base> names. */
export const apiRoot = new URL('..', document.baseURI)

/** The address of an operation, for links and for fetch. */
export function addressOf<Id extends OperationId>(id: Id, { path, query }: Input<Id> = {}): URL {
  const [, template] = operations[id]
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String((path as Record<string, unknown> | undefined)?.[name] ?? '')).replaceAll(
      '%3A',
      ':',
    ),
  )
  const url = new URL(filled.slice(1), apiRoot)
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, String(value))
  }
  return url
}

/** Sends one request. @throws ApiProblem for an answer that is no success */
async function send<Id extends OperationId>(id: Id, input: Input<Id>): Promise<Response> {
  const [method] = operations[id]
  const headers = new Headers({ accept: 'application/json', ...input.headers })
  let body: BodyInit | undefined
  if (input.raw !== undefined) {
    body = input.raw.body
    headers.set('content-type', input.raw.type)
  } else if (input.body !== undefined) {
    body = JSON.stringify(input.body)
    headers.set('content-type', 'application/json')
  }
  return fetchApi(addressOf(id, input), { method, headers, body, signal: input.signal })
}

/** `fetch` with what proves that it comes from this page. @throws ApiProblem for an answer that is no success */
export async function fetchApi(url: URL, { headers: given, ...init }: FetchInit): Promise<Response> {
  const headers = new Headers(given)
  headers.set('x-requested-by', 'dashboard')
  if (bearer !== undefined) headers.set('authorization', `Bearer ${bearer}`)
  const response = await fetch(url, {
    ...init,
    signal: init.signal ?? null,
    body: init.body ?? null,
    headers,
  })
  if (response.ok) return response
  throw new ApiProblem(response.status, await response.json().catch(() => undefined))
}

interface FetchInit extends Omit<RequestInit, 'signal' | 'body'> {
  readonly signal?: AbortSignal | undefined
  readonly body?: BodyInit | undefined
}

/**
 * The token of a tenant's own page: it comes behind # in the link, is kept in memory only, and is taken out of the address.
 */
const { bearer, theme } = readLink()

function readLink(): { readonly bearer?: string; readonly theme?: 'light' | 'dark' } {
  const token = /^#token=(whp_[\w-]+)$/.exec(location.hash)?.[1]
  if (token === undefined) return {}
  const asked = new URLSearchParams(location.search).get('theme')
  history.replaceState(null, '', new URL('./', document.baseURI))
  return { bearer: token, ...((asked === 'light' || asked === 'dark') && { theme: asked }) }
}

/** The theme of the page around a tenant's own page, where its link names it: `?theme=dark`. */
export const linkTheme = theme

/** Whether this is a tenant's own page, opened by its link. */
export const isPortal = bearer !== undefined

/** Carries out an operation. @throws ApiProblem */
export async function call<Id extends OperationId>(id: Id, input: Input<Id> = {}): Promise<Answer<Id>> {
  const response = await send(id, input)
  if (response.status === 204) return undefined as Answer<Id>
  return (await response.json()) as Answer<Id> // as openapi.json has it
}

/** The same of a list: one page, and where the next one begins. */
export async function callPage<Id extends OperationId>(
  id: Id,
  input: Input<Id> = {},
): Promise<Page<Row<Id>>> {
  const response = await send(id, input)
  const rows = (await response.json()) as Row<Id>[] // as openapi.json has it
  return { rows, next: response.headers.get('x-next-cursor') ?? undefined }
}

export interface Page<Item> {
  readonly rows: readonly Item[]
  readonly next: string | undefined
}

export type Row<Id extends OperationId> = Answer<Id> extends readonly (infer Item)[] ? Item : never
