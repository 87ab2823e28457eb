import { hash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import { page, pagePolicy } from './html-page.ts'

export interface DashboardDeps {
  readonly version: string
  /** Below which path browsers see this service: empty, or such as `/hooks`. */
  readonly basePath: string
  /** Whether a key has to be given. */
  readonly auth: 'keys' | 'none'
  /** Which pages may show a tenant's own page in a frame: origins, such as `https://app.example.com`. */
  readonly frameAncestors: readonly string[]
  readonly portal: PortalLook
}

/** How a tenant's own page looks. */
export interface PortalLook {
  readonly name: string
  /** Such as `#0055ff`; undefined: the dashboard's own. */
  readonly accent: string | undefined
  readonly logo: PortalLogo | undefined
}

export interface PortalLogo {
  readonly type: string
  readonly body: Buffer
}

/**
 * Scripts and requests go to this service only, and no script is inline. Styles may be: what floats over the page keeps the
 * page below from scrolling by one.
 */
const policy = (frameAncestors: readonly string[]) =>
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; frame-src 'self'; base-uri 'self'; form-action 'self'; " +
  `frame-ancestors ${frameAncestors.length === 0 ? "'none'" : frameAncestors.join(' ')}`

/** Opened by itself, a picture with scripts in it must be nothing but a picture. */
const logoPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

/** Beside the built program; in a checkout, where `npm start` has built it. */
const folders = [new URL('../ui/', import.meta.url), new URL('../../dist/ui/', import.meta.url)]

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json; charset=utf-8',
}

/**
 * The dashboard at `/ui/`: one page, whose addresses are all its own, and its files. Their names have hashes, so that they
 * are kept for good; the page itself is asked for each time. It uses the API as anyone does.
 */
export function registerDashboard(scope: FastifyInstance, deps: DashboardDeps): void {
  let built: Promise<ReadonlyMap<string, BuiltFile> | undefined> | undefined
  const files = async () => {
    built ??= readBuilt(deps.basePath)
    const found = await built
    if (found === undefined) built = undefined // looked for again: it may be built meanwhile
    return found
  }
  const { portal, frameAncestors } = deps
  const config = {
    ...{ version: deps.version, auth: deps.auth },
    portal: {
      ...{ name: portal.name, accent: portal.accent, logo: portal.logo && 'portal-logo' },
      frame_ancestors: frameAncestors,
    },
  }
  // The page that shows how to embed it shows it in a frame, so this service may, too.
  const portalAncestors = ["'self'", ...frameAncestors]
  scope.get('/ui/config.json', { schema: { hide: true } }, (_request, reply) =>
    reply.header('cache-control', 'no-cache').send(config),
  )
  scope.get('/ui/portal-logo', { schema: { hide: true } }, (_request, reply) => {
    if (portal.logo === undefined) throw new AppError('not_found', 'PORTAL_LOGO is not set.')
    return reply
      .type(portal.logo.type)
      .header('cache-control', 'no-cache')
      .header('x-content-type-options', 'nosniff')
      .header('content-security-policy', logoPolicy)
      .send(portal.logo.body)
  })
  scope.get('/ui', { schema: { hide: true } }, async (request, reply) =>
    sendPage(request, reply, await files()),
  )
  scope.get<{ Params: { '*': string } }>('/ui/*', { schema: { hide: true } }, async (request, reply) => {
    const path = request.params['*']
    const all = await files()
    const file = all?.get(path)
    if (file !== undefined && path !== pageFile) return sendFile(request, reply, path, file)
    // What looks like a file is none of the page's addresses; those have no dots in their last part.
    if (/^assets\/|\.\w+$/.test(path))
      throw new AppError('not_found', 'There is no such file of the dashboard.')
    return sendPage(request, reply, all, path === 'portal' ? portalAncestors : [])
  })
}

const pageFile = 'index.html'

interface BuiltFile {
  readonly body: Buffer
  /** The same, compressed when it was built. */
  readonly br: Buffer | undefined
  readonly gzip: Buffer | undefined
  readonly etag: string
}

/** All of it, some 2 MB with what is compressed, in memory from its first use on. */
async function readBuilt(basePath: string): Promise<ReadonlyMap<string, BuiltFile> | undefined> {
  for (const folder of folders) {
    const names = await readdir(folder, { recursive: true }).catch((): string[] => [])
    if (!names.includes(pageFile)) continue
    return readFiles(
      folder,
      names.map(name => name.replaceAll('\\', '/')),
      basePath,
    )
  }
  return undefined
}

async function readFiles(
  folder: URL,
  names: readonly string[],
  basePath: string,
): Promise<ReadonlyMap<string, BuiltFile>> {
  const read = (name: string) => readFile(fileURLToPath(new URL(name, folder)))
  const whole = names.filter(name => types[extname(name)] !== undefined)
  return new Map(
    await Promise.all(
      whole.map(async name => {
        const content = await read(name)
        const isPage = name === pageFile
        const body = isPage ? withBase(content, basePath) : content
        // The page is small, and not what was compressed.
        const compressed = async (ending: string) =>
          !isPage && names.includes(name + ending) ? read(name + ending) : undefined
        const [br, gzip] = await Promise.all([compressed('.br'), compressed('.gz')])
        return [
          name,
          { body, br, gzip, etag: `"${hash('sha256', body, 'base64url').slice(0, 27)}"` },
        ] as const
      }),
    ),
  )
}

/** The addresses in the page are relative to this. */
function withBase(html: Buffer, basePath: string): Buffer {
  return Buffer.from(html.toString().replace('<head>', `<head><base href="${basePath}/ui/">`))
}

function sendPage(
  request: FastifyRequest,
  reply: FastifyReply,
  files: ReadonlyMap<string, BuiltFile> | undefined,
  frameAncestors: readonly string[] = [],
): FastifyReply {
  const file = files?.get(pageFile)
  if (file !== undefined) {
    reply.header('content-security-policy', policy(frameAncestors))
    return sendFile(request, reply, pageFile, file)
  }
  return reply
    .code(503)
    .type('text/html; charset=utf-8')
    .header('content-security-policy', pagePolicy)
    .send(notBuilt)
}

function sendFile(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  path: string,
  { body, br, gzip, etag }: BuiltFile,
): FastifyReply {
  const isForGood = path.startsWith('assets/')
  reply
    .header('cache-control', isForGood ? 'public, max-age=31536000, immutable' : 'no-cache')
    .header('etag', etag)
    .header('vary', 'accept-encoding')
    .header('x-content-type-options', 'nosniff')
  if (path === pageFile) {
    reply.header('referrer-policy', 'no-referrer').header('cross-origin-opener-policy', 'same-origin')
  }
  if (headers['if-none-match']?.includes(etag)) return reply.code(304).send()
  reply.type(types[extname(path)] ?? 'application/octet-stream')
  const taken = String(headers['accept-encoding'] ?? '')
  if (br !== undefined && /\bbr\b/.test(taken)) return reply.header('content-encoding', 'br').send(br)
  if (gzip !== undefined && /\bgzip\b/.test(taken)) return reply.header('content-encoding', 'gzip').send(gzip)
  return reply.send(body)
}

const notBuilt = page(
  'The dashboard is not built',
  `<h1>The dashboard is not built</h1>
<p>In a checkout <code>npm start</code> builds it, or <code>npm run build:ui</code> while the service runs; then load this page
again. The development dependencies have to be installed for that (<code>npm ci</code>). The published package and the image
have it. All of it is in the API, too: <a href="../docs">/docs</a>.</p>`,
)
