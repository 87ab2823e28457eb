import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError, errorCodes } from '../errors.ts'
import { page, pagePolicy } from './html-page.ts'

interface About {
  readonly version: string
  /** Begins the links of the page at `/`. */
  readonly basePath: string
  /** Undefined: there is none to lead to. */
  readonly dashboard: object | undefined
}

/** The page at `/`, and one page for each error code, to which `type` in a problem leads. */
export function registerPages(scope: FastifyInstance, about: About): void {
  const { version, basePath, dashboard } = about
  const start = startPage(about).split(printedOrigin)
  const pagesOfErrors = errorPages(basePath)
  const links = Object.entries({ ...startLinks, ...(dashboard && { dashboard: '/ui/' }) })
  const startJson = JSON.stringify({
    ...{ name: 'webhook-delivery-service', version },
    ...Object.fromEntries(links.map(([name, path]) => [name, basePath + path])),
  })
  scope.get('/', { schema: { hide: true } }, (request, reply) => {
    reply.header('vary', 'accept')
    const accept = request.headers.accept ?? ''
    if (!accept.includes('application/json') || accept.includes('text/html'))
      return sendHtml(reply, start.join(originAsked(request) + basePath))
    return reply.type('application/json; charset=utf-8').send(startJson)
  })
  scope.get<{ Params: { code: string } }>('/errors/:code', { schema: { hide: true } }, (request, reply) => {
    const html = pagesOfErrors.get(request.params.code)
    if (html === undefined) throw new AppError('not_found', 'There is no error with this code.')
    return sendHtml(reply, html)
  })
}

function sendHtml(reply: FastifyReply, html: string): FastifyReply {
  return reply.type('text/html; charset=utf-8').header('content-security-policy', pagePolicy).send(html)
}

const startLinks = { docs: '/docs', redoc: '/redoc', openapi: '/openapi.json', ready: '/readyz' }

/** The address in the text of the page. It is replaced by the address of the request. */
const printedOrigin = 'http://localhost:8000'

/** The address at which the caller reached this service, for commands to copy. A host that could hold HTML is ignored. */
function originAsked(request: FastifyRequest): string {
  const host = request.headers.host ?? ''
  if (!/^[A-Za-z0-9.:[\]-]{1,255}$/.test(host)) return printedOrigin
  return `${request.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'}://${host}`
}

function startPage({ version, basePath, dashboard }: About): string {
  return page(
    'Webhook Delivery Service',
    `<h1>Webhook Delivery Service</h1>
<p>It accepts events over HTTP, makes them durable, delivers them signed, retries until they are accepted or given up,
and shows every attempt. Version ${version}.</p>
<ul>
${dashboard ? `<li><a href="${basePath}/ui/">Dashboard</a>: see everything, do everything</li>\n` : ''}<li><a href="${basePath}/docs">Swagger UI</a>: read the API and try it out</li>
<li><a href="${basePath}/redoc">ReDoc</a>: the same to read</li>
<li><a href="${basePath}/openapi.json">openapi.json</a>: the same for programs</li>
<li><a href="${basePath}/readyz">Is it ready?</a></li>
</ul>
<h2>Send one event</h2>
<p>Make a receiver to try with, say that events go there, send one, and see what the receiver got:</p>
<pre><code>URL=$(curl -s -X POST ${printedOrigin}/test-receivers \\
  -H 'Content-Type: application/json' -d '{}' | grep -o 'http[^"]*/t/[^"]*')

curl -X POST ${printedOrigin}/subscriptions/ \\
  -H 'Content-Type: application/json' \\
  -d "{\\"target_url\\":\\"$URL\\"}"

curl -X POST ${printedOrigin}/ingest/1 \\
  -H 'Content-Type: application/json' \\
  -d '{"data":{"foo":"bar"}}'

curl ${printedOrigin}/test-receivers/1/requests</code></pre>
<p>The <code>1</code> is the <code>id</code> in the answers. Where the service asks for API keys, add
<code>-H 'Authorization: Bearer whk_…'</code>. The quick start in README.md says more.</p>`,
  )
}

const errorPages = (basePath: string): ReadonlyMap<string, string> =>
  new Map(
    Object.entries(errorCodes).map(([code, { status, title }]) => [
      code,
      page(
        title,
        `<h1>${title}</h1>
<p><code>${code}</code>, status ${status}</p>
<p>${advice(status)}</p>
<p><code>detail</code> in the answer says what was wrong with the one request, <code>errors</code> names each field that
did not pass, and <code>instance</code> is the id of the request. <a href="${basePath}/docs">The API</a></p>`,
      ),
    ]),
  )

function advice(status: number): string {
  if (status === 503)
    return 'The request is not known to be accepted. Send it again after the seconds in <code>Retry-After</code>.'
  if (status >= 500) return 'A fault of the service. Its log has the cause, under the id of the request.'
  if (status === 408) return 'Nothing was accepted. Send the same request again, all of it in time.'
  if (status === 412)
    return 'Read it again, then repeat the change with the new version in <code>If-Match</code>.'
  if (status === 429)
    return 'Nothing was accepted. Send it again after the seconds in <code>Retry-After</code>. After wrong API keys, a valid one is accepted at once.'
  if (status === 401)
    return 'Send valid credentials: an API key as <code>Authorization: Bearer whk_…</code>, or the signature.'
  return 'The same request will be refused again. Change it as <code>detail</code> says.'
}
