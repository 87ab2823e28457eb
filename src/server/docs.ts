import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import fastifySwaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { page } from './html-page.ts'

/**
 * Scripts and requests go to this service only. Styles may be inline, because both viewers write theirs into the page.
 * ReDoc searches in a worker that it makes from a blob.
 */
const viewerPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/**
 * The OpenAPI document and its two viewers. Everything is served from here: no CDN, no telemetry.
 *
 * @param basePath begins the links of the viewers
 */
export async function registerDocs(scope: FastifyInstance, basePath: string): Promise<void> {
  // Bytes and not a text: of a text each answer is a copy, for as long as its client does not read it.
  let document: Buffer | undefined
  scope.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    document ??= Buffer.from(JSON.stringify(scope.swagger()))
    return reply.type('application/json; charset=utf-8').send(document)
  })
  await scope.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    indexPrefix: basePath,
    staticCSP: viewerPolicy,
    theme: { title: 'Webhook Delivery Service: Swagger UI' },
    // The base layout has no top bar. Its box for the address of another document cannot work under the policy.
    uiConfig: {
      layout: 'BaseLayout',
      displayRequestDuration: true,
      tryItOutEnabled: true,
      persistAuthorization: true,
    },
  })
  registerRedoc(scope, basePath)
}

/** A file of its own, because the policy allows no inline script. */
const redocStart = (basePath: string) => `Redoc.init('${basePath}/openapi.json', {
  hideDownloadButtons: false,
  theme: { typography: { fontFamily: 'system-ui, sans-serif', headings: { fontFamily: 'system-ui, sans-serif' } } },
}, document.getElementById('redoc'))
`

const redocPage = (basePath: string) =>
  page(
    'Webhook Delivery Service: ReDoc',
    `<div id="redoc"></div>
<script src="${basePath}/redoc/redoc.standalone.js"></script>
<script src="${basePath}/redoc/start.js"></script>`,
    'body { margin: 0 }',
  )

function registerRedoc(scope: FastifyInstance, basePath: string): void {
  const [html, start] = [redocPage(basePath), redocStart(basePath)]
  let bundle: Promise<Buffer> | undefined
  const script = 'text/javascript; charset=utf-8'
  scope.get('/redoc', { schema: { hide: true } }, (_request, reply) =>
    reply.type('text/html; charset=utf-8').header('content-security-policy', viewerPolicy).send(html),
  )
  scope.get('/redoc/start.js', { schema: { hide: true } }, (_request, reply) =>
    reply.type(script).send(start),
  )
  scope.get('/redoc/redoc.standalone.js', { schema: { hide: true } }, async (_request, reply) => {
    bundle ??= readRedoc()
    return reply
      .type(script)
      .header('cache-control', 'public, max-age=86400')
      .send(await bundle)
  })
}

/** A logo that ReDoc loads from elsewhere. It is replaced by an empty picture. */
const remoteLogo = 'https://cdn.redoc.ly/redoc/logo-mini.svg'
const emptyPicture = 'data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=='

/** Reads ReDoc from beside the built program; in a checkout, from the development dependencies. */
async function readRedoc(): Promise<Buffer> {
  const text = await readFile(new URL('../assets/redoc.standalone.js', import.meta.url), 'utf8').catch(() =>
    readFile(createRequire(import.meta.url).resolve('redoc/bundles/redoc.standalone.js'), 'utf8'),
  )
  return Buffer.from(text.replaceAll(remoteLogo, emptyPicture))
}
