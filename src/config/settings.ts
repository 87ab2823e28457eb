import { Type } from 'typebox'
import { type Cidr, cidrText, parseCidr } from '../egress/cidr.ts'
import { keyId, parseEncryptionKey } from '../platform/seal.ts'
import {
  choice,
  flag,
  integer,
  list,
  optionalInteger,
  ratio,
  secretList,
  secretText,
  serverUrl,
  text,
} from './setting-kinds.ts'

const cidrSchema = Type.Unsafe<Cidr>({ type: 'string' })
const cidrsAllowed = 'an address or block, or several with commas between, such as 10.1.0.0/16,fd00:1::/32'

/** A host name, or `*.` and one for all names below it, in lower case. */
function parseHostName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, '')
  return /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name) && name.length <= 253 ? name : undefined
}

/** An origin as a policy of browsers has it: a scheme, a host that may begin with `*.`, and a port. */
function parseOrigin(text: string): string | undefined {
  const origin = text.toLowerCase().replace(/\/$/, '')
  return /^https?:\/\/(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?$/.test(origin) && origin.length <= 253
    ? origin
    : undefined
}

function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? port : undefined
}

/** Host and port in an address that others are shown. A user or a password has no place there, however it is written. */
const plainAuthority = '(\\[[0-9A-Fa-f:.]+\\]|[^\\s/\\\\?#@:\\[\\]]+)(:\\d{1,5})?'

