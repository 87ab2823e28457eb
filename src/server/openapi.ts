import { createHmac } from 'node:crypto'
import fastifySwagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import { type Access, accessSentences } from '../http/access.ts'
import { documentedKey, sentenceKey } from '../http/validation.ts'

const description = `Accepts events, makes them durable, delivers them signed, retries until they are accepted or given up,
and shows every attempt.

Every path works with and without a trailing slash. Errors are problem details (RFC 9457): \`code\` is for programs,
\`detail\` says what to do. Every answer has an \`x-request-id\`. Lists answer an array, newest first; the next page is in \`Link\` and \`X-Next-Cursor\`.

Where the service asks for API keys, send one as \`Authorization: Bearer whk_…\`. Where it limits how many requests a key
may send (\`RATE_LIMIT_PER_KEY\`), its answers to a key have \`RateLimit-Limit\`, \`RateLimit-Remaining\` and \`RateLimit-Reset\`.`

const tags = [
  { name: 'Subscriptions', description: 'Where events go, and under which rules' },
  { name: 'Events', description: 'Accepting events' },
  { name: 'Tenants', description: 'Whose subscriptions and events these are' },
  { name: 'Keys', description: 'Who may do what' },
  { name: 'Monitoring', description: 'What happened to them' },
  {
    name: 'Event types',
    description: 'What events are for, what their payloads look like, and whether that is checked',
  },
  { name: 'Sources', description: 'How providers sign what they send' },
  { name: 'Testing', description: 'Trying subscriptions, and receivers of this service to try them with' },
  { name: 'Health', description: 'For load balancers and orchestrators; no key needed' },
]

/** Gathers the routes registered from here on into an OpenAPI 3.1 document, which `app.swagger()` answers. */
export async function registerOpenapi(
  app: FastifyInstance,
  about: { readonly version: string; readonly basePath: string },
): Promise<void> {
  const bodyMayBeLeftOut = new Set<string>()
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Webhook Delivery Service',
        version: about.version,
        description,
        license: { name: 'MIT' },
      },
      servers: [{ url: about.basePath || '/', description: 'This service' }],
      tags,
      components: {
        securitySchemes: {
          key: {
            type: 'http',
            scheme: 'bearer',
            description: 'An API key (whk_…) or a portal token (whp_…), where the service asks for one',
          },
        },
      },
      // A key or none, depending on the setting AUTH.
      security: [{ key: [] }, {}],
    },
    hideUntagged: true,
    refResolver: {
      buildLocalReference: (schema, _base, _fragment, index) => String(schema.$id ?? `def-${index}`),
    },
    // The plugin takes plain JSON Schemas and does not know TypeBox.
    transform: ({ schema, url, route }) => {
      if (route.config?.bodyMayBeLeftOut) bodyMayBeLeftOut.add(operationIdOf(schema))
      const described = { ...schema, ...describeAccess(schema, route.config?.access) }
      return { schema: withReferences(described) as FastifySchema, url }
    },
    transformObject: document => {
      if (!('openapiObject' in document)) throw new Error('the document is not OpenAPI')
      const { openapiObject } = document
      // A copy without our own keywords, else the same.
      const described = asDocumented(openapiObject) as typeof openapiObject
      for (const path of ['/ingest/{id}', '/events']) describeRawBody(described.paths?.[path]?.post)
      for (const path of Object.values(described.paths ?? {})) {
        for (const operation of Object.values(path ?? {})) describeRefusals(operation as Refusable)
        // The plugin takes every body to be required.
        for (const operation of [path?.post, path?.put])
          if (operation?.requestBody && bodyMayBeLeftOut.has(operationIdOf(operation)))
            Object.assign(operation.requestBody, { required: false })
      }
      return described
    },
  })
}

/** Who may call a route: a word for programs, and a sentence at the end of its description. */
function describeAccess(schema: FastifySchema | undefined, access: Access | undefined): object {
  if (access === undefined) return {}
  const { description } = Object(schema) as { readonly description?: string } // as @fastify/swagger extends it
  return {
    'x-access': access,
    description: [description, accessSentences[access]].filter(Boolean).join(' '),
    ...(access === 'open' && { security: [] }),
  }
}

function operationIdOf(described: object | undefined): string {
  const { operationId } = Object(described) as { readonly operationId?: unknown } // a schema or an operation
  return String(operationId)
}

const exampleEvent = { data: { foo: 'bar' } }

/** What Swagger UI sends for the example: it prints the example with an indent of two spaces, and sends that text. */
const exampleBody = JSON.stringify(exampleEvent, null, 2)

/**
 * The body of an event is bytes, so its routes have no schema for it, and it is described here. The example signature fits
 * the example body and the secret of the example subscription, so that 'Try it out' works on a new service.
 */
function describeRawBody(operation: IngestOperation | undefined): void {
  if (operation === undefined) return
  operation.requestBody ??= {
    description: 'The event: any bytes of any content type. They are delivered as they are.',
    content: {
      'application/json': { schema: {}, example: exampleEvent },
      '*/*': { schema: { type: 'string', format: 'binary' } },
    },
  }
  const signature = createHmac('sha256', 'mysecret').update(exampleBody).digest('hex')
  for (const parameter of operation.parameters ?? []) {
    if ('name' in parameter && parameter.name.toLowerCase() === 'x-hub-signature-256') {
      parameter.example = `sha256=${signature}`
    }
  }
}

/** The part of an operation that says how it may be refused. */
interface Refusable {
  readonly responses?: Record<string, unknown>
}

/** What is decided for all routes alike, before their own code runs. */
function describeRefusals({ responses }: Refusable): void {
  const unauthorized = responses?.['401']
  if (responses === undefined || unauthorized === undefined) return
  responses['403'] ??= {
    ...Object(unauthorized),
    description: 'Without keys: for another name, or of another page',
  }
}

/** The part of an operation that is filled in. */
interface IngestOperation {
  requestBody?: unknown
  readonly parameters?: readonly ({ readonly name: string; example?: unknown } | object)[]
}

/** Replaces named schemas by references. The code uses the schemas themselves, for their types. */
function withReferences(schema: object): unknown {
  return mapObjects(schema, inner => {
    const id = '$id' in inner ? inner.$id : undefined
    return typeof id === 'string' ? { $ref: `${id}#` } : undefined
  })
}

/** Leaves out sentences for callers, and puts keywords for the document where they belong. */
function asDocumented(document: object): unknown {
  return mapObjects(document, inner => {
    if (!(sentenceKey in inner) && !(documentedKey in inner)) return undefined
    const {
      [sentenceKey]: _sentence,
      [documentedKey]: documented,
      ...kept
    } = inner as Record<string, unknown> // a schema
    return asDocumented({ ...kept, ...Object(documented) })
  })
}

/** Copies a tree of plain values. Where `replace` returns a value, it takes the place of the object. */
function mapObjects(value: unknown, replace: (inner: object) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(entry => mapObjects(entry, replace))
  const replaced = replace(value)
  if (replaced !== undefined) return replaced
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mapObjects(inner, replace)]))
}