/** Every setting there is, in the order of the reference page. The key is its name in `Config`. */
export const settings = {
  databaseUrl: serverUrl('DATABASE_URL', ['postgres', 'postgresql'], {
    example: 'postgresql://user:password@host:5432/webhooks',
    defaultText: 'none, which is local mode: an embedded PostgreSQL in `DATA_DIR`',
    description:
      'PostgreSQL 15 or newer. When this is set, the service runs in server mode: by default it listens on all interfaces and asks for API keys.',
  }),
  redisUrl: serverUrl('REDIS_URL', ['redis', 'rediss'], {
    example: 'redis://redis:6379/0',
    isComplete: ({ host, path }) => host !== '' && /^(\/\d{0,5})?$/.test(path),
    defaultText: 'none',
    description:
      'Redis 6.2 or newer, or Valkey; useful where several processes run. It carries messages between them, so that workers hear of events within milliseconds, lends parts of `max_in_flight` between them, and counts requests for `RATE_LIMIT_PER_KEY`. PostgreSQL holds all that must last: losing Redis costs latency, and a limit then holds for each process by itself.',
  }),
  role: choice('ROLE', ['all', 'api', 'worker'], {
    defaultText: '`all`',
    default: () => 'all',
    description:
      'What this process does. `api` accepts events and serves the API, and delivers nothing itself; `worker` delivers only, and its port answers health checks and `/system`; `all` does both. Any number of processes on any number of machines share one PostgreSQL.',
  }),
  processes: integer('PROCESSES', {
    minimum: 1,
    maximum: 64,
    default: 1,
    description:
      'How many processes share the port. With more than one, a supervisor starts them and replaces those that die. More than one per CPU core brings nothing. `MEMORY_LIMIT_MB`, `DATABASE_POOL_SIZE` and `MAX_IN_FLIGHT` are limits of each process.',
  }),
  logRetentionHours: integer('LOG_RETENTION_HOURS', {
    minimum: 1,
    maximum: 87_600,
    default: 72,
    description:
      'How many hours events and the delivery log are kept. The service removes older ones itself, every hour. A tenant can have another time (docs/guides/retention.md).',
  }),
  payloadRetentionHours: optionalInteger('PAYLOAD_RETENTION_HOURS', {
    minimum: 1,
    maximum: 87_600,
    defaultText: 'the same as `LOG_RETENTION_HOURS`',
    description:
      'How many hours events are kept, with their payloads, when that is to be shorter than for the log. What is still owed is kept until it is settled.',
  }),
  idempotencyRetentionHours: optionalInteger('IDEMPOTENCY_RETENTION_HOURS', {
    minimum: 24,
    maximum: 87_600,
    defaultText: '24, or as long as the log where that is longer',
    description: 'How many hours an `Idempotency-Key` and an `event_id` are taken, at least.',
  }),
  replayRetentionDays: integer('REPLAY_RETENTION_DAYS', {
    minimum: 1,
    maximum: 36_500,
    default: 90,
    description: 'How many days replays are listed after they have ended.',
  }),
  captureResponses: choice('CAPTURE_RESPONSES', ['failures', 'all', 'none'], {
    defaultText: '`failures`',
    default: () => 'failures',
    description:
      'For which attempts the request headers, the answer and the timings are kept besides the line in the log. With `failures` also for those whose request was sent twice. With `all` an event costs PostgreSQL about a third more.',
  }),
  captureBodyBytes: integer('CAPTURE_BODY_BYTES', {
    minimum: 0,
    maximum: 65_536,
    default: 16_384,
    description: "How many bytes of an answer's body are kept with such an attempt.",
  }),
  detailsRetentionHours: optionalInteger('DETAILS_RETENTION_HOURS', {
    minimum: 1,
    maximum: 87_600,
    defaultText: 'the same as `LOG_RETENTION_HOURS`',
    description: 'How many hours these details are kept, when that is to be shorter than for the log.',
  }),
  auditRetentionDays: integer('AUDIT_RETENTION_DAYS', {
    minimum: 1,
    maximum: 36_500,
    default: 365,
    description:
      'How many days the audit log is kept: who has changed what (`GET /audit`). The service removes older entries itself, a twelfth of this time at once.',
  }),
  statsRetentionDays: integer('STATS_RETENTION_DAYS', {
    minimum: 7,
    maximum: 3650,
    default: 90,
    description:
      'How many days the figures of `GET /stats` are kept, by the hour and by the day, also when the log that they were made of is gone. Figures by the minute are kept for 2 days, those by quarters of an hour for 8.',
  }),
  revealSecrets: flag('REVEAL_SECRETS', {
    defaultText: '`true`',
    default: () => true,
    description:
      'Whether `POST /subscriptions/{id}/reveal-secret` shows the signing secrets of a subscription again, to keys that may change it. Each time is recorded in the audit log.',
  }),
  auth: choice('AUTH', ['keys', 'none'], {
    defaultText: '`none` in local mode on a loopback `HOST`, else `keys`',
    default: ({ mode, loopback }) => (mode === 'local' && loopback ? 'none' : 'keys'),
    description:
      'Whether callers of the API need a key. With `none` everyone who can reach the port is the operator.',
  }),
  firstKey: secretText('FIRST_KEY', {
    pattern: '^whk_[A-Za-z0-9_-]{32,200}$',
    allowed: 'whk_ and 32 to 200 letters, digits, - and _',
    defaultText: 'a key that the service makes and writes to `DATA_DIR/first-api-key`',
    description:
      'The first API key, where the service asks for keys and has none yet; it may do everything. Once there are keys this has no effect, so a key that was revoked does not come back with it. Make one with `echo "whk_$(openssl rand -hex 32)"`.',
  }),
  rateLimitPerKey: optionalInteger('RATE_LIMIT_PER_KEY', {
    minimum: 1,
    maximum: 1_000_000,
    defaultText: 'none, since a service that cannot keep up refuses events by itself (503)',
    description:
      'How many requests a second may come with one API key or portal token. More are refused with 429 and `Retry-After`, before their bodies are read; all answers to a key then have the headers `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`. A batch of events is one request; signed events without a key, and callers of a service without keys, are not counted. With `REDIS_URL` all processes count together, which takes one command for each request; without, and while Redis is away, each process counts for itself (see `PROCESSES`).',
  }),
  allowedHosts: list(
    'ALLOWED_HOSTS',
    {
      item: Type.String(),
      allowed:
        'a host name without port or several with commas between, such as app,webhooks.example.com; *.example.com for all names below one',
      defaultText: 'none',
      description:
        'The names by which a service without API keys (`AUTH=none`) may be reached, besides localhost, loopback addresses, and the address that it is connected to by. Others are refused, as are requests that a browser sends for other web pages: else any page could use the browser of its visitor to control the service. So list the name of a container, a tunnel or a proxy. Health checks are answered under any name. With API keys this has no effect.',
    },
    parseHostName,
    String,
  ),
  port: integer('PORT', {
    minimum: 0,
    maximum: 65_535,
    default: 8000,
    description: 'The TCP port to listen on; 0 takes a free one.',
  }),
  host: text('HOST', {
    pattern: '^[A-Za-z0-9._:%-]{1,253}$',
    allowed: 'an IP address or a host name',
    defaultText: '`127.0.0.1` in local mode, `0.0.0.0` in server mode',
    default: ({ mode }) => (mode === 'local' ? '127.0.0.1' : '0.0.0.0'),
    description: 'The address to listen on.',
  }),
  publicUrl: text('PUBLIC_URL', {
    pattern: `^(?=.{0,208}$)(https?://${plainAuthority}(/[^\\s?#@]*)?)?$`,
    allowed: 'an http or https address of at most 200 characters, without user, password, query and fragment',
    defaultText: 'the address that a request was sent to',
    default: () => '',
    description:
      'Where clients reach this service, such as https://webhooks.example.com. Links to pages of it begin with this. Set it where a proxy is in front.',
  }),
  basePath: text('BASE_PATH', {
    pattern: '^(/[A-Za-z0-9._~-]{1,100}){0,10}$',
    allowed: 'empty, or a path without a slash at its end, such as /hooks',
    defaultText: 'none',
    default: () => '',
    description:
      'Below which path a proxy offers this service, such as /hooks. It begins the links of the dashboard and of the page at `/`. Requests are answered with it and without it, so the proxy may pass it on or leave it away.',
  }),
  uiEnabled: flag('UI_ENABLED', {
    defaultText: '`true`',
    default: () => true,
    description:
      'Whether the dashboard is served at `/ui/`. It shows nothing without a valid API key, where keys are asked for.',
  }),
  portalFrameAncestors: list(
    'PORTAL_FRAME_ANCESTORS',
    {
      item: Type.String(),
      allowed:
        'an origin or several with commas between, such as https://app.example.com,https://*.example.com',
      defaultText: 'none',
      description:
        "The origins whose pages may show a tenant's own page (`POST /portal-tokens`) in a frame. The rest of the dashboard is shown in none.",
    },
    parseOrigin,
    String,
  ),
  portalName: text('PORTAL_NAME', {
    pattern: '^[^\\u0000-\\u001f]{0,60}$',
    allowed: 'at most 60 characters on one line',
    defaultText: '`Webhooks`',
    default: () => 'Webhooks',
    description: "The name at the top of a tenant's own page (`POST /portal-tokens`).",
  }),
  portalLogo: text('PORTAL_LOGO', {
    pattern: '^([^\\u0000]+\\.(svg|png|webp|jpe?g))?$',
    allowed: 'the path of a file whose name ends in .svg, .png, .webp, .jpg or .jpeg',
    defaultText: 'none',
    default: () => '',
    description:
      "A picture beside that name, shown 24 pixels high: a file of at most 100 KiB. It is read at the start and served from here, since a tenant's own page asks nothing of other hosts.",
  }),
  portalAccent: text('PORTAL_ACCENT', {
    pattern: '^(#[0-9A-Fa-f]{6})?$',
    allowed: 'a colour such as #0055ff',
    defaultText: "the dashboard's own",
    default: () => '',
    description:
      "The colour of buttons and links on a tenant's own page. Where text in it could not be read well on the light or the dark page, the page takes the nearest shade of it that can (4.5 : 1).",
  }),
  sessionHours: integer('SESSION_HOURS', {
    minimum: 1,
    maximum: 720,
    default: 12,
    description:
      'How many hours a browser stays signed in to the dashboard. The session ends before, when its key is revoked or expires, or its owner signs out.',
  }),
  dataDir: text('DATA_DIR', {
    pattern: '^[^\\u0000]+$',
    allowed: 'the path of a folder',
    defaultText: '`./data`',
    default: () => './data',
    description:
      'The folder for files of this machine: the embedded PostgreSQL of local mode, the encryption key unless `ENCRYPTION_KEYS` is set, and the first API key unless `FIRST_KEY` is set.',
  }),
  encryptionKeys: secretList(
    'ENCRYPTION_KEYS',
    {
      item: Type.Unsafe<Uint8Array>({ type: 'string', contentEncoding: 'base64' }),
      allowed:
        'one key or several with commas between, newest first, each 32 bytes as base64 or as 64 hex digits',
      defaultText: 'the key in `DATA_DIR/encryption.key`, made at the first start',
      description:
        'The keys that encrypt secrets in the database: the first one encrypts, all of them decrypt. They must be the same on every machine. Make one with `openssl rand -base64 32`.',
    },
    parseEncryptionKey,
    key => `key ${keyId(key)}`,
  ),
  bodyLimitBytes: integer('BODY_LIMIT_BYTES', {
    minimum: 1024,
    maximum: 67_108_864,
    default: 1_048_576,
    description: 'The largest body of a request to this service, in bytes. Larger ones are refused with 413.',
  }),
  batchLimitBytes: integer('BATCH_LIMIT_BYTES', {
    minimum: 1024,
    maximum: 268_435_456,
    default: 16_777_216,
    description:
      'The largest body of `POST /events/batch`, in bytes. Larger ones are refused with 413. Each event in it has the limit of `BODY_LIMIT_BYTES`. At most `MEMORY_LIMIT_MB`.',
  }),
  maxConnections: integer('MAX_CONNECTIONS', {
    minimum: 16,
    maximum: 1_000_000,
    default: 10_000,
    description:
      'At most this many clients are connected to one process (see `PROCESSES`). When more come, those that wait idly, or send slowly, make way, first those of the address with the most connections; where nobody can, a new one gets 503. Each takes some 25 KiB of memory while its client sends headers of 12 KiB and does not end them.',
  }),
  maxStreams: integer('MAX_STREAMS', {
    minimum: 1,
    maximum: 5000,
    default: 100,
    description:
      'At most this many event streams (`GET /stream`) are open at one process (see `PROCESSES`); more get 503. One API key or portal token may have a quarter of them; more get 429.',
  }),
  ingestTimeoutMs: integer('INGEST_TIMEOUT_MS', {
    minimum: 100,
    maximum: 60_000,
    default: 5000,
    description:
      'How long an event may wait for its commit, in milliseconds. After that the caller gets 503 with `Retry-After`.',
  }),
  deliveryTimeoutMs: integer('DELIVERY_TIMEOUT_MS', {
    minimum: 100,
    maximum: 30_000,
    default: 15_000,
    description:
      'How long one attempt may take, in milliseconds, including connection and answer. A subscription can set its own.',
  }),
  connectTimeoutMs: integer('CONNECT_TIMEOUT_MS', {
    minimum: 100,
    maximum: 30_000,
    default: 5000,
    description:
      'How long name look-up, connection and TLS handshake may take together, in milliseconds, within `DELIVERY_TIMEOUT_MS`. A subscription can set its own.',
  }),
  contactUrl: text('CONTACT_URL', {
    pattern: `^(?=[!#-'*-\\[\\]-~]{0,208}$)(https?://${plainAuthority}([/?#].*)?|mailto:.+)?$`,
    allowed:
      'an http, https or mailto address of at most 200 characters, without user, password and brackets ( )',
    defaultText: 'none',
    default: () => '',
    description:
      'Where owners of receivers find out who sends to them. It is part of the `User-Agent` of deliveries.',
  }),
  allowPrivateTargets: flag('ALLOW_PRIVATE_TARGETS', {
    defaultText: '`true` in local mode, `false` in server mode',
    default: ({ mode }) => mode === 'local',
    description:
      'Whether subscriptions may lead to loopback and private addresses. Metadata, link-local, multicast and reserved addresses are always refused.',
  }),
  allowedTargetCidrs: list(
    'ALLOWED_TARGET_CIDRS',
    {
      item: cidrSchema,
      allowed: cidrsAllowed,
      defaultText: 'none',
      description:
        'Blocks of addresses that subscriptions may lead to besides public ones. Prefer this to `ALLOW_PRIVATE_TARGETS` where others than the operator make subscriptions.',
    },
    parseCidr,
    cidrText,
  ),
  deniedTargetCidrs: list(
    'DENIED_TARGET_CIDRS',
    {
      item: cidrSchema,
      allowed: cidrsAllowed,
      defaultText: 'none',
      description:
        'Blocks of addresses that subscriptions may not lead to, whatever else is allowed. For example your own public addresses.',
    },
    parseCidr,
    cidrText,
  ),
  httpsOnly: flag('HTTPS_ONLY', {
    defaultText: '`false`',
    default: () => false,
    description:
      'Whether only https addresses are delivered to. Switch it on where payloads cross networks that are not yours.',
  }),
  allowedTargetPorts: list(
    'ALLOWED_TARGET_PORTS',
    {
      item: Type.Integer({ minimum: 1, maximum: 65_535 }),
      allowed: 'a port or several with commas between, such as 443,8443',
      defaultText: 'any port',
      description: 'The ports that subscriptions may lead to.',
    },
    parsePort,
    String,
  ),
  egressProxy: serverUrl('EGRESS_PROXY', ['http', 'https'], {
    example: 'http://user:password@proxy:3128',
    isComplete: ({ host }) => host !== '',
    defaultText: 'none',
    description:
      'An HTTP proxy for all deliveries, by CONNECT. It looks names up by itself: this service then cannot check the addresses that names lead to, and the proxy has to.',
  }),
  otlpEndpoint: serverUrl('OTEL_EXPORTER_OTLP_ENDPOINT', ['http', 'https'], {
    example: 'http://collector:4318',
    isComplete: ({ host }) => host !== '',
    defaultText: 'none, and nothing of OpenTelemetry is loaded',
    description:
      'Where spans are sent: a collector that takes OTLP over HTTP (protobuf), without the path `/v1/traces`. The acceptance of an event is a span in the trace of its sender (`traceparent`), each attempt one of its own that links to it. Headers for the collector are read from `OTEL_EXPORTER_OTLP_HEADERS`, as `name=value` with commas between.',
  }),
  otelServiceName: text('OTEL_SERVICE_NAME', {
    pattern: '^[!-~]{1,100}$',
    allowed: '1 to 100 visible ASCII characters without spaces',
    defaultText: '`webhooks`',
    default: () => 'webhooks',
    description: 'The name of this service in traces.',
  }),
  traceRatio: ratio('OTEL_TRACES_SAMPLER_ARG', {
    defaultText: '`1`',
    default: 1,
    description:
      'The part of the events that are traced, where their sender does not say: 0 none, 1 all. Where a `traceparent` comes with the event, its flag decides.',
  }),
  maxInFlight: integer('MAX_IN_FLIGHT', {
    minimum: 1,
    maximum: 10_000,
    default: 1024,
    description:
      'At most this many attempts are in flight in one process (see `PROCESSES`), and at most half as many as the system allows file descriptors.',
  }),
  subscriptionMaxInFlight: integer('SUBSCRIPTION_MAX_IN_FLIGHT', {
    minimum: 1,
    maximum: 1000,
    default: 100,
    description:
      'At most this many attempts to one subscription are in flight, in all processes together, unless the subscription sets a number of its own (`max_in_flight`). The service begins with 10 and finds out how many the receiver is best served with.',
  }),
  originMaxInFlight: integer('ORIGIN_MAX_IN_FLIGHT', {
    minimum: 1,
    maximum: 10_000,
    default: 200,
    description:
      'At most this many attempts to one origin (scheme, host and port) are in flight, in all processes together, where several subscriptions lead there. Subscriptions that set `max_in_flight` themselves count, and are not held back.',
  }),
  circuitFailures: integer('CIRCUIT_FAILURES', {
    minimum: 0,
    maximum: 1_000_000,
    default: 50,
    description:
      'After this many failed attempts in a row the circuit of a subscription opens: its deliveries wait, which spends no attempt, and after the cooldown a single one is tried. 0 switches this off.',
  }),
  circuitCooldownSeconds: integer('CIRCUIT_COOLDOWN_SECONDS', {
    minimum: 1,
    maximum: 3600,
    default: 30,
    description:
      'How long an open circuit stays open at first, in seconds. Each trial that fails doubles this time, up to 10 times the first.',
  }),
  disableAfterHours: integer('DISABLE_AFTER_HOURS', {
    minimum: 0,
    maximum: 8760,
    default: 120,
    description:
      'A subscription whose receiver has had no success for this many hours is disabled. What it is owed is kept until it is resumed, or expires. 0 never disables.',
  }),
  memoryLimitMb: integer('MEMORY_LIMIT_MB', {
    minimum: 1,
    maximum: 65_536,
    default: 64,
    description:
      'How many MiB of payloads one process holds in memory for deliveries (see `PROCESSES`); other deliveries wait in PostgreSQL. This is no limit of the memory of a process, which also needs over 100 MB for itself, up to 64 MiB for events that wait to be written, and up to this much again for bodies that are still arriving.',
  }),
  responseLimitBytes: integer('RESPONSE_LIMIT_BYTES', {
    minimum: 0,
    maximum: 16_777_216,
    default: 65_536,
    description: 'How many bytes of the answer to an attempt are read.',
  }),
  databasePoolSize: integer('DATABASE_POOL_SIZE', {
    minimum: 1,
    maximum: 100,
    default: 4,
    description:
      'How many pooled connections to PostgreSQL one process opens (see `PROCESSES`), besides 8 of its own, and some more that are opened when they are needed (docs/scaling.md).',
  }),
  databaseTimeoutMs: integer('DATABASE_TIMEOUT_MS', {
    minimum: 100,
    maximum: 600_000,
    default: 10_000,
    description:
      'How long PostgreSQL may take to answer a statement, in milliseconds. After that it counts as unavailable.',
  }),
  shutdownDrainMs: integer('SHUTDOWN_DRAIN_MS', {
    minimum: 0,
    maximum: 600_000,
    default: 500,
    description:
      'How long requests are still accepted after SIGTERM, in milliseconds. In this time each answer asks its client to leave (`Connection: close`), and `/readyz` answers 503. It ends early when no connection is open. Behind a load balancer, give it the time that takes to notice.',
  }),
  shutdownTimeoutMs: integer('SHUTDOWN_TIMEOUT_MS', {
    minimum: 0,
    maximum: 600_000,
    default: 10_000,
    description:
      'How long a stop may take after `SHUTDOWN_DRAIN_MS`, in milliseconds. None is begun in its last 5 s; attempts that still run 4 s before its end are cut off and made again.',
  }),
  ownershipCheck: choice('OWNERSHIP_CHECK', ['off', 'challenge', 'cloudevents'], {
    defaultText: '`off`',
    default: () => 'off',
    description:
      'Whether the receiver of a new subscription, or at a new address, has to say that it wants events before any is sent to it. `challenge`: it answers the text of a signed message. `cloudevents`: it answers the OPTIONS request of the CloudEvents HTTP webhook specification. A tenant can have another rule (docs/guides/ownership-check.md).',
  }),
  logLevel: choice('LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
    defaultText: '`info`',
    default: () => 'info',
    description: 'Lines of this level and above are printed.',
  }),
  logEvents: text('LOG_EVENTS', {
    pattern: '^(all|failures|none|sample:(0|1|0?\\.\\d{1,9}))$',
    allowed: 'one of all, failures, none, or sample: with a share of all events, such as sample:0.01',
    defaultText: '`all`',
    default: () => 'all',
    description:
      'Which events have lines in the log of the process (at the level `info`): one when it is accepted, and one for each attempt. `failures`: only attempts that failed. `sample:0.01`: one event in a hundred, with all its lines, and the attempts of others that failed. The delivery log in the database has all of them, whatever this says.',
  }),
  logFormat: choice('LOG_FORMAT', ['json', 'pretty'], {
    defaultText: '`pretty` on a terminal, else `json`',
    default: ({ terminal }) => (terminal ? 'pretty' : 'json'),
    description: '`json`: one object per line, for programs. `pretty`: for people.',
  }),
} as const
