// Made by "npm run generate" from openapi.json.

/** What went wrong, as problem details (RFC 9457) */
export type Problem = {
  /** A page about this kind of error, relative to this service */
  type: string
  title: string
  status: number
  /** What was wrong with this request, and what to do */
  detail: string
  /** The id of the request, also in the header `x-request-id` */
  instance: string
  /** The kind of error, for programs */
  code: string
  /** With `event_id_taken`: the event that has this id */
  webhook_id?: string
  errors?: ({
    /** A JSON Pointer into the body, or the name of a parameter */
    pointer: string
    detail: string
  })[]
}

/** Where events go, and under which rules */
export type Subscription = {
  id: number
  /** The name that its owner has given it */
  uid: string | null
  tenant: string
  target_url: string
  description: string | null
  /** The inbound secret, masked as ********; null: there is none */
  secret: string | null
  /** Signs deliveries. Shown when the subscription is made, masked as ******** afterwards */
  signing_secret: string
  /** Verifies signatures of the version v1a; null until that scheme is asked for */
  signing_public_key: string | null
  event_types: (string)[] | null
  channels: (string)[] | null
  filter: { [name: string]: unknown } | null
  paused: boolean
  state: "active" | "paused" | "degraded" | "circuit_open" | "disabled"
  state_reason: string | null
  /** When the state began */
  state_since: string
  /** The ownership check, where the service or the tenant asks for one. Until it is `verified` the state is `disabled`, and nothing is sent. Null: none was asked for */
  verification: {
    state?: "pending" | "verified" | "failed"
    method?: "challenge" | "cloudevents"
    /** When the receiver was asked last */
    asked_at?: string | null
    /** When it said yes */
    verified_at?: string | null
    /** Why it is not verified */
    reason?: string | null
    /** How many requests a minute the receiver allows (`WebHook-Allowed-Rate` of CloudEvents); the service keeps to it */
    allowed_per_minute?: number | null
  } | null
  /** What is in force, defaults filled in */
  retry: {
    max_attempts: number
    base_seconds: number
    factor: number
    max_delay_seconds: number
    schedule_seconds: (number)[] | null
    jitter: number
    max_age_seconds: number | null
    terminal_statuses: (number)[]
  }
  timeout_ms: number
  connect_timeout_ms: number
  /** Null: the service finds out how many are best; `GET /subscriptions/{id}` says how many are now */
  max_in_flight: number | null
  /** What was found out where `max_in_flight` is null, some seconds ago: how many requests may be in flight, of all processes together, and why. Null: nothing in the last five minutes; it begins with 10 */
  in_flight_now?: {
    limit?: number
    reason?: "start" | "growing" | "settled" | "too_much"
    updated_at?: string
  } | null
  /** In the answer to a resume: how much waited, and what becomes of it. Afterwards, in that to a GET: what is still being discarded, and how much of it has ended; null: nothing. A count of null is more than could be counted while the caller waits */
  waiting?: {
    fate?: "deliver" | "discard"
    count?: number | null
    ended?: number
  } | null
  rate_limit: {
    requests?: number
    per_seconds?: number
  } | null
  ordered: boolean
  /** Where the key of an event stands; null: no order by key */
  ordering_key: string | null
  format: "raw" | "cloudevents-structured" | "cloudevents-binary" | "slack"
  forward_traceparent: boolean
  capture: "failures" | "all" | "none"
  /** How what is sent to `POST /ingest/{id}` is verified; null: by `secret`, where there is one */
  inbound: {
    /** The `id` of one of `GET /sources/presets` */
    preset: string
    /** Secrets as the provider shows them, or its public keys; one that fits is enough. Shown as ********; a mask sent back keeps the one at its place */
    secrets: (string)[]
    /** How far the time of a signature may be from now; null: as the preset says */
    tolerance_seconds: number | null
    /** Where the id stands by which a repeat is known, at most ten places; none: repeats are not known; null: as the preset says */
    dedupe: (string)[] | null
    /** False: who has an API key needs no signature. True unless given */
    require_signature: boolean
  } | null
  /** Each value masked as ******** */
  headers: { [name: string]: string }
  /** Headers that are made for each attempt */
  header_templates: { [name: string]: string }
  /** What was set of the attributes of CloudEvents; null: nothing */
  cloudevents: {
    source?: string
    type?: string
    subject?: string
    extensions?: { [name: string]: string }
  } | null
  /** What is shown to the receiver so that it lets deliveries in; secrets masked */
  auth: {
    type: "none" | "basic" | "bearer" | "oauth2" | "mtls"
    /** Of Basic authentication */
    username?: string
    /** Masked as ******** */
    password?: string
    /** Masked as ******** */
    token?: string
    /** Where OAuth 2 gives access tokens. The same rules hold for it as for `target_url` */
    token_url?: string
    /** Of OAuth 2 */
    client_id?: string
    /** Masked as ******** */
    client_secret?: string
    /** Where OAuth 2 sends id and secret: by Basic authentication (null: this), or in the body */
    client_auth?: "basic" | "body"
    /** Of OAuth 2; null: none is asked for */
    scope?: string
    /** Of OAuth 2, for servers that ask for it; null: none is sent */
    audience?: string
    /** The certificate that is shown to the receiver (mutual TLS), with those between it and its authority, as PEM. Any type may have it, with `key` */
    certificate?: string
    /** Masked as ******** */
    key?: string
    /** The only authorities that a certificate of the receiver may come from, as PEM; null: the usual ones. Any type may have it */
    ca?: string
    /** When the client certificate ends, or the first of those with it. The service warns before */
    certificate_expires_at?: string
  }
  /** How deliveries are signed, defaults filled in */
  signing: {
    /** `v1`: HMAC-SHA256 of Standard Webhooks, with `signing_secret`. `v1a`: Ed25519 of Standard Webhooks, verified with `signing_public_key`. `hub-sha256`: HMAC-SHA256 of the body alone in hex, as GitHub signs; `shopify-sha256`: the same in base64, as Shopify signs; `stripe-sha256`: HMAC-SHA256 of time and body, as Stripe signs. The key of these three is the whole text of `signing_secret`, prefix included. `rfc9421-hmac-sha256` and `rfc9421-ed25519`: HTTP message signatures (RFC 9421) with `Content-Digest`, with the key of `v1` and the key pair of `v1a`. `custom`: as `custom` says. A list signs in several ways at once. */
    scheme: "v1" | "v1a" | "hub-sha256" | "stripe-sha256" | "shopify-sha256" | "rfc9421-hmac-sha256" | "rfc9421-ed25519" | "custom" | "none" | ("v1" | "v1a" | "hub-sha256" | "stripe-sha256" | "shopify-sha256" | "rfc9421-hmac-sha256" | "rfc9421-ed25519" | "custom")[]
    headers: {
      /** The id of the event */
      id: string
      /** The time of the attempt, in Unix seconds */
      timestamp: string
      /** The list of signatures (v1, v1a) */
      signature: string
      /** The signature of hub-sha256 */
      hub_signature: string
      /** The time and the signatures of stripe-sha256 */
      stripe_signature: string
      /** The signature of shopify-sha256 */
      shopify_signature: string
      /** The number of the attempt, from 1; not sent unless it has a name, such as `webhook-attempt` */
      attempt: string | null
    }
    /** How RFC 9421 signs, defaults filled in; null: it does not */
    message_signature: {
      label: string
      components: (string)[]
      tag: string | null
      expires_seconds: number | null
    } | null
    /** The signature of the scheme `custom`, defaults filled in; null: there is none */
    custom: {
      algorithm: "hmac-sha256" | "hmac-sha1" | "hmac-sha512" | "ed25519"
      encoding: "hex" | "base64" | "base64url"
      key: "text" | "base64" | "hex"
      content: string
      header: string
      value: string
      entry: string
      separator: string
    } | null
  }
  metadata: { [name: string]: string }
  /** When it was made */
  created_at: string
  /** When it was changed last */
  updated_at: string
  /** Grows with every change that a caller makes; also the ETag. A change of `state` by the service leaves it as it is */
  version: number
}

/** A new subscription */
export type SubscriptionCreate = {
  /** Where events are sent: an http or https address, without user name, password and fragment, and allowed by the service */
  target_url: string
  /** The id of a tenant; a key that is for one tenant needs none */
  tenant?: string
  /** Your own name for it, unique within its tenant; `uid:<value>` stands for the id in every path */
  uid?: string | null
  /** For people */
  description?: string | null
  /** When it is set, every ingest must be signed with it (HMAC-SHA256 of the raw body, in `X-Hub-Signature-256`). Shown in the 201 answer only. */
  secret?: string | null
  /** Only events of these types are delivered; null: all events. Exact types, or patterns in which `*` stands for a segment between dots, at the end for one or more: `order.*`, `order.*.paid`. A pattern has at most 8 segments. `*` alone stands for every event, also one without a type */
  event_types?: (string)[] | null
  /** Only events that have at least one of these channels are delivered; null: all events, with channels or without */
  channels?: (string)[] | null
  /** Only events that it matches are delivered; null: all events. Conditions on `payload`, `headers`, `metadata` and `event_type`: nested objects are paths, a bare value means equality, and the operators are `$eq`, `$neq`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$startsWith`, `$endsWith`, `$exist`, `$or`, `$and`, `$not`. At most 16 levels, 100 values to compare with, 100 in one `$in` or `$nin`, and 8192 bytes of JSON in all */
  filter?: { [name: string]: unknown } | null
  /** Events are accepted, and delivered once it is resumed */
  paused?: boolean
  /** When a failed delivery is tried again. A field that is left out or null has the default of the service. */
  retry?: {
    /** Attempts in all, the first included. Left out: the default of the service, or as many as use each delay of `schedule_seconds` where that is more */
    max_attempts?: number | null
    /** Delay after the first failed attempt */
    base_seconds?: number | null
    /** Each further delay is this many times the one before */
    factor?: number | null
    /** No delay is longer */
    max_delay_seconds?: number | null
    /** Explicit delays: the first follows attempt 1, the last one is repeated. They replace base, factor and maximum */
    schedule_seconds?: (number)[] | null
    /** Up to this share of a delay is added at random */
    jitter?: number | null
    /** No attempt later than this after the event was accepted */
    max_age_seconds?: number | null
    /** Statuses after which there is no further attempt, such as 400; 410 always is one */
    terminal_statuses?: (number)[] | null
    /** What the other fields start from. `standard`: 10 attempts over 75 hours (0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h) with jitter. Not stored by name. */
    preset?: "default" | "standard" | null
  } | null
  /** How long one attempt may take */
  timeout_ms?: number | null
  /** How long name look-up, connection and TLS handshake may take together, within `timeout_ms`; a larger value has no effect. An attempt over an open connection does none of them */
  connect_timeout_ms?: number | null
  /** How many requests may be open to the receiver at a time. Null: the service finds out how many it is best served with */
  max_in_flight?: number | null
  /** At most `requests` attempts in `per_seconds` seconds. Deliveries beyond it wait, which spends no attempt */
  rate_limit?: {
    requests: number
    per_seconds: number
  } | null
  /** One at a time, in the order of acceptance. One that fails holds those after it until it is delivered or given up */
  ordered?: boolean
  /** Where an event says what it belongs to: `payload.<path>` such as `payload.customer.id`, `headers.<name>`, `metadata.<name>`, or `subject`, that of CloudEvents. Events with the same key go one at a time, in the order of acceptance, and one that fails holds only those of its key. An event without a key is in no order. Not together with `ordered` */
  ordering_key?: string | null
  /** `raw`: the body as it was sent, byte for byte. `slack`: `{"text": …}` as an incoming webhook of Slack takes it: the subject and the text of a system event, the `text` of a JSON body that has one, else the type and the beginning of the body. `cloudevents-structured` and `cloudevents-binary`: a CloudEvent 1.0 in one JSON object, or in headers beside the body as it was sent; `cloudevents` says what its attributes are. What is signed is what is sent */
  format?: "raw" | "cloudevents-structured" | "cloudevents-binary" | "slack" | null
  /** Each attempt tells the receiver where it is in a trace, by the header `traceparent` (W3C Trace Context): its own place where the service traces, else the one that came with the event, if any */
  forward_traceparent?: boolean
  /** Of which attempts request headers, answer and timings are kept (`GET /attempts/{id}`): of `failures`, of `all`, of `none`; with `none` the log quotes no answer either. Null: as the setting `CAPTURE_RESPONSES` says */
  capture?: "failures" | "all" | "none" | null
  /** How what is sent to `POST /ingest/{id}` is verified: as a provider signs. It takes the place of `secret`. The event type and the id by which a repeat is known are read as the preset says */
  inbound?: {
    /** The `id` of one of `GET /sources/presets` */
    preset: string
    /** Secrets as the provider shows them, or its public keys; one that fits is enough. Shown as ********; a mask sent back keeps the one at its place */
    secrets?: (string)[]
    /** How far the time of a signature may be from now; null: as the preset says */
    tolerance_seconds?: number | null
    /** Where the id stands by which a repeat is known, at most ten places; none: repeats are not known; null: as the preset says */
    dedupe?: (string)[] | null
    /** False: who has an API key needs no signature. True unless given */
    require_signature?: boolean
  } | null
  /** Sent with every delivery, such as `{"Authorization": "Bearer …"}`. Values are stored encrypted and shown masked as ********; a masked value sent back keeps the one there is. At most 32 names and 8192 bytes in all; names that the service sets itself are refused. */
  headers?: { [name: string]: string } | null
  /** Headers that are made for each attempt, such as `{"X-Order": "{metadata.order}"}`: `{event_type}`, `{id}` (the `webhook_id`), `{event_id}`, `{tenant}`, `{subscription_id}`, `{created_at}`, `{metadata.NAME}`, `{attempt}`, `{timestamp}` and `{timestamp_ms}` stand for values, `{{` and `}}` for braces. In a value what is no visible ASCII is percent-encoded; a header without a value is not sent. They are no place for secrets: they are shown as they are. At most 16 names; those that the service sets itself, or that are in `headers`, are refused */
  header_templates?: { [name: string]: string } | null
  /** The attributes of events in the formats `cloudevents-structured` and `cloudevents-binary`. In each text `{event_type}`, `{id}`, `{event_id}`, `{tenant}`, `{subscription_id}`, `{created_at}` and `{metadata.NAME}` stand for what the event has, `{{` and `}}` for braces */
  cloudevents?: {
    /** A URI reference. Null: `/tenants/<tenant>` */
    source?: string | null
    /** Null: the type of the event, or `webhook.event` where it has none */
    type?: string | null
    /** Null, or without a value: none is sent */
    subject?: string | null
    /** Attributes of your own, at most 16, by names of 1 to 20 lower-case letters and digits */
    extensions?: { [name: string]: string | null } | null
  } | null
  /** What is shown to the receiver so that it lets deliveries in. Null: nothing */
  auth?: {
    /** `basic`: `username` and `password`. `bearer`: `token`. `oauth2`: an access token by client credentials, fetched from `token_url`, kept until it ends, and fetched anew once when the receiver answers 401. `mtls`: `certificate` and `key` */
    type?: "none" | "basic" | "bearer" | "oauth2" | "mtls" | null
    /** Of Basic authentication */
    username?: string | null
    /** Of Basic authentication. Stored encrypted, shown as ********; sent back so, it is kept */
    password?: string | null
    /** Sent as `Authorization: Bearer`. Stored encrypted, shown as ********; sent back so, it is kept */
    token?: string | null
    /** Where OAuth 2 gives access tokens. The same rules hold for it as for `target_url` */
    token_url?: string | null
    /** Of OAuth 2 */
    client_id?: string | null
    /** Of OAuth 2. Stored encrypted, shown as ********; sent back so, it is kept */
    client_secret?: string | null
    /** Where OAuth 2 sends id and secret: by Basic authentication (null: this), or in the body */
    client_auth?: "basic" | "body" | null
    /** Of OAuth 2; null: none is asked for */
    scope?: string | null
    /** Of OAuth 2, for servers that ask for it; null: none is sent */
    audience?: string | null
    /** The certificate that is shown to the receiver (mutual TLS), with those between it and its authority, as PEM. Any type may have it, with `key`. At most 65536 characters */
    certificate?: string | null
    /** The private key of `certificate`, as PEM without a passphrase. Stored encrypted, shown as ********; sent back so, it is kept. At most 65536 characters */
    key?: string | null
    /** The only authorities that a certificate of the receiver may come from, as PEM; null: the usual ones. Any type may have it. At most 65536 characters */
    ca?: string | null
    /** Set by the service, and ignored here */
    certificate_expires_at?: string | null
  } | null
  /** How deliveries are signed. A field that is left out or null is as in Standard Webhooks v1. */
  signing?: {
    /** `v1`: HMAC-SHA256 of Standard Webhooks, with `signing_secret`. `v1a`: Ed25519 of Standard Webhooks, verified with `signing_public_key`. `hub-sha256`: HMAC-SHA256 of the body alone in hex, as GitHub signs; `shopify-sha256`: the same in base64, as Shopify signs; `stripe-sha256`: HMAC-SHA256 of time and body, as Stripe signs. The key of these three is the whole text of `signing_secret`, prefix included. `rfc9421-hmac-sha256` and `rfc9421-ed25519`: HTTP message signatures (RFC 9421) with `Content-Digest`, with the key of `v1` and the key pair of `v1a`. `custom`: as `custom` says. A list signs in several ways at once. */
    scheme?: "v1" | "v1a" | "hub-sha256" | "stripe-sha256" | "shopify-sha256" | "rfc9421-hmac-sha256" | "rfc9421-ed25519" | "custom" | "none" | ("v1" | "v1a" | "hub-sha256" | "stripe-sha256" | "shopify-sha256" | "rfc9421-hmac-sha256" | "rfc9421-ed25519" | "custom")[] | null
    /** Other names for these headers */
    headers?: {
      /** The id of the event */
      id?: string | null
      /** The time of the attempt, in Unix seconds */
      timestamp?: string | null
      /** The list of signatures (v1, v1a) */
      signature?: string | null
      /** The signature of hub-sha256 */
      hub_signature?: string | null
      /** The time and the signatures of stripe-sha256 */
      stripe_signature?: string | null
      /** The signature of shopify-sha256 */
      shopify_signature?: string | null
      /** The number of the attempt, from 1; not sent unless it has a name, such as `webhook-attempt` */
      attempt?: string | null
    } | null
    /** How `rfc9421-hmac-sha256` and `rfc9421-ed25519` sign (RFC 9421) */
    message_signature?: {
      /** What signatures are called, with a number after it; null: `sig`, so that the first is `sig1` */
      label?: string | null
      /** What is signed: `@method`, `@target-uri`, `@authority`, `@scheme`, `@request-target`, `@path`, `@query`, and names of headers in lower case; `content-digest` has to be among them, as it stands for the body. A header that a message does not have is left out. Null: `@method`, `@target-uri`, `content-digest`, `content-type` and the headers of id and time. At most 32 */
      components?: (string)[] | null
      /** The parameter `tag`; null: none */
      tag?: string | null
      /** The parameter `expires`: how long after it was made a signature holds; null: none */
      expires_seconds?: number | null
    } | null
    /** The signature of the scheme `custom`, as another service makes it. It needs `content` and `header` */
    custom?: {
      /** Null: `hmac-sha256`. `ed25519` signs with the key pair of `signing_public_key` */
      algorithm?: "hmac-sha256" | "hmac-sha1" | "hmac-sha512" | "ed25519" | null
      /** How the signature is written; null: `hex` */
      encoding?: "hex" | "base64" | "base64url" | null
      /** The key of an HMAC: the whole `signing_secret` as text (null: this), or the bytes that it is in base64 (after `whsec_`, if that is there) or hex */
      key?: "text" | "base64" | "hex" | null
      /** What is signed: `{body}`, `{id}`, `{timestamp}` (Unix seconds), `{timestamp_ms}`, `{method}`, `{url}`, `{path}`, `{event_id}`, `{event_type}`, `{tenant}`, `{subscription_id}`, `{created_at}`, `{attempt}` and `{metadata.NAME}` stand for values, `{{` and `}}` for braces. At most 512 characters */
      content?: string
      /** The header that holds the signature */
      header?: string
      /** Its value; null: `{signature}`. `{signature}` is one signature: while a secret is being replaced that of the older one, which all receivers have. `{signatures}` is one `entry` for each secret in force, newest first. All placeholders of `content` but those of the request can stand in it, too. At most 512 characters */
      value?: string | null
      /** One of `{signatures}`; null: `{signature}`. At most 512 characters */
      entry?: string | null
      /** Between the entries; null: a comma */
      separator?: string | null
    } | null
  } | null
  /** Your own names and texts; shown, never sent to the receiver */
  metadata?: { [name: string]: string } | null
  /** A secret of your own to sign with: `whsec_` and base64 of 24 to 64 bytes, also without the prefix; for the schemes of other services, without `v1`, also any 16 ASCII characters or more. Made when it is left out. */
  signing_secret?: string | null
}

/** All rules of a subscription: what is left out goes back to its default. Only `secret` and `uid` are kept when they are left out, the secret also when it is sent masked (********); null removes them. A masked header value keeps the one there is. */
export type SubscriptionReplace = {
  /** Where events are sent: an http or https address, without user name, password and fragment, and allowed by the service */
  target_url: string
  /** Your own name for it, unique within its tenant; `uid:<value>` stands for the id in every path */
  uid?: string | null
  /** For people */
  description?: string | null
  /** When it is set, every ingest must be signed with it (HMAC-SHA256 of the raw body, in `X-Hub-Signature-256`). Shown in the 201 answer only. */
  secret?: string | null
  /** Only events of these types are delivered; null: all events. Exact types, or patterns in which `*` stands for a segment between dots, at the end for one or more: `order.*`, `order.*.paid`. A pattern has at most 8 segments. `*` alone stands for every event, also one without a type */
  event_types?: (string)[] | null
  /** Only events that have at least one of these channels are delivered; null: all events, with channels or without */
  channels?: (string)[] | null
  /** Only events that it matches are delivered; null: all events. Conditions on `payload`, `headers`, `metadata` and `event_type`: nested objects are paths, a bare value means equality, and the operators are `$eq`, `$neq`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$startsWith`, `$endsWith`, `$exist`, `$or`, `$and`, `$not`. At most 16 levels, 100 values to compare with, 100 in one `$in` or `$nin`, and 8192 bytes of JSON in all */
  filter?: { [name: string]: unknown } | null
  /** Events are accepted, and delivered once it is resumed */
  paused?: boolean
  /** When a failed delivery is tried again. A field that is left out or null has the default of the service. */
  retry?: {
    /** Attempts in all, the first included. Left out: the default of the service, or as many as use each delay of `schedule_seconds` where that is more */
    max_attempts?: number | null
    /** Delay after the first failed attempt */
    base_seconds?: number | null
    /** Each further delay is this many times the one before */
    factor?: number | null
    /** No delay is longer */
    max_delay_seconds?: number | null
    /** Explicit delays: the first follows attempt 1, the last one is repeated. They replace base, factor and maximum */
    schedule_seconds?: (number)[] | null
    /** Up to this share of a delay is added at random */
    jitter?: number | null
    /** No attempt later than this after the event was accepted */
    max_age_seconds?: number | null
    /** Statuses after which there is no further attempt, such as 400; 410 always is one */
    terminal_statuses?: (number)[] | null
    /** What the other fields start from. `standard`: 10 attempts over 75 hours (0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h) with jitter. Not stored by name. */
    preset?: "default" | "standard" | null
  } | null
  /** How long one attempt may take */
  timeout_ms?: number | null
  /** How long name look-up, connection and TLS handshake may take together, within `timeout_ms`; a larger value has no effect. An attempt over an open connection does none of them */
  connect_timeout_ms?: number | null
  /** How many requests may be open to the receiver at a time. Null: the service finds out how many it is best served with */
  max_in_flight?: number | null
  /** At most `requests` attempts in `per_seconds` seconds. Deliveries beyond it wait, which spends no attempt */
  rate_limit?: {
    requests: number
    per_seconds: number
  } | null
  /** One at a time, in the order of acceptance. One that fails holds those after it until it is delivered or given up */
  ordered?: boolean
  /** Where an event says what it belongs to: `payload.<path>` such as `payload.customer.id`, `headers.<name>`, `metadata.<name>`, or `subject`, that of CloudEvents. Events with the same key go one at a time, in the order of acceptance, and one that fails holds only those of its key. An event without a key is in no order. Not together with `ordered` */
  ordering_key?: string | null
  /** `raw`: the body as it was sent, byte for byte. `slack`: `{"text": …}` as an incoming webhook of Slack takes it: the subject and the text of a system event, the `text` of a JSON body that has one, else the type and the beginning of the body. `cloudevents-structured` and `cloudevents-binary`: a CloudEvent 1.0 in one JSON object, or in headers beside the body as it was sent; `cloudevents` says what its attributes are. What is signed is what is sent */
  format?: "raw" | "cloudevents-structured" | "cloudevents-binary" | "slack" | null
  /** Each attempt tells the receiver where it is in a trace, by the header `traceparent` (W3C Trace Context): its own place where the service traces, else the one that came with the event, if any */
  forward_traceparent?: boolean
  /** Of which attempts request headers, answer and timings are kept (`GET /attempts/{id}`): of `failures`, of `all`, of `none`; with `none` the log quotes no answer either. Null: as the setting `CAPTURE_RESPONSES` says */
  capture?: "failures" | "all" | "none" | null
  /** How what is sent to `POST /ingest/{id}` is verified: as a provider signs. It takes the place of `secret`. The event type and the id by which a repeat is known are read as the preset says */
  inbound?: {
    /** The `id` of one of `GET /sources/presets` */
    preset: string
    /** Secrets as the provider shows them, or its public keys; one that fits is enough. Shown as ********; a mask sent back keeps the one at its place */
    secrets?: (string)[]
    /** How far the time of a signature may be from now; null: as the preset says */
    tolerance_seconds?: number | null
    /** Where the id stands by which a repeat is known, at most ten places; none: repeats are not known; null: as the preset says */
    dedupe?: (string)[] | null
    /** False: who has an API key needs no signature. True unless given */
    require_signature?: boolean
  } | null
  /** Sent with every delivery, such as `{"Authorization": "Bearer …"}`. Values are stored encrypted and shown masked as ********; a masked value sent back keeps the one there is. At most 32 names and 8192 bytes in all; names that the service sets itself are refused. */
  headers?: { [name: string]: string } | null
  /** Headers that are made for each attempt, such as `{"X-Order": "{metadata.order}"}`: `{event_type}`, `{id}` (the `webhook_id`), `{event_id}`, `{tenant}`, `{subscription_id}`, `{created_at}`, `{metadata.NAME}`, `{attempt}`, `{timestamp}` and `{timestamp_ms}` stand for values, `{{` and `}}` for braces. In a value what is no visible ASCII is percent-encoded; a header without a value is not sent. They are no place for secrets: they are shown as they are. At most 16 names; those that the service sets itself, or that are in `headers`, are refused */
  header_templates?: { [name: string]: string } | null
  /** The attributes of events in the formats `cloudevents-structured` and `cloudevents-binary`. In each text `{event_type}`, `{id}`, `{event_id}`, `{tenant}`, `{subscription_id}`, `{created_at}` and `{metadata.NAME}` stand for what the event has, `{{` and `}}` for braces */
  cloudevents?: {
    /** A URI reference. Null: `/tenants/<tenant>` */
    source?: string | null
    /** Null: the type of the event, or `webhook.event` where it has none */
    type?: string | null
    /** Null, or without a value: none is sent */
    subject?: string | null
    /** Attributes of your own, at most 16, by names of 1 to 20 lower-case letters and digits */
    extensions?: { [name: string]: string | null } | null
  } | null
  /** What is shown to the receiver so that it lets deliveries in. Null: nothing */
  auth?: {
    /** `basic`: `username` and `password`. `bearer`: `token`. `oauth2`: an access token by client credentials, fetched from `token_url`, kept until it ends, and fetched anew once when the receiver answers 401. `mtls`: `certificate` and `key` */
    type?: "none" | "basic" | "bearer" | "oauth2" | "mtls" | null
    /** Of Basic authentication */
    username?: string | null
    /** Of Basic authentication. Stored encrypted, shown as ********; sent back so, it is kept */
    password?: string | null
    /** Sent as `Authorization: Bearer`. Stored encrypted, shown as ********; sent back so, it is kept */
    token?: string | null
    /** Where OAuth 2 gives access tokens. The same rules hold for it as for `target_url` */
    token_url?: string | null
    /** Of OAuth 2 */
    client_id?: string | null
    /** Of OAuth 2. Stored encrypted, shown as ********; sent back so, it is kept */
    client_secret?: string | null
    /** Where OAuth 2 sends id and secret: by Basic authentication (null: this), or in the body */
    client_auth?: "basic" | "body" | null
    /** Of OAuth 2; null: none is asked for */
    scope?: string | null
    /** Of OAuth 2, for servers that ask for it; null: none is sent */
    audience?: string | null
    /** The certificate that is shown to the receiver (mutual TLS), with those between it and its authority, as PEM. Any type may have it, with `key`. At most 65536 characters */
    certificate?: string | null
    /** The private key of `certificate`, as PEM without a passphrase. Stored encrypted, shown as ********; sent back so, it is kept. At most 65536 characters */
    key?: string | null
    /** The only authorities that a certificate of the receiver may come from, as PEM; null: the usual ones. Any type may have it. At most 65536 characters */
    ca?: string | null
    /** Set by the service, and ignored here */
    certificate_expires_at?: string | null
  } | null
  /** How deliveries are signed. A field that is left out or null is as in Standard Webhooks v1. */
  signing?: {
    /** `v1`: HMAC-SHA256 of Standard Webhooks, with `signing_secret`. `v1a`: Ed25519 of Standard Webhooks, verified with `signing_public_key`. `hub-sha256`: HMAC-SHA256 of the body alone in hex, as GitHub signs; `shopify-sha256`: the same in base64, as Shopify signs; `stripe-sha256`: HMAC-SHA256 of time and body, as Stripe signs. The key of these three is the whole text of `signing_secret`, prefix included. `rfc9421-hmac-sha256` and `rfc9421-ed25519`: HTTP message signatures (RFC 9421) with `Content-Digest`, with the key of `v1` and the key pair of `v1a`. `custom`: as `custom` says. A list signs in several ways at once. */
    scheme?: "v1" | "v1a" | "hub-sha256" | "stripe-sha256" | "shopify-sha256" | "rfc9421-hmac-sha256" | "rfc9421-ed25519" | "custom" | "none" | ("v1" | "v1a" | "hub-sha256" | "stripe-sha256" | "shopify-sha256" | "rfc9421-hmac-sha256" | "rfc9421-ed25519" | "custom")[] | null
    /** Other names for these headers */
    headers?: {
      /** The id of the event */
      id?: string | null
      /** The time of the attempt, in Unix seconds */
      timestamp?: string | null
      /** The list of signatures (v1, v1a) */
      signature?: string | null
      /** The signature of hub-sha256 */
      hub_signature?: string | null
      /** The time and the signatures of stripe-sha256 */
      stripe_signature?: string | null
      /** The signature of shopify-sha256 */
      shopify_signature?: string | null
      /** The number of the attempt, from 1; not sent unless it has a name, such as `webhook-attempt` */
      attempt?: string | null
    } | null
    /** How `rfc9421-hmac-sha256` and `rfc9421-ed25519` sign (RFC 9421) */
    message_signature?: {
      /** What signatures are called, with a number after it; null: `sig`, so that the first is `sig1` */
      label?: string | null
      /** What is signed: `@method`, `@target-uri`, `@authority`, `@scheme`, `@request-target`, `@path`, `@query`, and names of headers in lower case; `content-digest` has to be among them, as it stands for the body. A header that a message does not have is left out. Null: `@method`, `@target-uri`, `content-digest`, `content-type` and the headers of id and time. At most 32 */
      components?: (string)[] | null
      /** The parameter `tag`; null: none */
      tag?: string | null
      /** The parameter `expires`: how long after it was made a signature holds; null: none */
      expires_seconds?: number | null
    } | null
    /** The signature of the scheme `custom`, as another service makes it. It needs `content` and `header` */
    custom?: {
      /** Null: `hmac-sha256`. `ed25519` signs with the key pair of `signing_public_key` */
      algorithm?: "hmac-sha256" | "hmac-sha1" | "hmac-sha512" | "ed25519" | null
      /** How the signature is written; null: `hex` */
      encoding?: "hex" | "base64" | "base64url" | null
      /** The key of an HMAC: the whole `signing_secret` as text (null: this), or the bytes that it is in base64 (after `whsec_`, if that is there) or hex */
      key?: "text" | "base64" | "hex" | null
      /** What is signed: `{body}`, `{id}`, `{timestamp}` (Unix seconds), `{timestamp_ms}`, `{method}`, `{url}`, `{path}`, `{event_id}`, `{event_type}`, `{tenant}`, `{subscription_id}`, `{created_at}`, `{attempt}` and `{metadata.NAME}` stand for values, `{{` and `}}` for braces. At most 512 characters */
      content?: string
      /** The header that holds the signature */
      header?: string
      /** Its value; null: `{signature}`. `{signature}` is one signature: while a secret is being replaced that of the older one, which all receivers have. `{signatures}` is one `entry` for each secret in force, newest first. All placeholders of `content` but those of the request can stand in it, too. At most 512 characters */
      value?: string | null
      /** One of `{signatures}`; null: `{signature}`. At most 512 characters */
      entry?: string | null
      /** Between the entries; null: a comma */
      separator?: string | null
    } | null
  } | null
  /** Your own names and texts; shown, never sent to the receiver */
  metadata?: { [name: string]: string } | null
  /** Set by the service; another value than the present one is refused */
  id?: number
  /** Set by the service; another value than the present one is refused */
  tenant?: string
  /** `rotate-secret` replaces it */
  signing_secret?: string
  /** Set by the service; another value than the present one is refused */
  signing_public_key?: string | null
  /** Set by the service; another value than the present one is refused */
  state?: "active" | "paused" | "degraded" | "circuit_open" | "disabled"
  /** Set by the service; another value than the present one is refused */
  state_reason?: string | null
  /** Set by the service; another value than the present one is refused */
  state_since?: string
  /** Set by the service; another value than the present one is refused */
  verification?: {
    state?: "pending" | "verified" | "failed"
    method?: "challenge" | "cloudevents"
    /** When the receiver was asked last */
    asked_at?: string | null
    /** When it said yes */
    verified_at?: string | null
    /** Why it is not verified */
    reason?: string | null
    /** How many requests a minute the receiver allows (`WebHook-Allowed-Rate` of CloudEvents); the service keeps to it */
    allowed_per_minute?: number | null
  } | null
  /** Ignored: it is another one a moment later */
  in_flight_now?: unknown
  /** Ignored: it is another one a moment later */
  waiting?: unknown
  /** Set by the service; another value than the present one is refused */
  created_at?: string
  /** Set by the service; another value than the present one is refused */
  updated_at?: string
  /** Set by the service. As with `If-Match`, another version by now is 412 */
  version?: number
}

/** What is to change (a JSON merge patch, RFC 7396): null takes a field back to its default */
export type SubscriptionPatch = {
  /** Your own name for it, unique within its tenant; `uid:<value>` stands for the id in every path */
  uid?: string | null
  /** For people */
  description?: string | null
  /** When it is set, every ingest must be signed with it (HMAC-SHA256 of the raw body, in `X-Hub-Signature-256`). Shown in the 201 answer only. */
  secret?: string | null
  /** Only events of these types are delivered; null: all events. Exact types, or patterns in which `*` stands for a segment between dots, at the end for one or more: `order.*`, `order.*.paid`. A pattern has at most 8 segments. `*` alone stands for every event, also one without a type */
  event_types?: (string)[] | null
  /** Only events that have at least one of these channels are delivered; null: all events, with channels or without */
  channels?: (string)[] | null
  /** Only events that it matches are delivered; null: all events. Conditions on `payload`, `headers`, `metadata` and `event_type`: nested objects are paths, a bare value means equality, and the operators are `$eq`, `$neq`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$startsWith`, `$endsWith`, `$exist`, `$or`, `$and`, `$not`. At most 16 levels, 100 values to compare with, 100 in one `$in` or `$nin`, and 8192 bytes of JSON in all */
  filter?: { [name: string]: unknown } | null
  /** Events are accepted, and delivered once it is resumed */
  paused?: boolean
  /** When a failed delivery is tried again. A field that is left out or null has the default of the service. */
  retry?: {
    /** Attempts in all, the first included. Left out: the default of the service, or as many as use each delay of `schedule_seconds` where that is more */
    max_attempts?: number | null
    /** Delay after the first failed attempt */
    base_seconds?: number | null
    /** Each further delay is this many times the one before */
    factor?: number | null
    /** No delay is longer */
    max_delay_seconds?: number | null
    /** Explicit delays: the first follows attempt 1, the last one is repeated. They replace base, factor and maximum */
    schedule_seconds?: (number)[] | null
    /** Up to this share of a delay is added at random */
    jitter?: number | null
    /** No attempt later than this after the event was accepted */
    max_age_seconds?: number | null
    /** Statuses after which there is no further attempt, such as 400; 410 always is one */
    terminal_statuses?: (number)[] | null
    /** What the other fields start from. `standard`: 10 attempts over 75 hours (0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h) with jitter. Not stored by name. */
    preset?: "default" | "standard" | null
  } | null
  /** How long one attempt may take */
  timeout_ms?: number | null
  /** How long name look-up, connection and TLS handshake may take together, within `timeout_ms`; a larger value has no effect. An attempt over an open connection does none of them */
  connect_timeout_ms?: number | null
  /** How many requests may be open to the receiver at a time. Null: the service finds out how many it is best served with */
  max_in_flight?: number | null
  /** At most `requests` attempts in `per_seconds` seconds. Deliveries beyond it wait, which spends no attempt */
  rate_limit?: {
    requests: number
    per_seconds: number
  } | null
  /** One at a time, in the order of acceptance. One that fails holds those after it until it is delivered or given up */
  ordered?: boolean
  /** Where an event says what it belongs to: `payload.<path>` such as `payload.customer.id`, `headers.<name>`, `metadata.<name>`, or `subject`, that of CloudEvents. Events with the same key go one at a time, in the order of acceptance, and one that fails holds only those of its key. An event without a key is in no order. Not together with `ordered` */
  ordering_key?: string | null
  /** `raw`: the body as it was sent, byte for byte. `slack`: `{"text": …}` as an incoming webhook of Slack takes it: the subject and the text of a system event, the `text` of a JSON body that has one, else the type and the beginning of the body. `cloudevents-structured` and `cloudevents-binary`: a CloudEvent 1.0 in one JSON object, or in headers beside the body as it was sent; `cloudevents` says what its attributes are. What is signed is what is sent */
  format?: "raw" | "cloudevents-structured" | "cloudevents-binary" | "slack" | null
  /** Each attempt tells the receiver where it is in a trace, by the header `traceparent` (W3C Trace Context): its own place where the service traces, else the one that came with the event, if any */
  forward_traceparent?: boolean
  /** Of which attempts request headers, answer and timings are kept (`GET /attempts/{id}`): of `failures`, of `all`, of `none`; with `none` the log quotes no answer either. Null: as the setting `CAPTURE_RESPONSES` says */
  capture?: "failures" | "all" | "none" | null
  /** As in a PUT; what is left out stays as it is */
  inbound?: {
    /** The `id` of one of `GET /sources/presets` */
    preset?: string
    /** Secrets as the provider shows them, or its public keys; one that fits is enough. Shown as ********; a mask sent back keeps the one at its place */
    secrets?: (string)[]
    /** How far the time of a signature may be from now; null: as the preset says */
    tolerance_seconds?: number | null
    /** Where the id stands by which a repeat is known, at most ten places; none: repeats are not known; null: as the preset says */
    dedupe?: (string)[] | null
    /** False: who has an API key needs no signature. True unless given */
    require_signature?: boolean
  } | null
  /** Sent with every delivery, such as `{"Authorization": "Bearer …"}`. Values are stored encrypted and shown masked as ********; a masked value sent back keeps the one there is. At most 32 names and 8192 bytes in all; names that the service sets itself are refused. */
  headers?: { [name: string]: string | null } | null
  /** Headers that are made for each attempt, such as `{"X-Order": "{metadata.order}"}`: `{event_type}`, `{id}` (the `webhook_id`), `{event_id}`, `{tenant}`, `{subscription_id}`, `{created_at}`, `{metadata.NAME}`, `{attempt}`, `{timestamp}` and `{timestamp_ms}` stand for values, `{{` and `}}` for braces. In a value what is no visible ASCII is percent-encoded; a header without a value is not sent. They are no place for secrets: they are shown as they are. At most 16 names; those that the service sets itself, or that are in `headers`, are refused */
  header_templates?: { [name: string]: string | null } | null
  /** The attributes of events in the formats `cloudevents-structured` and `cloudevents-binary`. In each text `{event_type}`, `{id}`, `{event_id}`, `{tenant}`, `{subscription_id}`, `{created_at}` and `{metadata.NAME}` stand for what the event has, `{{` and `}}` for braces */
  cloudevents?: {
    /** A URI reference. Null: `/tenants/<tenant>` */
    source?: string | null
    /** Null: the type of the event, or `webhook.event` where it has none */
    type?: string | null
    /** Null, or without a value: none is sent */
    subject?: string | null
    /** Attributes of your own, at most 16, by names of 1 to 20 lower-case letters and digits */
    extensions?: { [name: string]: string | null } | null
  } | null
  /** What is shown to the receiver so that it lets deliveries in. Null: nothing */
  auth?: {
    /** `basic`: `username` and `password`. `bearer`: `token`. `oauth2`: an access token by client credentials, fetched from `token_url`, kept until it ends, and fetched anew once when the receiver answers 401. `mtls`: `certificate` and `key` */
    type?: "none" | "basic" | "bearer" | "oauth2" | "mtls" | null
    /** Of Basic authentication */
    username?: string | null
    /** Of Basic authentication. Stored encrypted, shown as ********; sent back so, it is kept */
    password?: string | null
    /** Sent as `Authorization: Bearer`. Stored encrypted, shown as ********; sent back so, it is kept */
    token?: string | null
    /** Where OAuth 2 gives access tokens. The same rules hold for it as for `target_url` */
    token_url?: string | null
    /** Of OAuth 2 */
    client_id?: string | null
    /** Of OAuth 2. Stored encrypted, shown as ********; sent back so, it is kept */
    client_secret?: string | null
    /** Where OAuth 2 sends id and secret: by Basic authentication (null: this), or in the body */
    client_auth?: "basic" | "body" | null
    /** Of OAuth 2; null: none is asked for */
    scope?: string | null
    /** Of OAuth 2, for servers that ask for it; null: none is sent */
    audience?: string | null
    /** The certificate that is shown to the receiver (mutual TLS), with those between it and its authority, as PEM. Any type may have it, with `key`. At most 65536 characters */
    certificate?: string | null
    /** The private key of `certificate`, as PEM without a passphrase. Stored encrypted, shown as ********; sent back so, it is kept. At most 65536 characters */
    key?: string | null
    /** The only authorities that a certificate of the receiver may come from, as PEM; null: the usual ones. Any type may have it. At most 65536 characters */
    ca?: string | null
    /** Set by the service, and ignored here */
    certificate_expires_at?: string | null
  } | null
  /** How deliveries are signed. A field that is left out or null is as in Standard Webhooks v1. */
  signing?: {
    /** `v1`: HMAC-SHA256 of Standard Webhooks, with `signing_secret`. `v1a`: Ed25519 of Standard Webhooks, verified with `signing_public_key`. `hub-sha256`: HMAC-SHA256 of the body alone in hex, as GitHub signs; `shopify-sha256`: the same in base64, as Shopify signs; `stripe-sha256`: HMAC-SHA256 of time and body, as Stripe signs. The key of these three is the whole text of `signing_secret`, prefix included. `rfc9421-hmac-sha256` and `rfc9421-ed25519`: HTTP message signatures (RFC 9421) with `Content-Digest`, with the key of `v1` and the key pair of `v1a`. `custom`: as `custom` says. A list signs in several ways at once. */
    scheme?: "v1" | "v1a" | "hub-sha256" | "stripe-sha256" | "shopify-sha256" | "rfc9421-hmac-sha256" | "rfc9421-ed25519" | "custom" | "none" | ("v1" | "v1a" | "hub-sha256" | "stripe-sha256" | "shopify-sha256" | "rfc9421-hmac-sha256" | "rfc9421-ed25519" | "custom")[] | null
    /** Other names for these headers */
    headers?: {
      /** The id of the event */
      id?: string | null
      /** The time of the attempt, in Unix seconds */
      timestamp?: string | null
      /** The list of signatures (v1, v1a) */
      signature?: string | null
      /** The signature of hub-sha256 */
      hub_signature?: string | null
      /** The time and the signatures of stripe-sha256 */
      stripe_signature?: string | null
      /** The signature of shopify-sha256 */
      shopify_signature?: string | null
      /** The number of the attempt, from 1; not sent unless it has a name, such as `webhook-attempt` */
      attempt?: string | null
    } | null
    /** How `rfc9421-hmac-sha256` and `rfc9421-ed25519` sign (RFC 9421) */
    message_signature?: {
      /** What signatures are called, with a number after it; null: `sig`, so that the first is `sig1` */
      label?: string | null
      /** What is signed: `@method`, `@target-uri`, `@authority`, `@scheme`, `@request-target`, `@path`, `@query`, and names of headers in lower case; `content-digest` has to be among them, as it stands for the body. A header that a message does not have is left out. Null: `@method`, `@target-uri`, `content-digest`, `content-type` and the headers of id and time. At most 32 */
      components?: (string)[] | null
      /** The parameter `tag`; null: none */
      tag?: string | null
      /** The parameter `expires`: how long after it was made a signature holds; null: none */
      expires_seconds?: number | null
    } | null
    /** The signature of the scheme `custom`, as another service makes it. It needs `content` and `header` */
    custom?: {
      /** Null: `hmac-sha256`. `ed25519` signs with the key pair of `signing_public_key` */
      algorithm?: "hmac-sha256" | "hmac-sha1" | "hmac-sha512" | "ed25519" | null
      /** How the signature is written; null: `hex` */
      encoding?: "hex" | "base64" | "base64url" | null
      /** The key of an HMAC: the whole `signing_secret` as text (null: this), or the bytes that it is in base64 (after `whsec_`, if that is there) or hex */
      key?: "text" | "base64" | "hex" | null
      /** What is signed: `{body}`, `{id}`, `{timestamp}` (Unix seconds), `{timestamp_ms}`, `{method}`, `{url}`, `{path}`, `{event_id}`, `{event_type}`, `{tenant}`, `{subscription_id}`, `{created_at}`, `{attempt}` and `{metadata.NAME}` stand for values, `{{` and `}}` for braces. At most 512 characters */
      content?: string
      /** The header that holds the signature */
      header?: string
      /** Its value; null: `{signature}`. `{signature}` is one signature: while a secret is being replaced that of the older one, which all receivers have. `{signatures}` is one `entry` for each secret in force, newest first. All placeholders of `content` but those of the request can stand in it, too. At most 512 characters */
      value?: string | null
      /** One of `{signatures}`; null: `{signature}`. At most 512 characters */
      entry?: string | null
      /** Between the entries; null: a comma */
      separator?: string | null
    } | null
  } | null
  /** Your own names and texts; shown, never sent to the receiver */
  metadata?: { [name: string]: string | null } | null
  /** Where events are sent: an http or https address, without user name, password and fragment, and allowed by the service */
  target_url?: string
  /** Set by the service; another value than the present one is refused */
  id?: number
  /** Set by the service; another value than the present one is refused */
  tenant?: string
  /** `rotate-secret` replaces it */
  signing_secret?: string
  /** Set by the service; another value than the present one is refused */
  signing_public_key?: string | null
  /** Set by the service; another value than the present one is refused */
  state?: "active" | "paused" | "degraded" | "circuit_open" | "disabled"
  /** Set by the service; another value than the present one is refused */
  state_reason?: string | null
  /** Set by the service; another value than the present one is refused */
  state_since?: string
  /** Set by the service; another value than the present one is refused */
  verification?: {
    state?: "pending" | "verified" | "failed"
    method?: "challenge" | "cloudevents"
    /** When the receiver was asked last */
    asked_at?: string | null
    /** When it said yes */
    verified_at?: string | null
    /** Why it is not verified */
    reason?: string | null
    /** How many requests a minute the receiver allows (`WebHook-Allowed-Rate` of CloudEvents); the service keeps to it */
    allowed_per_minute?: number | null
  } | null
  /** Ignored: it is another one a moment later */
  in_flight_now?: unknown
  /** Ignored: it is another one a moment later */
  waiting?: unknown
  /** Set by the service; another value than the present one is refused */
  created_at?: string
  /** Set by the service; another value than the present one is refused */
  updated_at?: string
  /** Set by the service. As with `If-Match`, another version by now is 412 */
  version?: number
}

/** What becomes of what waited */
export type SubscriptionResume = {
  /** What becomes of what waited: it is delivered, or it ends as cancelled, each with a row in the log. What is scheduled for later is kept */
  waiting?: "deliver" | "discard"
}

/** The new signing secret, and how long the previous one still signs */
export type SecretRotation = {
  /** A secret of your own to sign with: `whsec_` and base64 of 24 to 64 bytes, also without the prefix; for the schemes of other services, without `v1`, also any 16 ASCII characters or more. Made when it is left out. */
  secret?: string | null
  /** How long the previous secret still signs, beside the new one; 0: all older ones end now, as after a leak */
  overlap_seconds?: number
}

/** A new signing secret */
export type RotatedSecret = {
  /** The subscription */
  id: number
  /** The new secret; shown here only */
  signing_secret: string
  /** What verifies v1a signatures of the newest key pair; null: there is none */
  signing_public_key: string | null
  /** When the previous secret stops signing */
  expires_at: string
  /** Of the subscription; also the ETag */
  version: number
}

/** The signing secrets in force */
export type RevealedSecrets = {
  /** The subscription */
  id: number
  /** Newest first */
  secrets: ({
    secret: string
    /** When it stops signing; null: when it is replaced */
    expires_at: string | null
    /** The schemes that it signs with now, as in `signing` of the subscription */
    scheme: (string)[]
  })[]
  /** Newest first. The private key is never shown: receivers have no use for it */
  public_keys: ({
    /** What verifies signatures of v1a, rfc9421-ed25519 and custom with ed25519 */
    public_key: string
    /** When it stops signing; null: when it is replaced */
    expires_at: string | null
  })[]
}

/** One request made for a delivery, as it stands in the log */
export type Attempt = {
  id: string
  subscription_id: number
  webhook_id: string
  /** When the attempt ended */
  timestamp: string
  /** 1 is the first */
  attempt: number
  /** Why it was made: `auto` by itself, `replay` in a replay of many, `manual` because someone sent the event again, `test` as a test */
  trigger: "auto" | "replay" | "manual" | "test"
  status: "success" | "failed"
  /** The status that the receiver answered; null: no answer */
  http_status: number | null
  error: string | null
  /** The kind of failure: `http` is an answer that is not 2xx; null: it did not fail */
  error_class: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials" | null
  /** What the owner of the receiver can do about it */
  hint: string | null
  /** What followed from the attempt */
  verdict: "delivered" | "retry" | "given_up" | "expired" | "cancelled"
  duration_ms: number | null
  /** When the next attempt was due; null after the last one */
  next_attempt_at: string | null
}

/** An attempt with its details */
export type AttemptDetails = {
  id: string
  subscription_id: number
  webhook_id: string
  /** When the attempt ended */
  timestamp: string
  /** 1 is the first */
  attempt: number
  /** Why it was made: `auto` by itself, `replay` in a replay of many, `manual` because someone sent the event again, `test` as a test */
  trigger: "auto" | "replay" | "manual" | "test"
  status: "success" | "failed"
  /** The status that the receiver answered; null: no answer */
  http_status: number | null
  error: string | null
  /** The kind of failure: `http` is an answer that is not 2xx; null: it did not fail */
  error_class: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials" | null
  /** What the owner of the receiver can do about it */
  hint: string | null
  /** What followed from the attempt */
  verdict: "delivered" | "retry" | "given_up" | "expired" | "cancelled"
  duration_ms: number | null
  /** When the next attempt was due; null after the last one */
  next_attempt_at: string | null
  /** Null: not kept (see CAPTURE_RESPONSES), or removed by retention */
  request: {
    method: "POST" | "OPTIONS"
    /** The target_url at that time */
    url: string
    /** As they were sent; possible secrets are `[redacted]` */
    headers: { [name: string]: string | (string)[] }
  } | null
  /** Null: there was no answer, or it was not kept */
  response: {
    status: number
    /** As they came; cookies are `[redacted]` */
    headers: { [name: string]: string | (string)[] }
    /** Its beginning, not decompressed. What it repeats of the headers that it was sent is `[redacted]`, in values of 8 characters or more */
    body: string
    /** `base64` when the body is not valid UTF-8 */
    body_encoding: "utf-8" | "base64"
    /** How much of the body arrived */
    body_bytes: number
    /** There was more than is shown */
    body_truncated: boolean
  } | null
  /** Null: not kept */
  timings_ms: {
    /** It used the connection of an earlier attempt; then dns, connect and tls are null */
    reused: boolean
    /** The request was sent twice within this attempt: the receiver had just closed the connection that was kept, so a new one was made at once */
    repeated: boolean
    /** To resolve the host name */
    dns: number | null
    /** To open the TCP connection */
    connect: number | null
    /** For the TLS handshake */
    tls: number | null
    /** From the start of the attempt to the headers of the answer */
    first_byte: number | null
    /** From the start of the attempt to its end */
    total: number | null
  } | null
  /** The address the connection went to, or the last one that was tried */
  remote_address: string | null
}

/** One event owed to one subscription */
export type Delivery = {
  subscription_id: number
  /** `failed`: given up; `cancelled`: its subscription was deleted */
  status: "pending" | "success" | "failed" | "cancelled"
  /** Oldest first */
  attempts: ({
    id: string
    subscription_id: number
    webhook_id: string
    /** When the attempt ended */
    timestamp: string
    /** 1 is the first */
    attempt: number
    /** Why it was made: `auto` by itself, `replay` in a replay of many, `manual` because someone sent the event again, `test` as a test */
    trigger: "auto" | "replay" | "manual" | "test"
    status: "success" | "failed"
    /** The status that the receiver answered; null: no answer */
    http_status: number | null
    error: string | null
    /** The kind of failure: `http` is an answer that is not 2xx; null: it did not fail */
    error_class: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials" | null
    /** What the owner of the receiver can do about it */
    hint: string | null
    /** What followed from the attempt */
    verdict: "delivered" | "retry" | "given_up" | "expired" | "cancelled"
    duration_ms: number | null
    /** When the next attempt was due; null after the last one */
    next_attempt_at: string | null
  })[]
  /** When it is tried next, at the earliest: later while others go first. Null when it is settled, while its subscription is paused or disabled, and while it waits behind another one of its key */
  next_attempt_at: string | null
}

/** The state of every delivery of an event */
export type EventStatus = {
  webhook_id: string
  tenant: string
  event_type: string | null
  content_type: string
  /** Of the payload */
  size_bytes: number
  /** When it was accepted */
  received_at: string
  /** `pending` while any delivery is, else `failed` when any was given up */
  status: "pending" | "success" | "failed" | "cancelled"
  /** One for each subscription it went to */
  deliveries: ({
    subscription_id: number
    /** `failed`: given up; `cancelled`: its subscription was deleted */
    status: "pending" | "success" | "failed" | "cancelled"
    /** Oldest first */
    attempts: ({
      id: string
      subscription_id: number
      webhook_id: string
      /** When the attempt ended */
      timestamp: string
      /** 1 is the first */
      attempt: number
      /** Why it was made: `auto` by itself, `replay` in a replay of many, `manual` because someone sent the event again, `test` as a test */
      trigger: "auto" | "replay" | "manual" | "test"
      status: "success" | "failed"
      /** The status that the receiver answered; null: no answer */
      http_status: number | null
      error: string | null
      /** The kind of failure: `http` is an answer that is not 2xx; null: it did not fail */
      error_class: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials" | null
      /** What the owner of the receiver can do about it */
      hint: string | null
      /** What followed from the attempt */
      verdict: "delivered" | "retry" | "given_up" | "expired" | "cancelled"
      duration_ms: number | null
      /** When the next attempt was due; null after the last one */
      next_attempt_at: string | null
    })[]
    /** When it is tried next, at the earliest: later while others go first. Null when it is settled, while its subscription is paused or disabled, and while it waits behind another one of its key */
    next_attempt_at: string | null
  })[]
}

/** Whether this process works */
export type Health = {
  status: "ok" | "unavailable"
  checks?: { [name: string]: string }
}

/** A filter, and the event that it is held against */
export type FilterTest = {
  /** Only events that it matches are delivered; null: all events. Conditions on `payload`, `headers`, `metadata` and `event_type`: nested objects are paths, a bare value means equality, and the operators are `$eq`, `$neq`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$startsWith`, `$endsWith`, `$exist`, `$or`, `$and`, `$not`. At most 16 levels, 100 values to compare with, 100 in one `$in` or `$nin`, and 8192 bytes of JSON in all */
  filter: { [name: string]: unknown }
  /** Any JSON; left out: a payload that is not JSON */
  payload?: unknown
  /** The headers of the event. They are not kept, so they can be given beside `webhook_id` */
  headers?: { [name: string]: string }
  metadata?: { [name: string]: unknown }
  event_type?: string | null
  /** An event that was accepted, in place of `payload`, `metadata` and `event_type` */
  webhook_id?: string
}

/** Whether the filter matches, and each of its clauses by itself */
export type FilterTestResult = {
  matches: boolean
  why: ({
    /** JSON Pointer into the filter */
    pointer: string
    /** The operator and its operand, such as `$gte 100`; `$or`, `$and`, `$not`; or `one element`: all that the filter says there must hold for one and the same element of an array */
    clause: string
    /** What the event has there, cut where it is large; absent where it has nothing. Beyond an array, what its elements have */
    value?: unknown
    holds: boolean
  })[]
}

/** The removal of what all events before a moment hold */
export type Expunge = {
  id: string
  /** Whose events; null: of all tenants */
  tenant: string | null
  /** Events that were accepted before then */
  before: string
  state: "running" | "done"
  /** Whose payload is gone now */
  events: number
  /** That were still owed, and have ended as cancelled */
  deliveries: number
  created_at: string
  finished_at: string | null
}

/** How many deliveries of an event are in which state */
export type DeliveryCounts = {
  /** Subscriptions that it went to */
  total: number
  /** Accepted by their receivers */
  success: number
  /** Given up, or too old */
  failed: number
  /** Not settled yet */
  pending: number
  /** Ended without an answer: the subscription was deleted, or the payload expunged */
  cancelled: number
}

/** An event, and what became of it */
export type EventSummary = {
  webhook_id: string
  /** The own id that its sender gave it */
  event_id: string | null
  tenant: string
  /** Null: it has none */
  event_type: string | null
  channels: (string)[]
  content_type: string
  /** Of the payload, also when that was expunged */
  size_bytes: number
  /** When it was accepted */
  created_at: string
  /** Not sent before then; null: at once */
  deliver_at: string | null
  /** When its payload was removed on request; null: it is there */
  payload_expunged_at: string | null
  /** `pending` while any delivery is, else `failed` when any has failed, else `success` when any has succeeded, else `cancelled`; `unmatched`: no subscription wanted it */
  status: "pending" | "success" | "failed" | "cancelled" | "unmatched"
  /** How many deliveries of an event are in which state */
  deliveries: {
    /** Subscriptions that it went to */
    total: number
    /** Accepted by their receivers */
    success: number
    /** Given up, or too old */
    failed: number
    /** Not settled yet */
    pending: number
    /** Ended without an answer: the subscription was deleted, or the payload expunged */
    cancelled: number
  }
}

/** What became of an event for one subscription */
export type DeliveryDetails = {
  subscription_id: number
  /** The name that its owner gave the subscription */
  uid: string | null
  /** `failed`: given up; `cancelled`: its subscription was deleted, or the payload expunged */
  status: "pending" | "success" | "failed" | "cancelled"
  /** When it is tried next, at the earliest. Null when it is settled, while its subscription is paused or disabled, and while it waits behind another one of its key */
  next_attempt_at: string | null
  /** Why it is being tried; of a settled one, why it was tried last */
  trigger: "auto" | "replay" | "manual" | "test"
  /** The newest 10, oldest of them first; all are in `/logs/{subscription_id}?webhook_id=…` */
  attempts: ({
    id: string
    subscription_id: number
    webhook_id: string
    /** When the attempt ended */
    timestamp: string
    /** 1 is the first */
    attempt: number
    /** Why it was made: `auto` by itself, `replay` in a replay of many, `manual` because someone sent the event again, `test` as a test */
    trigger: "auto" | "replay" | "manual" | "test"
    status: "success" | "failed"
    /** The status that the receiver answered; null: no answer */
    http_status: number | null
    error: string | null
    /** The kind of failure: `http` is an answer that is not 2xx; null: it did not fail */
    error_class: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials" | null
    /** What the owner of the receiver can do about it */
    hint: string | null
    /** What followed from the attempt */
    verdict: "delivered" | "retry" | "given_up" | "expired" | "cancelled"
    duration_ms: number | null
    /** When the next attempt was due; null after the last one */
    next_attempt_at: string | null
  })[]
}

/** Why an event did not go to a subscription */
export type UnmatchedSubscription = {
  subscription_id: number
  /** The name that its owner gave the subscription */
  uid: string | null
  /** `changed_since`: it was changed after the event, so what its rules were is not known; `not_addressed`: its rules fit, but the event was sent to another subscription only */
  reason: "event_type" | "channel" | "filter" | "disabled" | "created_later" | "changed_since" | "not_addressed"
  /** The same as a sentence */
  detail: string
  /** Of `filter`: where the clause stands that does not hold, as a JSON Pointer */
  pointer?: string
  /** Of `filter`: that clause */
  clause?: string
  /** Of `filter`: what the event has there; absent: it has nothing */
  value?: unknown
  /** Of `filter`: always false */
  holds?: boolean
}

/** An event, who got it, and why others did not */
export type EventDetails = {
  webhook_id: string
  /** The own id that its sender gave it */
  event_id: string | null
  tenant: string
  /** Null: it has none */
  event_type: string | null
  channels: (string)[]
  content_type: string
  /** Of the payload, also when that was expunged */
  size_bytes: number
  /** When it was accepted */
  created_at: string
  /** Not sent before then; null: at once */
  deliver_at: string | null
  /** When its payload was removed on request; null: it is there */
  payload_expunged_at: string | null
  /** `pending` while any delivery is, else `failed` when any has failed, else `success` when any has succeeded, else `cancelled`; `unmatched`: no subscription wanted it */
  status: "pending" | "success" | "failed" | "cancelled" | "unmatched"
  /** How many deliveries of an event are in which state */
  delivery_counts: {
    /** Subscriptions that it went to */
    total: number
    /** Accepted by their receivers */
    success: number
    /** Given up, or too old */
    failed: number
    /** Not settled yet */
    pending: number
    /** Ended without an answer: the subscription was deleted, or the payload expunged */
    cancelled: number
  }
  /** In the order of subscription ids, at most `limit` of them */
  deliveries: ({
    subscription_id: number
    /** The name that its owner gave the subscription */
    uid: string | null
    /** `failed`: given up; `cancelled`: its subscription was deleted, or the payload expunged */
    status: "pending" | "success" | "failed" | "cancelled"
    /** When it is tried next, at the earliest. Null when it is settled, while its subscription is paused or disabled, and while it waits behind another one of its key */
    next_attempt_at: string | null
    /** Why it is being tried; of a settled one, why it was tried last */
    trigger: "auto" | "replay" | "manual" | "test"
    /** The newest 10, oldest of them first; all are in `/logs/{subscription_id}?webhook_id=…` */
    attempts: ({
      id: string
      subscription_id: number
      webhook_id: string
      /** When the attempt ended */
      timestamp: string
      /** 1 is the first */
      attempt: number
      /** Why it was made: `auto` by itself, `replay` in a replay of many, `manual` because someone sent the event again, `test` as a test */
      trigger: "auto" | "replay" | "manual" | "test"
      status: "success" | "failed"
      /** The status that the receiver answered; null: no answer */
      http_status: number | null
      error: string | null
      /** The kind of failure: `http` is an answer that is not 2xx; null: it did not fail */
      error_class: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials" | null
      /** What the owner of the receiver can do about it */
      hint: string | null
      /** What followed from the attempt */
      verdict: "delivered" | "retry" | "given_up" | "expired" | "cancelled"
      duration_ms: number | null
      /** When the next attempt was due; null after the last one */
      next_attempt_at: string | null
    })[]
  })[]
  /** `cursor` of the next deliveries; null: these were the last */
  deliveries_next_cursor: string | null
  /** The other subscriptions that the tenant has, in the order of their ids, at most `unmatched_limit` of them */
  unmatched: ({
    subscription_id: number
    /** The name that its owner gave the subscription */
    uid: string | null
    /** `changed_since`: it was changed after the event, so what its rules were is not known; `not_addressed`: its rules fit, but the event was sent to another subscription only */
    reason: "event_type" | "channel" | "filter" | "disabled" | "created_later" | "changed_since" | "not_addressed"
    /** The same as a sentence */
    detail: string
    /** Of `filter`: where the clause stands that does not hold, as a JSON Pointer */
    pointer?: string
    /** Of `filter`: that clause */
    clause?: string
    /** Of `filter`: what the event has there; absent: it has nothing */
    value?: unknown
    /** Of `filter`: always false */
    holds?: boolean
  })[]
  /** `unmatched_cursor` of the next ones; null: these were the last */
  unmatched_next_cursor: string | null
}

/** `event: accepted`: an event was accepted */
export type StreamAccepted = {
  webhook_id: string
  tenant: string
  /** Null: it has none */
  event_type: string | null
  content_type: string
  /** Of the payload */
  size_bytes: number
  /** When it was accepted */
  accepted_at: string
  /** Not before then; null: at once */
  deliver_at: string | null
  /** The name that its sender gave it */
  event_id: string | null
  channels: (string)[]
  /** To how many subscriptions it goes */
  deliveries: number
  /** To which; at most 100 of them */
  subscription_ids: (number)[]
}

/** `event: attempt`: an attempt was logged. Tests are left out */
export type StreamAttempt = {
  id: string
  subscription_id: number
  webhook_id: string
  /** When the attempt ended */
  timestamp: string
  /** 1 is the first */
  attempt: number
  /** Why it was made: `auto` by itself, `replay` in a replay of many, `manual` because someone sent the event again, `test` as a test */
  trigger: "auto" | "replay" | "manual" | "test"
  status: "success" | "failed"
  /** The status that the receiver answered; null: no answer */
  http_status: number | null
  error: string | null
  /** The kind of failure: `http` is an answer that is not 2xx; null: it did not fail */
  error_class: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials" | null
  /** What the owner of the receiver can do about it */
  hint: string | null
  /** What followed from the attempt */
  verdict: "delivered" | "retry" | "given_up" | "expired" | "cancelled"
  duration_ms: number | null
  /** When the next attempt was due; null after the last one */
  next_attempt_at: string | null
  /** Whose it is; null: nothing is known of its subscription any more */
  tenant: string | null
  /** The uid of the subscription */
  subscription_uid: string | null
  /** Of the event */
  event_type: string | null
}

/** `event: subscription`: the state of a subscription changed */
export type StreamSubscription = {
  subscription_id: number
  /** The uid of the subscription */
  subscription_uid: string | null
  /** Whose it is; null: nothing is known of its subscription any more */
  tenant: string | null
  /** How its receiver does now */
  state: "active" | "paused" | "degraded" | "circuit_open" | "disabled"
  /** And before */
  state_before: "active" | "paused" | "degraded" | "circuit_open" | "disabled"
  /** Whether a person has paused it */
  paused: boolean
  paused_before: boolean
  /** In words for people */
  reason: string | null
  /** When it changed */
  changed_at: string
}

/** `event: received`: a test receiver got a request */
export type StreamReceived = {
  id: string
  /** The test receiver */
  test_receiver_id: number
  tenant: string
  /** When it came */
  at: string
  method: string
  /** Of the body */
  body_bytes: number
  /** As its header says */
  webhook_id: string | null
  /** Whose signature it has */
  subscription_id: number | null
  signature: "valid" | "invalid" | "unchecked"
  /** What is wrong with it, in words */
  signature_detail: string | null
  /** What it was answered; null: the connection was closed */
  status: number | null
}

/** `event: gap`: something is missing here */
export type StreamGap = {
  /** How many were left out here; null: it is not known */
  dropped: number | null
  /** `slow_reader`: this client has read too slowly; to get them, connect again with the last `id` before the gap. `retention`: what came after the id that was given is not kept any more */
  reason: "slow_reader" | "retention"
}

/** One process of this installation, as of its last heartbeat */
export type ProcessReport = {
  /** The id under which it leases lanes and deliveries */
  id: number
  /** Host, boot and container: among processes with the same value, pids are unique */
  host: string
  pid: number
  role: "all" | "api" | "worker"
  version: string
  /** How it reaches the other processes */
  engine: "postgres" | "redis" | "unknown"
  /** The state of Redis as this process sees it; null: it uses none */
  redis: "ok" | "unavailable" | "full" | null
  /** When it started */
  started_at: string
  /** Its last heartbeat; there is one every 2 s */
  heartbeat_at: string
  /** Time since its last heartbeat. After 10 s it counts as dead, and others take over what it held */
  silent_seconds: number
  /** Lanes it has leased */
  lanes: number
  /** Deliveries it has in memory */
  held: number
  /** Bytes of their payloads */
  held_bytes: number
  /** Requests to receivers under way */
  in_flight: number
  /** Events that wait for a transaction */
  waiting: number
  /** Attempts that wait for the log */
  settling: number
  /** Connections to receivers */
  connections: number
  /** Attempts since its start whose request was sent twice, as the receiver had just closed the connection that was kept */
  repeated: number
  /** Event streams (`GET /stream`) that are open */
  streams: number
  /** File descriptors that it has open; null: not known on this system */
  descriptors_used: number | null
  /** File descriptors that it may have open (`ulimit -n`); null: not known on this system */
  descriptors_allowed: number | null
}

/** A trouble that lasts, or that is over */
export type TroubleReport = {
  /** `database`: PostgreSQL cannot be used. `disk_full`: its disk has no room. `redis`: Redis is away or full. `receiver`: the circuit of a subscription is open, or it was disabled. `partitions`: those for the hours to come cannot be made. `resources`: something is lacking to send, such as file descriptors or the proxy. `overload`: more events come in than can be written */
  kind: "database" | "disk_full" | "redis" | "receiver" | "partitions" | "resources" | "overload" | "certificate"
  /** Which one, where there can be several: what is lacking, or the id of a subscription */
  subject: string | null
  /** The id of the process that tells of it; null: it is of the whole installation */
  process: number | null
  level: "warn" | "error"
  /** What it is, and what follows from it */
  message: string
  /** As the one who noticed it was told */
  cause: string | null
  /** When it began */
  since: string
  /** When it was over; null: it lasts */
  until: string | null
  /** How many it has hit: events that were refused, deliveries that wait, tries that failed */
  count: number
  /** False: there are more deliveries that wait for a receiver */
  count_exact: boolean
}

/** All processes of this installation, and their backlog */
export type SystemReport = {
  /** By the clock of the database */
  time: string
  /** Those that last, the oldest first, then the last ones that are over, the latest first. Those of a process end with it */
  troubles: ({
    /** `database`: PostgreSQL cannot be used. `disk_full`: its disk has no room. `redis`: Redis is away or full. `receiver`: the circuit of a subscription is open, or it was disabled. `partitions`: those for the hours to come cannot be made. `resources`: something is lacking to send, such as file descriptors or the proxy. `overload`: more events come in than can be written */
    kind: "database" | "disk_full" | "redis" | "receiver" | "partitions" | "resources" | "overload" | "certificate"
    /** Which one, where there can be several: what is lacking, or the id of a subscription */
    subject: string | null
    /** The id of the process that tells of it; null: it is of the whole installation */
    process: number | null
    level: "warn" | "error"
    /** What it is, and what follows from it */
    message: string
    /** As the one who noticed it was told */
    cause: string | null
    /** When it began */
    since: string
    /** When it was over; null: it lasts */
    until: string | null
    /** How many it has hit: events that were refused, deliveries that wait, tries that failed */
    count: number
    /** False: there are more deliveries that wait for a receiver */
    count_exact: boolean
  })[]
  /** Empty while the database cannot be asked */
  processes: ({
    /** The id under which it leases lanes and deliveries */
    id: number
    /** Host, boot and container: among processes with the same value, pids are unique */
    host: string
    pid: number
    role: "all" | "api" | "worker"
    version: string
    /** How it reaches the other processes */
    engine: "postgres" | "redis" | "unknown"
    /** The state of Redis as this process sees it; null: it uses none */
    redis: "ok" | "unavailable" | "full" | null
    /** When it started */
    started_at: string
    /** Its last heartbeat; there is one every 2 s */
    heartbeat_at: string
    /** Time since its last heartbeat. After 10 s it counts as dead, and others take over what it held */
    silent_seconds: number
    /** Lanes it has leased */
    lanes: number
    /** Deliveries it has in memory */
    held: number
    /** Bytes of their payloads */
    held_bytes: number
    /** Requests to receivers under way */
    in_flight: number
    /** Events that wait for a transaction */
    waiting: number
    /** Attempts that wait for the log */
    settling: number
    /** Connections to receivers */
    connections: number
    /** Attempts since its start whose request was sent twice, as the receiver had just closed the connection that was kept */
    repeated: number
    /** Event streams (`GET /stream`) that are open */
    streams: number
    /** File descriptors that it has open; null: not known on this system */
    descriptors_used: number | null
    /** File descriptors that it may have open (`ulimit -n`); null: not known on this system */
    descriptors_allowed: number | null
  })[]
  backlog: {
    /** Deliveries that are not settled, those in memory and those that wait for a retry included */
    owed: number
    /** False: beyond 10,000 it is an estimate of the database */
    owed_exact: boolean
    /** Lanes that have something due and are leased by no one; counted up to 10,001 */
    lanes_due: number
    /** Lanes that a process works on; counted up to 10,001 */
    lanes_leased: number
    /** The oldest due time in lanes of what may be sent now; null: nothing is due */
    oldest_due_at: string | null
    /** How long ago that was; the figure to alert on */
    oldest_due_seconds: number
  }
  database: {
    /** False: it could not be asked, and the other figures are not known. Then `troubles` are those that the answering process knows of */
    available: boolean
    version: string
    /** Age of the oldest open transaction. Rows that died since it began cannot be removed */
    oldest_transaction_seconds: number | null
  }
}

/** What is stored, and for how long it is kept */
export type StorageReport = {
  /** Of the whole database */
  database_bytes: number
  /** The largest first */
  tables: ({
    name: string
    /** With its indexes */
    bytes: number
    /** By the last look of the database; null: it has not looked yet */
    rows: number | null
    /** The oldest first; empty where the table has none */
    partitions: ({
      name: string
      /** It holds what is of this time or later */
      from: string
      /** And before this time */
      to: string
      /** With its indexes */
      bytes: number
      /** By the last look of the database; null: it has not looked yet */
      rows: number | null
    })[]
  })[]
  /** As the settings say. A tenant may have others */
  retention: {
    /** How many hours attempts are kept */
    log_hours: number
    /** How many hours events and their payloads are kept */
    payload_hours: number
    /** How many hours requests and answers of attempts are kept */
    details_hours: number
    /** How many hours idempotency keys are, at the least, kept */
    names_hours: number
    /** How many days the audit log is kept */
    audit_days: number
  }
}

/** A setting of the process that answers */
export type SettingReport = {
  /** The environment variable */
  variable: string
  /** The value in force; the secret part is masked */
  value: string
  /** Whether it is what holds without the variable */
  is_default: boolean
}

/** The attempts of one part of the window, by the time at which they were logged */
export type StatsBucket = {
  /** When it begins; it lasts until the next one */
  start: string
  /** Attempts that were accepted */
  success: number
  /** Attempts that failed */
  failed: number
  /** Of the failed ones: those after which the delivery was given up */
  given_up: number
  /** How many of the failed ones failed in which way: `error_class` of the log */
  by_class: { [name: string]: number }
  /** Half of the attempts, failed ones included, took at most this long; off by 3.2 % at most. Null: there was none */
  p50_ms: number | null
  /** The same of 95 of a hundred attempts */
  p95_ms: number | null
  /** The same of 99 of a hundred attempts */
  p99_ms: number | null
}

/** All attempts of the window together */
export type StatsTotals = {
  /** Attempts that were accepted */
  success: number
  /** Attempts that failed */
  failed: number
  /** Of the failed ones: those after which the delivery was given up */
  given_up: number
  /** How many of the failed ones failed in which way: `error_class` of the log */
  by_class: { [name: string]: number }
  /** Half of the attempts, failed ones included, took at most this long; off by 3.2 % at most. Null: there was none */
  p50_ms: number | null
  /** The same of 95 of a hundred attempts */
  p95_ms: number | null
  /** The same of 99 of a hundred attempts */
  p99_ms: number | null
  /** Accepted attempts of all attempts, rounded down to four digits; null: there was none */
  success_rate: number | null
  /** The last accepted attempt of the window */
  last_success_at: string | null
}

/** The attempts to one subscription, and what it is owed */
export type SubscriptionStats = {
  /** As it was asked for */
  window: "1h" | "24h" | "7d" | "30d"
  /** How long a bucket is; a day of a `time_zone` on which its clock changes is an hour shorter or longer */
  step_seconds: number
  /** All that was logged before this is counted. It is the time of the answer, or under high load the end of the last minute that is rolled up; buckets that begin later are left out */
  complete_until: string
  buckets: (StatsBucket)[]
  totals: StatsTotals
  /** Since when the oldest delivery waits that is due; null: none is */
  oldest_due_at: string | null
  /** Deliveries that wait: for a retry, for their turn, or until the subscription is resumed */
  pending: number
  /** False: `pending` stopped at a bound, or is an estimate */
  pending_exact: boolean
}

/** The attempts to all subscriptions, or to those of one tenant, and what they are owed */
export type Stats = {
  /** As it was asked for */
  window: "1h" | "24h" | "7d" | "30d"
  /** How long a bucket is; a day of a `time_zone` on which its clock changes is an hour shorter or longer */
  step_seconds: number
  /** All that was logged before this is counted. It is the time of the answer, or under high load the end of the last minute that is rolled up; buckets that begin later are left out */
  complete_until: string
  buckets: (StatsBucket)[]
  totals: StatsTotals
  /** Since when the oldest delivery waits that is due; null: none is */
  oldest_due_at: string | null
  /** Deliveries that wait: for a retry, for their turn, or until the subscription is resumed */
  pending: number
  /** False: `pending` stopped at a bound, or is an estimate */
  pending_exact: boolean
  /** Attempts that run now, of all processes; null in the figures of one tenant */
  in_flight: number | null
  /** What waited over the window, in the same buckets, from a sample once a minute; null in the figures of one tenant */
  backlog: ({
    start: string
    /** The most that waited; null: not known */
    pending: number | null
    /** For how long the oldest one that was due had waited at most; null: none was, or not known */
    oldest_due_seconds: number | null
  })[] | null
}

/** One of several subscriptions */
export type SubscriptionFigures = {
  subscription_id: number
  uid: string | null
  tenant: string
  target_url: string
  /** As in the subscription */
  state: string
  /** Deliveries that have failed and wait for their next attempt now, whatever the window; at most 100 are counted. Looked at are what is due first and the 1000 that are due last (fewer of each, but at least 100, for many subscriptions at once): one between these is not seen */
  retrying: number
  /** As it was asked for */
  window: "1h" | "24h" | "7d" | "30d"
  /** How long a bucket is; a day of a `time_zone` on which its clock changes is an hour shorter or longer */
  step_seconds: number
  /** All that was logged before this is counted. It is the time of the answer, or under high load the end of the last minute that is rolled up; buckets that begin later are left out */
  complete_until: string
  buckets: ({
    /** When it begins */
    start: string
    /** Attempts that were accepted */
    success: number
    /** Attempts that failed */
    failed: number
  })[]
  totals: StatsTotals
}

/** Something that was changed */
export type AuditEntry = {
  id: string
  /** When it was done */
  at: string
  /** Who did it */
  actor: {
    kind: "operator" | "key" | "portal_token"
    /** Of the key or token; null: an operator without one */
    id: string | null
    /** As it was then */
    name: string
  }
  /** What was done to what, such as `subscription.updated` */
  action: string
  /** Whose thing it is; null: of the whole installation */
  tenant: string | null
  /** What was changed */
  subject: {
    kind: string
    /** Null: there is only one */
    id: string | null
  }
  /** The fields that differ, at most 100. Of a long value its beginning, as a text */
  changes: ({
    /** With dots between the names that lead to it */
    field: string
    /** Null: there was none; always null for a secret */
    before: unknown
    /** Null: there is none now; always null for a secret */
    after: unknown
    /** Only for a secret: what happened to it. Its value is never shown */
    secret?: "set" | "changed" | "removed"
  })[]
  /** How many fields differ besides these */
  more_changes: number
}

/** What an event type is to be */
export type EventTypeInput = {
  /** For people */
  description?: string | null
  /** A JSON Schema 2020-12 for payloads, of at most 65,536 characters; null: any JSON. References lead within it only (`#/$defs/…`). Patterns run in linear time, so without look-around and back references */
  schema?: { [name: string]: unknown } | boolean | null
  /** Payloads as they may be; each has to fit the schema */
  examples?: (unknown)[]
  /** It is still sent, and nobody should begin with it */
  deprecated?: boolean
  /** `reject`: an event whose payload is no JSON, or does not fit the schema, is refused with 422 */
  validate?: "off" | "reject"
}

/** What events of a type are for, and what their payloads look like */
export type EventType = {
  name: string
  /** Null: of the installation. It holds for each tenant that has none of this name */
  tenant: string | null
  description: string | null
  /** A JSON Schema 2020-12 for payloads, of at most 65,536 characters; null: any JSON. References lead within it only (`#/$defs/…`). Patterns run in linear time, so without look-around and back references */
  schema: { [name: string]: unknown } | boolean | null
  examples: (unknown)[]
  deprecated: boolean
  /** Whether payloads are checked */
  validate: "off" | "reject"
  /** When it was made */
  created_at: string
  /** When it was changed last */
  updated_at: string
}

/** A document of OpenAPI 3.1. What else is in it is left out, but the schemas that are referred to */
export type EventTypeDocument = {
  openapi: string
  /** Event types by name, at most 200: of `post` its description, whether it is deprecated, and the JSON schema and examples of its body */
  webhooks: { [name: string]: unknown }
}

/** What an import has done */
export type EventTypeImport = {
  /** Types that are new */
  created: (string)[]
  /** Types that were changed */
  updated: (string)[]
  /** Types that were like this before */
  unchanged: (string)[]
  /** Types that stay as they are, and why */
  refused: ({
    name: string
    errors: ({
      /** A JSON Pointer into the event type */
      pointer: string
      detail: string
    })[]
  })[]
}

/** What is to be sent again */
export type ReplayCreate = {
  /** Which deliveries: those that all fields allow */
  filter: {
    subscription_id?: number
    /** The id of a tenant; a key that is for one tenant needs none */
    tenant?: string
    /** Only events of exactly this type */
    event_type?: string
    /** `failed`: dead letters; `success`: what was delivered; `any`: both, and what was cancelled. What is still owed is never replayed */
    state?: "failed" | "success" | "any"
    /** Only events that were accepted at this time or later */
    since?: string
    /** Only events that were accepted before this time */
    until?: string
  }
  /** How many are queued per second at most; never more than receivers take. Left out: while fresh events come half as many as come, so that they are not late for it (100 at least, 300 at most), and up to 5000 once there were none for 10 s */
  rate_per_second?: number
  /** Only counts, and makes nothing */
  dry_run?: boolean
}

/** Many deliveries that are sent again in the background */
export type Replay = {
  id: string
  state: "counting" | "running" | "done" | "cancelled"
  /** Deliveries that matched; null: they are not counted yet */
  total: number | null
  /** Of these, owed again so far */
  queued: number
  /** Of the queued ones, delivered */
  delivered: number
  /** Of the queued ones, given up again, or ended otherwise */
  failed: number
  /** Matched, and were not queued: they were owed already, so that they come anyway, or their subscription was deleted */
  skipped: number
  /** Counted at first, and no more there when their turn came: retention took the event, its payload was removed, or the delivery has ended in another way since. Known at the end */
  gone: number
  /** As it was given; null: it depends on whether fresh events come */
  rate_per_second: number | null
  created_at: string
  /** When it ended; what was queued by a cancelled one may still be under way */
  finished_at: string | null
  /** Which deliveries: those that all fields allow */
  filter: {
    subscription_id?: number
    /** The id of a tenant; a key that is for one tenant needs none */
    tenant?: string
    /** Only events of exactly this type */
    event_type?: string
    /** `failed`: dead letters; `success`: what was delivered; `any`: both, and what was cancelled. What is still owed is never replayed */
    state?: "failed" | "success" | "any"
    /** Only events that were accepted at this time or later */
    since?: string
    /** Only events that were accepted before this time */
    until?: string
  }
}

/** To whom an event is sent again */
export type EventReplay = {
  /** Only to these; left out: to all that the event was for */
  subscription_ids?: (number)[]
}

/** Which deliveries of an event are tried at once */
export type EventTryNow = {
  /** Only those to these, and none when one of them cannot be tried; left out: all that can be */
  subscription_ids?: (number)[]
}

/** One event that is, or was, owed to one subscription */
export type ListedDelivery = {
  webhook_id: string
  subscription_id: number
  uid: string | null
  tenant: string
  state: "pending" | "failed" | "success" | "cancelled"
  /** The number of its last attempt; 0: none yet */
  attempts: number
  /** Of the last attempt */
  trigger: "auto" | "replay" | "manual" | "test" | null
  /** When the last attempt ended */
  last_attempt_at: string | null
  /** Not before then; null: nothing is planned, or it waits behind another one of its key */
  next_attempt_at: string | null
  /** Of what is owed, and goes one at a time with others of the same key; null: it is in no order */
  ordering_key: string | null
  http_status: number | null
  error: string | null
  error_class: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials" | null
}

/** Whose subscriptions and events these are */
export type Tenant = {
  id: string
  name: string
  metadata: { [name: string]: string }
  /** How long what it has is kept; null: as for all */
  retention: {
    payload_hours: number | null
    log_hours: number | null
    details_hours: number | null
    audit_days: number | null
    stats_days: number | null
  }
  /** How receivers are asked whether they want what is sent; null: as the service does */
  ownership_check: string | null
  /** How its own page looks; null: as for all */
  portal: {
    /** At the top of the page */
    name: string | null
    /** The colour of buttons and links */
    accent: string | null
    /** A picture as a data URL; left out in a list */
    logo?: string | null
  }
  created_at: string
  updated_at: string
}

/** A new tenant */
export type TenantCreate = {
  /** Your own id for it: lower-case letters, digits, _ and -; it never changes */
  id: string
  /** For people */
  name: string
  /** Your own names and texts */
  metadata?: { [name: string]: string } | null
  /** How long what this tenant has is kept, where that is not as for all (`LOG_RETENTION_HOURS` and its like). Null, or a field that is null: as for all */
  retention?: {
    /** Events with their payloads; what is still owed is kept until it is settled */
    payload_hours?: number | null
    /** The log of attempts. At least as long as the two others */
    log_hours?: number | null
    /** Requests and answers of attempts, where they are kept */
    details_hours?: number | null
    /** Who has changed what of the tenant */
    audit_days?: number | null
    /** The figures of `GET /stats` and `GET /subscriptions/{id}/stats`, by the hour and by the day */
    stats_days?: number | null
  } | null
  /** Whether a receiver has to say that it wants events before any is sent to it, and how it is asked: `challenge`, a signed message whose text it answers; `cloudevents`, the OPTIONS request of CloudEvents; `off`. Null: as the setting `OWNERSHIP_CHECK` says */
  ownership_check?: "off" | "challenge" | "cloudevents" | null
  /** How the tenant's own page (`POST /portal-tokens`) looks, where that is not as `PORTAL_NAME`, `PORTAL_ACCENT` and `PORTAL_LOGO` say. Null, or a field that is null: as they say */
  portal?: {
    /** At the top of the page */
    name?: string | null
    /** The colour of buttons and links. Where text in it could not be read well, the page takes the nearest shade that can (4.5 : 1) */
    accent?: string | null
    /** A picture beside the name, shown 24 pixels high: PNG, JPEG, WebP or SVG, as a data URL */
    logo?: string | null
  } | null
}

/** A JSON merge patch of a tenant */
export type TenantPatch = {
  /** For people */
  name?: string
  /** Your own names and texts */
  metadata?: { [name: string]: string | null } | null
  /** How long what this tenant has is kept, where that is not as for all (`LOG_RETENTION_HOURS` and its like). Null, or a field that is null: as for all */
  retention?: {
    /** Events with their payloads; what is still owed is kept until it is settled */
    payload_hours?: number | null
    /** The log of attempts. At least as long as the two others */
    log_hours?: number | null
    /** Requests and answers of attempts, where they are kept */
    details_hours?: number | null
    /** Who has changed what of the tenant */
    audit_days?: number | null
    /** The figures of `GET /stats` and `GET /subscriptions/{id}/stats`, by the hour and by the day */
    stats_days?: number | null
  } | null
  /** Whether a receiver has to say that it wants events before any is sent to it, and how it is asked: `challenge`, a signed message whose text it answers; `cloudevents`, the OPTIONS request of CloudEvents; `off`. Null: as the setting `OWNERSHIP_CHECK` says */
  ownership_check?: "off" | "challenge" | "cloudevents" | null
  /** How the tenant's own page (`POST /portal-tokens`) looks, where that is not as `PORTAL_NAME`, `PORTAL_ACCENT` and `PORTAL_LOGO` say. Null, or a field that is null: as they say */
  portal?: {
    /** At the top of the page */
    name?: string | null
    /** The colour of buttons and links. Where text in it could not be read well, the page takes the nearest shade that can (4.5 : 1) */
    accent?: string | null
    /** A picture beside the name, shown 24 pixels high: PNG, JPEG, WebP or SVG, as a data URL */
    logo?: string | null
  } | null
}

/** An API key, without its secret text */
export type Key = {
  id: number
  /** For people */
  name: string
  /** `admin`: everything. `tenant`: everything of one tenant. `publish`: send events of one tenant, and nothing else. `read`: read what one tenant has, or all of them; change nothing */
  scope: "admin" | "tenant" | "publish" | "read"
  /** Whose things it may read and change; null: those of all */
  tenant: string | null
  /** How the key begins, to recognise it */
  prefix: string
  created_at: string
  /** Refused from then on; null: never */
  expires_at: string | null
  /** To about a minute; null: never */
  last_used_at: string | null
}

/** An API key that was just made */
export type NewKey = {
  id: number
  /** For people */
  name: string
  /** `admin`: everything. `tenant`: everything of one tenant. `publish`: send events of one tenant, and nothing else. `read`: read what one tenant has, or all of them; change nothing */
  scope: "admin" | "tenant" | "publish" | "read"
  /** Whose things it may read and change; null: those of all */
  tenant: string | null
  /** How the key begins, to recognise it */
  prefix: string
  created_at: string
  /** Refused from then on; null: never */
  expires_at: string | null
  /** To about a minute; null: never */
  last_used_at: string | null
  /** The key itself: shown here, and never again */
  key: string
}

/** A new API key */
export type KeyCreate = {
  /** For people: who or what uses it */
  name: string
  /** `admin`: everything. `tenant`: everything of one tenant. `publish`: send events of one tenant, and nothing else. `read`: read what one tenant has, or all of them; change nothing */
  scope: "admin" | "tenant" | "publish" | "read"
  /** For `tenant` and `publish` it has to be given, unless the caller is for one tenant; for `read` null stands for all tenants; an `admin` key has none */
  tenant?: string | null
  /** A time to come (RFC 3339); null or left out: never */
  expires_at?: string | null
}

/** A portal token that was just made */
export type PortalToken = {
  id: number
  /** The token itself: shown here, and never again */
  token: string
  /** The page of the tenant. The token is behind #, so that it gets into no log of a server */
  url: string
  expires_at: string
}

/** Access for a customer to what a tenant has, for a while */
export type PortalTokenCreate = {
  /** The id of a tenant; a key that is for one tenant needs none */
  tenant?: string
  /** How long it is valid, and never longer than the key that makes it */
  expires_in_seconds?: number
  /** Whoever has it may look, and change nothing */
  read_only?: boolean
  /** The names of the views that the page shows, such as `subscriptions`; null or left out: all. It is no protection: what the token may read is all that the tenant has */
  views?: (string)[] | null
}

/** Who the caller is, and what they may do */
export type Me = {
  actor: {
    /** `operator`: the service asks for no keys */
    kind: "operator" | "key" | "portal_token"
    /** Of the key or token */
    id: string | null
    name: string
  }
  /** `admin`: everything. `tenant`: everything of one tenant. `publish`: send events of one tenant, and nothing else. `read`: read what one tenant has, or all of them; change nothing */
  scope: "admin" | "tenant" | "publish" | "read"
  /** Whose things the caller may read and change; null: those of all */
  tenant: string | null
  /** When this access ends; null: never */
  expires_at: string | null
  /** Of a portal token: what its page shows; null: all */
  views?: (string)[] | null
  /** Of a portal token: how its page looks; null: as for all tenants */
  portal?: {
    /** At the top of the page */
    name: string | null
    /** The colour of buttons and links */
    accent: string | null
    /** A picture as a data URL */
    logo: string | null
  }
}

/** How one provider signs what it sends */
export type SourcePreset = {
  /** Of the preset: the name of the provider in lower case */
  id: string
  /** For people */
  name: string
  /** Where the provider says how it signs; null: this is no provider in particular */
  documentation: string | null
  /** What is to be given as a secret */
  secret: {
    /** What kind of secret a request is checked with; `sender`: no secret, but the name of who has it signed */
    kind: "shared_secret" | "public_key" | "shared_secret_or_public_key" | "token" | "user_and_password" | "sender" | "none"
    /** Which of the texts of the provider that is */
    description: string
  }
  /** The ways in which it signs; none: the secret itself is sent, or nothing is */
  signatures: ({
    /** How the signature is made */
    algorithm: "hmac-sha1" | "hmac-sha256" | "hmac-sha512" | "ed25519" | "ecdsa-sha256" | "rsa-sha1" | "rsa-sha256"
    /** How the signature is written */
    encoding: "hex" | "base64"
    /** Where the signature stands: such as `header:x-github-event`, `field:event.type` (of a JSON body), `form:command`, `query:code` */
    at: string
    /** What stands before the signature; null: nothing */
    prefix: string | null
    /** What is signed: `{body}` byte for byte, `{plain body}` decompressed, `{timestamp}` and `{id}` as they came, `{url}` with which the provider was given, other places by their name; all else as it is */
    signed: string
    /** Where the time of the signature stands; null: nothing says how old a request is */
    signed_at: string | null
    /** How far that time may be from now, in both directions; null: any time will do */
    tolerance_seconds: number | null
  })[]
  /** The headers by which it is seen who sends, and that a proxy must let through */
  headers: (string)[]
  /** Where the event type stands, such as `header:x-github-event`, `field:event.type` (of a JSON body), `form:command`, `query:code`: the first of these places that has one */
  event_type: (string)[]
  /** Where the id stands by which a repeat is known: the first of these places that has one; none: repeats are not known */
  dedupe: (string)[]
  /** What the provider is answered when its event is accepted; null: 200 with the id of the event */
  answer: {
    status?: number
    content_type?: string
    body?: string
  } | null
  /** Whether the provider asks first whether the URL is yours, in a way that is known */
  answers_challenge: boolean
  /** Whether the URL is signed, so that it must be known how the provider was given it */
  needs_public_url: boolean
}

/** A source: an address that a provider sends to */
export type SourceCreate = {
  /** For people; events have it as `metadata.source` */
  name: string
  /** The id of a tenant; a key that is for one tenant needs none */
  tenant?: string
  /** How the provider signs: the `id` of one of `GET /sources/presets` */
  preset: string
  /** What requests are checked with: secrets as the provider shows them, or its public keys. One that fits is enough. Stored encrypted, and shown as ********; a mask sent back keeps the secret at its place */
  secrets?: (string)[]
  /** The event type, in place of what the preset reads: a text, in which `{type}` stands for what the preset reads, and `{header:NAME}`, `{field:NAME}`, `{form:NAME}` and `{query:NAME}` for what a request has there */
  event_type?: string | null
  /** The address as the provider was given it, where that is not `url`; needed where the provider signs it and a proxy changes it */
  public_url?: string | null
  /** How far the time of a signature may be from now; null: as the preset says. Where no time is signed it has no effect */
  tolerance_seconds?: number | null
  /** Where the id stands by which a repeat is known: the first of these places that has one. At most ten. None: each request is an event of its own; null: as the preset says */
  dedupe?: (string)[] | null
  /** With the preset `hmac`: how this sender signs, where that is not an HMAC-SHA256 of the body in hex in `X-Signature`. Names are those of `signatures` in the list of presets. A secret is a public key for `ed25519` (hex, or whpk_) and `ecdsa-sha256` (base64 of its SubjectPublicKeyInfo) */
  signature?: {
    /** How the signature is made */
    algorithm: "hmac-sha1" | "hmac-sha256" | "hmac-sha512" | "ed25519" | "ecdsa-sha256"
    /** How the signature is written; hex unless given */
    encoding?: "hex" | "base64"
    /** How a secret becomes the bytes of the key, for an HMAC; utf8 unless given */
    key?: "utf8" | "hex" | "base64" | "whsec"
    /** Where the signature stands: `header:NAME`, `query:NAME`, `field:NAME` or `form:NAME` */
    at: string
    /** What stands before the signature */
    prefix?: string | null
    /** What stands between several signatures at one place */
    split?: string | null
    /** What is signed: `{body}`, `{plain body}` (decompressed), `{timestamp}`, `{id}`, `{method}`, `{url}`, `{sorted form}` and places in braces, all else as it is; `{body}` unless given */
    signed?: string
    /** Where the time of the signature stands: `header:NAME`, `query:NAME`, `field:NAME` or `form:NAME` */
    signed_at?: string | null
    /** What stands before that time */
    signed_at_prefix?: string | null
    /** Seconds or milliseconds since 1970, or RFC 3339; s unless given */
    signed_at_unit?: "s" | "ms" | "iso"
    /** Where the id stands that is signed as `{id}`: `header:NAME`, `query:NAME`, `field:NAME` or `form:NAME` */
    id_at?: string | null
  } | null
  /** The channels of its events */
  channels?: (string)[]
  /** What is said of each of its events, besides `source` and `provider_id` */
  metadata?: { [name: string]: string } | null
  /** Headers of the request that are kept with the event and delivered with it; `x-github-*` stands for all that begin so. Credentials are never kept */
  forward_headers?: (string)[]
  /** What is put before their names when they are delivered; nothing: they are delivered by their own names. `x-original-` unless given */
  forward_prefix?: "x-original-" | ""
  /** What the provider is answered when its event is accepted. Left out: as it needs it (Adyen: `[accepted]`, Slack and Twilio: nothing), else 200 with `webhook_id` and `deliveries` as JSON */
  answer?: {
    status?: number
    /** The type of `body`; `text/plain` unless given */
    content_type?: "application/json" | "text/plain" | "text/xml" | "application/xml"
    /** Sent as it is */
    body?: string
  } | null
  /** False: its address takes nothing, as if it were none. True unless given */
  enabled?: boolean
}

/** What is to change. What is left out stays as it is; null puts a field back to what it is unless given. */
export type SourcePatch = {
  /** For people; events have it as `metadata.source` */
  name?: string
  /** How the provider signs: the `id` of one of `GET /sources/presets` */
  preset?: string
  /** What requests are checked with: secrets as the provider shows them, or its public keys. One that fits is enough. Stored encrypted, and shown as ********; a mask sent back keeps the secret at its place */
  secrets?: (string)[]
  /** The event type, in place of what the preset reads: a text, in which `{type}` stands for what the preset reads, and `{header:NAME}`, `{field:NAME}`, `{form:NAME}` and `{query:NAME}` for what a request has there */
  event_type?: string | null
  /** The address as the provider was given it, where that is not `url`; needed where the provider signs it and a proxy changes it */
  public_url?: string | null
  /** How far the time of a signature may be from now; null: as the preset says. Where no time is signed it has no effect */
  tolerance_seconds?: number | null
  /** Where the id stands by which a repeat is known: the first of these places that has one. At most ten. None: each request is an event of its own; null: as the preset says */
  dedupe?: (string)[] | null
  /** With the preset `hmac`: how this sender signs, where that is not an HMAC-SHA256 of the body in hex in `X-Signature`. Names are those of `signatures` in the list of presets. A secret is a public key for `ed25519` (hex, or whpk_) and `ecdsa-sha256` (base64 of its SubjectPublicKeyInfo) */
  signature?: {
    /** How the signature is made */
    algorithm: "hmac-sha1" | "hmac-sha256" | "hmac-sha512" | "ed25519" | "ecdsa-sha256"
    /** How the signature is written; hex unless given */
    encoding?: "hex" | "base64"
    /** How a secret becomes the bytes of the key, for an HMAC; utf8 unless given */
    key?: "utf8" | "hex" | "base64" | "whsec"
    /** Where the signature stands: `header:NAME`, `query:NAME`, `field:NAME` or `form:NAME` */
    at: string
    /** What stands before the signature */
    prefix?: string | null
    /** What stands between several signatures at one place */
    split?: string | null
    /** What is signed: `{body}`, `{plain body}` (decompressed), `{timestamp}`, `{id}`, `{method}`, `{url}`, `{sorted form}` and places in braces, all else as it is; `{body}` unless given */
    signed?: string
    /** Where the time of the signature stands: `header:NAME`, `query:NAME`, `field:NAME` or `form:NAME` */
    signed_at?: string | null
    /** What stands before that time */
    signed_at_prefix?: string | null
    /** Seconds or milliseconds since 1970, or RFC 3339; s unless given */
    signed_at_unit?: "s" | "ms" | "iso"
    /** Where the id stands that is signed as `{id}`: `header:NAME`, `query:NAME`, `field:NAME` or `form:NAME` */
    id_at?: string | null
  } | null
  /** The channels of its events */
  channels?: (string)[]
  /** What is said of each of its events, besides `source` and `provider_id` */
  metadata?: { [name: string]: string } | null
  /** Headers of the request that are kept with the event and delivered with it; `x-github-*` stands for all that begin so. Credentials are never kept */
  forward_headers?: (string)[]
  /** What is put before their names when they are delivered; nothing: they are delivered by their own names. `x-original-` unless given */
  forward_prefix?: "x-original-" | ""
  /** What the provider is answered when its event is accepted. Left out: as it needs it (Adyen: `[accepted]`, Slack and Twilio: nothing), else 200 with `webhook_id` and `deliveries` as JSON */
  answer?: {
    status?: number
    /** The type of `body`; `text/plain` unless given */
    content_type?: "application/json" | "text/plain" | "text/xml" | "application/xml"
    /** Sent as it is */
    body?: string
  } | null
  /** False: its address takes nothing, as if it were none. True unless given */
  enabled?: boolean
}

/** An address that a provider sends to */
export type Source = {
  id: number
  tenant: string
  name: string
  preset: string
  /** To give to the provider; for who may only read, ******** stands in it */
  url: string
  enabled: boolean
  /** One ******** for each */
  secrets: (string)[]
  /** When each of them ends */
  secrets_expire_at: (string | null)[]
  /** As it was given */
  event_type: string | null
  /** As it was given */
  public_url: string | null
  tolerance_seconds: number | null
  dedupe: (string)[] | null
  signature: { [name: string]: unknown } | null
  channels: (string)[]
  metadata: { [name: string]: string }
  forward_headers: (string)[]
  forward_prefix: string
  answer: {
    status?: number
    content_type?: string
    body?: string
  } | null
  /** What came, as of a second or two ago */
  received: {
    /** Requests that were accepted */
    accepted: number
    /** Of these, those that had been accepted before */
    repeated: number
    /** Requests that were refused */
    refused: number
    /** When the last one was accepted */
    last_accepted_at: string | null
    /** When the last one was refused */
    last_refused_at: string | null
    /** How many were refused since one was accepted */
    refused_in_a_row: number
    /** Since when */
    refusing_since: string | null
    /** Why the last of these was refused */
    last_reason: string | null
  }
  created_at: string
  updated_at: string
}

/** A new secret beside those there are, which end after a while */
export type SourceSecretRotation = {
  /** The new secret, as the provider shows it */
  secret: string
  /** How long those before it are still good; 0: they end now */
  overlap_seconds?: number
}

/** A request that a source refused */
export type SourceRefusal = {
  id: string
  at: string
  /** A code, such as `signature_mismatch` */
  reason: string
  /** What that means, and what to do */
  detail: string
  method: string
  /** Of the address, without the question mark */
  query: string | null
  /** By their names in lower case. Credentials are redacted */
  headers: { [name: string]: string | (string)[] }
  /** Its beginning, where it is long */
  body: string
  /** `base64` where the bytes are no UTF-8 */
  body_encoding: "utf-8" | "base64"
  /** How many bytes it had */
  body_bytes: number
  body_truncated: boolean
}

/** A receiver to try deliveries with */
export type TestReceiverCreate = {
  /** The id of a tenant; a key that is for one tenant needs none */
  tenant?: string
  /** For people */
  name?: string | null
  /** How requests are answered; what is left out is as usual: 200, at once, without a body */
  answer?: {
    status?: number
    /** How long it waits before it answers */
    delay_ms?: number
    /** Headers of the answer: content-type, location, retry-after, and names that begin with webhook- or x-test-. Others are refused, since the answer comes from the address of this service. A content type is application/json, application/problem+json, application/octet-stream or text/plain */
    headers?: { [name: string]: string }
    /** The body of the answer */
    body?: string
    /** This number of requests fail from now on, and all after them succeed: they fail as `drop` or a `status` of 300 or more says, else with 500; they succeed with a `status` below 300, else 200. Null: every request is answered as the other fields say */
    fail_times?: number | null
    /** The connection is closed without an answer */
    drop?: boolean
    /** The header `Retry-After` of answers that are no success, in seconds */
    retry_after?: number | null
  }
  /** What signatures are verified with. Null or left out: the secrets of the subscriptions that lead here, as they are when a request comes */
  signing_secret?: string | null
  expires_in_seconds?: number
}

/** What is to change. Fields of `answer` that are left out stay as they are; `fail_times` is counted anew. */
export type TestReceiverPatch = {
  /** For people */
  name?: string | null
  /** How requests are answered; what is left out is as usual: 200, at once, without a body */
  answer?: {
    status?: number
    /** How long it waits before it answers */
    delay_ms?: number
    /** Headers of the answer: content-type, location, retry-after, and names that begin with webhook- or x-test-. Others are refused, since the answer comes from the address of this service. A content type is application/json, application/problem+json, application/octet-stream or text/plain */
    headers?: { [name: string]: string }
    /** The body of the answer */
    body?: string
    /** This number of requests fail from now on, and all after them succeed: they fail as `drop` or a `status` of 300 or more says, else with 500; they succeed with a `status` below 300, else 200. Null: every request is answered as the other fields say */
    fail_times?: number | null
    /** The connection is closed without an answer */
    drop?: boolean
    /** The header `Retry-After` of answers that are no success, in seconds */
    retry_after?: number | null
  }
  /** What signatures are verified with. Null or left out: the secrets of the subscriptions that lead here, as they are when a request comes */
  signing_secret?: string | null
}

/** A receiver to try deliveries with */
export type TestReceiver = {
  id: number
  tenant: string
  name: string | null
  /** Where requests are sent to; who knows it may send */
  url: string
  answer: {
    status: number
    delay_ms: number
    headers: { [name: string]: string }
    body: string
    fail_times: number | null
    drop: boolean
    retry_after: number | null
  }
  /** How many of the next requests fail, by `fail_times` */
  failures_left: number
  /** Masked as ********; null: that of the subscriptions that lead here */
  signing_secret: string | null
  /** How many requests came in all */
  received: number
  created_at: string
  /** When it ends, with all that it got */
  expires_at: string
}

/** A request that a test receiver got */
export type ReceivedRequest = {
  id: string
  at: string
  method: string
  /** Of the address, without the question mark */
  query: string | null
  /** Credentials are `[redacted]`: `authorization`, cookies, and the headers that the subscription adds */
  headers: { [name: string]: string | (string)[] }
  body: string
  /** How the bytes are written in `body`: as text, or in base64 where they are no UTF-8 */
  body_encoding: "utf-8" | "base64"
  body_bytes: number
  body_truncated: boolean
  webhook_id: string | null
  /** Whose secret the signature was made with */
  subscription_id: number | null
  /** `unchecked`: no secret is known that it could be verified with */
  signature: "valid" | "invalid" | "unchecked"
  /** Why it is not valid */
  signature_detail: string | null
  /** What was answered; null: the connection was closed without an answer */
  status: number | null
}

/** What to send */
export type SubscriptionTest = {
  /** Left out: the first exact type that the subscription wants, else `webhook.test` */
  event_type?: string
  /** Sent as JSON. Left out: the first example of the event type in the catalogue, else a sample that says that it is a test */
  payload?: unknown
}

/** A subscription that is not saved, as `POST /subscriptions/` takes it, and what to send */
export type DraftTest = {
  /** Where events are sent: an http or https address, without user name, password and fragment, and allowed by the service */
  target_url: string
  /** The id of a tenant; a key that is for one tenant needs none */
  tenant?: string
  /** Your own name for it, unique within its tenant; `uid:<value>` stands for the id in every path */
  uid?: string | null
  /** For people */
  description?: string | null
  /** When it is set, every ingest must be signed with it (HMAC-SHA256 of the raw body, in `X-Hub-Signature-256`). Shown in the 201 answer only. */
  secret?: string | null
  /** Only events of these types are delivered; null: all events. Exact types, or patterns in which `*` stands for a segment between dots, at the end for one or more: `order.*`, `order.*.paid`. A pattern has at most 8 segments. `*` alone stands for every event, also one without a type */
  event_types?: (string)[] | null
  /** Only events that have at least one of these channels are delivered; null: all events, with channels or without */
  channels?: (string)[] | null
  /** Only events that it matches are delivered; null: all events. Conditions on `payload`, `headers`, `metadata` and `event_type`: nested objects are paths, a bare value means equality, and the operators are `$eq`, `$neq`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$startsWith`, `$endsWith`, `$exist`, `$or`, `$and`, `$not`. At most 16 levels, 100 values to compare with, 100 in one `$in` or `$nin`, and 8192 bytes of JSON in all */
  filter?: { [name: string]: unknown } | null
  /** Events are accepted, and delivered once it is resumed */
  paused?: boolean
  /** When a failed delivery is tried again. A field that is left out or null has the default of the service. */
  retry?: {
    /** Attempts in all, the first included. Left out: the default of the service, or as many as use each delay of `schedule_seconds` where that is more */
    max_attempts?: number | null
    /** Delay after the first failed attempt */
    base_seconds?: number | null
    /** Each further delay is this many times the one before */
    factor?: number | null
    /** No delay is longer */
    max_delay_seconds?: number | null
    /** Explicit delays: the first follows attempt 1, the last one is repeated. They replace base, factor and maximum */
    schedule_seconds?: (number)[] | null
    /** Up to this share of a delay is added at random */
    jitter?: number | null
    /** No attempt later than this after the event was accepted */
    max_age_seconds?: number | null
    /** Statuses after which there is no further attempt, such as 400; 410 always is one */
    terminal_statuses?: (number)[] | null
    /** What the other fields start from. `standard`: 10 attempts over 75 hours (0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h) with jitter. Not stored by name. */
    preset?: "default" | "standard" | null
  } | null
  /** How long one attempt may take */
  timeout_ms?: number | null
  /** How long name look-up, connection and TLS handshake may take together, within `timeout_ms`; a larger value has no effect. An attempt over an open connection does none of them */
  connect_timeout_ms?: number | null
  /** How many requests may be open to the receiver at a time. Null: the service finds out how many it is best served with */
  max_in_flight?: number | null
  /** At most `requests` attempts in `per_seconds` seconds. Deliveries beyond it wait, which spends no attempt */
  rate_limit?: {
    requests: number
    per_seconds: number
  } | null
  /** One at a time, in the order of acceptance. One that fails holds those after it until it is delivered or given up */
  ordered?: boolean
  /** Where an event says what it belongs to: `payload.<path>` such as `payload.customer.id`, `headers.<name>`, `metadata.<name>`, or `subject`, that of CloudEvents. Events with the same key go one at a time, in the order of acceptance, and one that fails holds only those of its key. An event without a key is in no order. Not together with `ordered` */
  ordering_key?: string | null
  /** `raw`: the body as it was sent, byte for byte. `slack`: `{"text": …}` as an incoming webhook of Slack takes it: the subject and the text of a system event, the `text` of a JSON body that has one, else the type and the beginning of the body. `cloudevents-structured` and `cloudevents-binary`: a CloudEvent 1.0 in one JSON object, or in headers beside the body as it was sent; `cloudevents` says what its attributes are. What is signed is what is sent */
  format?: "raw" | "cloudevents-structured" | "cloudevents-binary" | "slack" | null
  /** Each attempt tells the receiver where it is in a trace, by the header `traceparent` (W3C Trace Context): its own place where the service traces, else the one that came with the event, if any */
  forward_traceparent?: boolean
  /** Of which attempts request headers, answer and timings are kept (`GET /attempts/{id}`): of `failures`, of `all`, of `none`; with `none` the log quotes no answer either. Null: as the setting `CAPTURE_RESPONSES` says */
  capture?: "failures" | "all" | "none" | null
  /** How what is sent to `POST /ingest/{id}` is verified: as a provider signs. It takes the place of `secret`. The event type and the id by which a repeat is known are read as the preset says */
  inbound?: {
    /** The `id` of one of `GET /sources/presets` */
    preset: string
    /** Secrets as the provider shows them, or its public keys; one that fits is enough. Shown as ********; a mask sent back keeps the one at its place */
    secrets?: (string)[]
    /** How far the time of a signature may be from now; null: as the preset says */
    tolerance_seconds?: number | null
    /** Where the id stands by which a repeat is known, at most ten places; none: repeats are not known; null: as the preset says */
    dedupe?: (string)[] | null
    /** False: who has an API key needs no signature. True unless given */
    require_signature?: boolean
  } | null
  /** Sent with every delivery, such as `{"Authorization": "Bearer …"}`. Values are stored encrypted and shown masked as ********; a masked value sent back keeps the one there is. At most 32 names and 8192 bytes in all; names that the service sets itself are refused. */
  headers?: { [name: string]: string } | null
  /** Headers that are made for each attempt, such as `{"X-Order": "{metadata.order}"}`: `{event_type}`, `{id}` (the `webhook_id`), `{event_id}`, `{tenant}`, `{subscription_id}`, `{created_at}`, `{metadata.NAME}`, `{attempt}`, `{timestamp}` and `{timestamp_ms}` stand for values, `{{` and `}}` for braces. In a value what is no visible ASCII is percent-encoded; a header without a value is not sent. They are no place for secrets: they are shown as they are. At most 16 names; those that the service sets itself, or that are in `headers`, are refused */
  header_templates?: { [name: string]: string } | null
  /** The attributes of events in the formats `cloudevents-structured` and `cloudevents-binary`. In each text `{event_type}`, `{id}`, `{event_id}`, `{tenant}`, `{subscription_id}`, `{created_at}` and `{metadata.NAME}` stand for what the event has, `{{` and `}}` for braces */
  cloudevents?: {
    /** A URI reference. Null: `/tenants/<tenant>` */
    source?: string | null
    /** Null: the type of the event, or `webhook.event` where it has none */
    type?: string | null
    /** Null, or without a value: none is sent */
    subject?: string | null
    /** Attributes of your own, at most 16, by names of 1 to 20 lower-case letters and digits */
    extensions?: { [name: string]: string | null } | null
  } | null
  /** What is shown to the receiver so that it lets deliveries in. Null: nothing */
  auth?: {
    /** `basic`: `username` and `password`. `bearer`: `token`. `oauth2`: an access token by client credentials, fetched from `token_url`, kept until it ends, and fetched anew once when the receiver answers 401. `mtls`: `certificate` and `key` */
    type?: "none" | "basic" | "bearer" | "oauth2" | "mtls" | null
    /** Of Basic authentication */
    username?: string | null
    /** Of Basic authentication. Stored encrypted, shown as ********; sent back so, it is kept */
    password?: string | null
    /** Sent as `Authorization: Bearer`. Stored encrypted, shown as ********; sent back so, it is kept */
    token?: string | null
    /** Where OAuth 2 gives access tokens. The same rules hold for it as for `target_url` */
    token_url?: string | null
    /** Of OAuth 2 */
    client_id?: string | null
    /** Of OAuth 2. Stored encrypted, shown as ********; sent back so, it is kept */
    client_secret?: string | null
    /** Where OAuth 2 sends id and secret: by Basic authentication (null: this), or in the body */
    client_auth?: "basic" | "body" | null
    /** Of OAuth 2; null: none is asked for */
    scope?: string | null
    /** Of OAuth 2, for servers that ask for it; null: none is sent */
    audience?: string | null
    /** The certificate that is shown to the receiver (mutual TLS), with those between it and its authority, as PEM. Any type may have it, with `key`. At most 65536 characters */
    certificate?: string | null
    /** The private key of `certificate`, as PEM without a passphrase. Stored encrypted, shown as ********; sent back so, it is kept. At most 65536 characters */
    key?: string | null
    /** The only authorities that a certificate of the receiver may come from, as PEM; null: the usual ones. Any type may have it. At most 65536 characters */
    ca?: string | null
    /** Set by the service, and ignored here */
    certificate_expires_at?: string | null
  } | null
  /** How deliveries are signed. A field that is left out or null is as in Standard Webhooks v1. */
  signing?: {
    /** `v1`: HMAC-SHA256 of Standard Webhooks, with `signing_secret`. `v1a`: Ed25519 of Standard Webhooks, verified with `signing_public_key`. `hub-sha256`: HMAC-SHA256 of the body alone in hex, as GitHub signs; `shopify-sha256`: the same in base64, as Shopify signs; `stripe-sha256`: HMAC-SHA256 of time and body, as Stripe signs. The key of these three is the whole text of `signing_secret`, prefix included. `rfc9421-hmac-sha256` and `rfc9421-ed25519`: HTTP message signatures (RFC 9421) with `Content-Digest`, with the key of `v1` and the key pair of `v1a`. `custom`: as `custom` says. A list signs in several ways at once. */
    scheme?: "v1" | "v1a" | "hub-sha256" | "stripe-sha256" | "shopify-sha256" | "rfc9421-hmac-sha256" | "rfc9421-ed25519" | "custom" | "none" | ("v1" | "v1a" | "hub-sha256" | "stripe-sha256" | "shopify-sha256" | "rfc9421-hmac-sha256" | "rfc9421-ed25519" | "custom")[] | null
    /** Other names for these headers */
    headers?: {
      /** The id of the event */
      id?: string | null
      /** The time of the attempt, in Unix seconds */
      timestamp?: string | null
      /** The list of signatures (v1, v1a) */
      signature?: string | null
      /** The signature of hub-sha256 */
      hub_signature?: string | null
      /** The time and the signatures of stripe-sha256 */
      stripe_signature?: string | null
      /** The signature of shopify-sha256 */
      shopify_signature?: string | null
      /** The number of the attempt, from 1; not sent unless it has a name, such as `webhook-attempt` */
      attempt?: string | null
    } | null
    /** How `rfc9421-hmac-sha256` and `rfc9421-ed25519` sign (RFC 9421) */
    message_signature?: {
      /** What signatures are called, with a number after it; null: `sig`, so that the first is `sig1` */
      label?: string | null
      /** What is signed: `@method`, `@target-uri`, `@authority`, `@scheme`, `@request-target`, `@path`, `@query`, and names of headers in lower case; `content-digest` has to be among them, as it stands for the body. A header that a message does not have is left out. Null: `@method`, `@target-uri`, `content-digest`, `content-type` and the headers of id and time. At most 32 */
      components?: (string)[] | null
      /** The parameter `tag`; null: none */
      tag?: string | null
      /** The parameter `expires`: how long after it was made a signature holds; null: none */
      expires_seconds?: number | null
    } | null
    /** The signature of the scheme `custom`, as another service makes it. It needs `content` and `header` */
    custom?: {
      /** Null: `hmac-sha256`. `ed25519` signs with the key pair of `signing_public_key` */
      algorithm?: "hmac-sha256" | "hmac-sha1" | "hmac-sha512" | "ed25519" | null
      /** How the signature is written; null: `hex` */
      encoding?: "hex" | "base64" | "base64url" | null
      /** The key of an HMAC: the whole `signing_secret` as text (null: this), or the bytes that it is in base64 (after `whsec_`, if that is there) or hex */
      key?: "text" | "base64" | "hex" | null
      /** What is signed: `{body}`, `{id}`, `{timestamp}` (Unix seconds), `{timestamp_ms}`, `{method}`, `{url}`, `{path}`, `{event_id}`, `{event_type}`, `{tenant}`, `{subscription_id}`, `{created_at}`, `{attempt}` and `{metadata.NAME}` stand for values, `{{` and `}}` for braces. At most 512 characters */
      content?: string
      /** The header that holds the signature */
      header?: string
      /** Its value; null: `{signature}`. `{signature}` is one signature: while a secret is being replaced that of the older one, which all receivers have. `{signatures}` is one `entry` for each secret in force, newest first. All placeholders of `content` but those of the request can stand in it, too. At most 512 characters */
      value?: string | null
      /** One of `{signatures}`; null: `{signature}`. At most 512 characters */
      entry?: string | null
      /** Between the entries; null: a comma */
      separator?: string | null
    } | null
  } | null
  /** Your own names and texts; shown, never sent to the receiver */
  metadata?: { [name: string]: string } | null
  /** A secret of your own to sign with: `whsec_` and base64 of 24 to 64 bytes, also without the prefix; for the schemes of other services, without `v1`, also any 16 ASCII characters or more. Made when it is left out. */
  signing_secret?: string | null
  /** Left out: the first exact type that the subscription wants, else `webhook.test` */
  event_type?: string
  /** Sent as JSON. Left out: the first example of the event type in the catalogue, else a sample that says that it is a test */
  payload?: unknown
}

/** One test: the whole exchange */
export type TestResult = {
  /** The receiver has accepted it */
  delivered: boolean
  /** The id that it was sent with; of no event */
  webhook_id: string
  /** Its row of the log; null: the subscription is not saved */
  attempt_id: string | null
  event_type: string
  request: {
    method: "POST" | "OPTIONS"
    /** The target_url at that time */
    url: string
    /** As they were sent; possible secrets are `[redacted]` */
    headers: { [name: string]: string | (string)[] }
    /** As it was sent, byte for byte */
    body: string
  }
  /** Null: there was no answer */
  response: {
    status: number
    /** As they came; cookies are `[redacted]` */
    headers: { [name: string]: string | (string)[] }
    /** Its beginning, not decompressed. What it repeats of the headers that it was sent is `[redacted]`, in values of 8 characters or more */
    body: string
    /** `base64` when the body is not valid UTF-8 */
    body_encoding: "utf-8" | "base64"
    /** How much of the body arrived */
    body_bytes: number
    /** There was more than is shown */
    body_truncated: boolean
  } | null
  timings: {
    /** It used the connection of an earlier attempt; then dns, connect and tls are null */
    reused: boolean
    /** The request was sent twice within this attempt: the receiver had just closed the connection that was kept, so a new one was made at once */
    repeated: boolean
    /** To resolve the host name */
    dns: number | null
    /** To open the TCP connection */
    connect: number | null
    /** For the TLS handshake */
    tls: number | null
    /** From the start of the attempt to the headers of the answer */
    first_byte: number | null
    /** From the start of the attempt to its end */
    total: number | null
  }
  /** The address the connection went to */
  remote_address: string | null
  error_class: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials" | null
  /** What went wrong */
  error: string | null
  /** What its owner can do about it */
  hint: string | null
}

/** What each operation takes (path, query, body) and answers. */
export interface Operations {
  /** Cancel an event of which nothing was sent yet */
  cancelEvent: { path: { webhook_id: string | number }; query: undefined; body: undefined; answer: undefined }
  /** End a replay */
  cancelReplay: { path: { id: string | number }; query: undefined; body: undefined; answer: Replay }
  /** Create an API key */
  createKey: { path: undefined; query: undefined; body: KeyCreate; answer: NewKey }
  /** Let a customer into what a tenant has */
  createPortalToken: { path: undefined; query: undefined; body: PortalTokenCreate; answer: PortalToken }
  /** Send many deliveries again */
  createReplay: { path: undefined; query: undefined; body: ReplayCreate; answer: {
    count: number
  } | Replay }
  /** Make an address that a provider sends to */
  createSource: { path: undefined; query: undefined; body: SourceCreate; answer: Source }
  /** Create a subscription */
  createSubscription: { path: undefined; query: undefined; body: SubscriptionCreate; answer: Subscription }
  /** Create a tenant */
  createTenant: { path: undefined; query: undefined; body: TenantCreate; answer: Tenant }
  /** Make a receiver to try deliveries with */
  createTestReceiver: { path: undefined; query: undefined; body: TestReceiverCreate; answer: TestReceiver }
  /** Delete an event type */
  deleteEventType: { path: { name: string | number }; query: { tenant?: string }; body: undefined; answer: undefined }
  /** Delete a source */
  deleteSource: { path: { id: string | number }; query: undefined; body: undefined; answer: undefined }
  /** Delete a subscription */
  deleteSubscription: { path: { id: string | number }; query: { tenant?: string }; body: undefined; answer: undefined }
  /** Delete a tenant, with all that it has */
  deleteTenant: { path: { id: string | number }; query: undefined; body: undefined; answer: undefined }
  /** End a test receiver */
  deleteTestReceiver: { path: { id: string | number }; query: undefined; body: undefined; answer: undefined }
  /** End what is owed, or dead letters */
  discardDeliveries: { path: undefined; query: undefined; body: {
    /** `pending`, `failed` or both with a comma between; left out: both */
    state?: string
    /** Only those to this subscription: its id, or `uid:` and its uid */
    subscription_id?: number | string
    /** The id of a tenant; a key that is for one tenant needs none */
    tenant?: string
    /** Only those whose last attempt failed in this way */
    error_class?: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials"
    /** Events accepted from then on */
    since?: string
    /** Events accepted before then */
    until?: string
    /** Exactly these, instead of filters. All of them have to be there, else none ends; of these, what has ended already stays as it is and is not counted */
    deliveries?: ({
      webhook_id: string
      subscription_id: number
    })[]
    /** True, and no filter: all that is owed, and all dead letters */
    all?: boolean
    /** Only counts, and changes nothing */
    dry_run?: boolean
    /** `next_cursor` of a request that was not complete */
    cursor?: string
  }; answer: {
    count: number
    /** False: there is more than fits into one request; send it again with the cursor */
    is_complete: boolean
    next_cursor: string | null
  } }
  /** The event types as an OpenAPI 3.1 document */
  exportEventTypes: { path: undefined; query: { tenant?: string }; body: undefined; answer: EventTypeDocument }
  /** Expunge the payloads of all events before a moment */
  expungeEvents: { path: undefined; query: undefined; body: {
    /** The id of a tenant; a key that is for one tenant needs none */
    tenant?: string
    /** Events that were accepted before then */
    before: string
    /** Only counts, and changes nothing */
    dry_run?: boolean
  }; answer: {
    count: number
  } | Expunge }
  /** Expunge the payload of an event */
  expungePayload: { path: { webhook_id: string | number }; query: undefined; body: undefined; answer: undefined }
  /** One attempt: what was sent, what came back, and how long it took */
  getAttempt: { path: { id: string | number }; query: undefined; body: undefined; answer: AttemptDetails }
  /** An event, who got it, and why others did not */
  getEvent: { path: { webhook_id: string | number }; query: { limit?: number; cursor?: string; unmatched_limit?: number; unmatched_cursor?: string }; body: undefined; answer: EventDetails }
  /** Read one event type */
  getEventType: { path: { name: string | number }; query: { tenant?: string }; body: undefined; answer: EventType }
  /** How far an expunging has come */
  getExpunge: { path: { id: string | number }; query: undefined; body: undefined; answer: Expunge }
  /** Read one API key, without its secret text */
  getKey: { path: { id: string | number }; query: undefined; body: undefined; answer: Key }
  /** Who the caller is, and what they may do */
  getMe: { path: undefined; query: undefined; body: undefined; answer: Me }
  /** Figures for Prometheus */
  getMetrics: { path: undefined; query: undefined; body: undefined; answer: unknown }
  /** The payload of an event, byte for byte */
  getPayload: { path: { webhook_id: string | number }; query: undefined; body: undefined; answer: unknown }
  /** How far a replay has come */
  getReplay: { path: { id: string | number }; query: undefined; body: undefined; answer: Replay }
  /** Read one source */
  getSource: { path: { id: string | number }; query: undefined; body: undefined; answer: Source }
  /** How all deliveries go: counts, latency and what waits */
  getStats: { path: undefined; query: { window?: "1h" | "24h" | "7d" | "30d"; time_zone?: string; tenant?: string }; body: undefined; answer: Stats }
  /** The state of every delivery of an event */
  getStatus: { path: { webhook_id: string | number }; query: undefined; body: undefined; answer: EventStatus }
  /** What is stored, and for how long it is kept */
  getStorage: { path: undefined; query: undefined; body: undefined; answer: StorageReport }
  /** Read one subscription */
  getSubscription: { path: { id: string | number }; query: { tenant?: string }; body: undefined; answer: Subscription }
  /** How deliveries to a subscription go: counts, latency and what waits */
  getSubscriptionStats: { path: { id: string | number }; query: { window?: "1h" | "24h" | "7d" | "30d"; time_zone?: string; tenant?: string }; body: undefined; answer: SubscriptionStats }
  /** The processes of this installation, their backlog, and what troubles them */
  getSystem: { path: undefined; query: undefined; body: undefined; answer: SystemReport }
  /** Read one tenant */
  getTenant: { path: { id: string | number }; query: undefined; body: undefined; answer: Tenant }
  /** Read one test receiver */
  getTestReceiver: { path: { id: string | number }; query: undefined; body: undefined; answer: TestReceiver }
  /** The same as /readyz */
  healthz: { path: undefined; query: undefined; body: undefined; answer: Health }
  /** Make event types from an OpenAPI document */
  importEventTypes: { path: undefined; query: { tenant?: string }; body: EventTypeDocument; answer: EventTypeImport }
  /** Accept an event for one subscription */
  ingest: { path: { id: string | number }; query: undefined; body: unknown; answer: { [name: string]: unknown } | {
    webhook_id: string
  } }
  /** Who has changed what, newest first */
  listAudit: { path: undefined; query: { limit?: number; cursor?: string; tenant?: string; action?: string; subject?: string; actor?: string; since?: string; until?: string }; body: undefined; answer: (AuditEntry)[] }
  /** What is owed, and dead letters */
  listDeliveries: { path: undefined; query: { limit?: number; cursor?: string; state?: string; subscription_id?: number | string; tenant?: string; error_class?: "dns" | "connect" | "tls" | "timeout" | "http" | "blocked" | "invalid" | "proxy" | "credentials"; since?: string; until?: string }; body: undefined; answer: (ListedDelivery)[] }
  /** List the event types, newest first */
  listEventTypes: { path: undefined; query: { limit?: number; cursor?: string; tenant?: string }; body: undefined; answer: (EventType)[] }
  /** Search events, newest first */
  listEvents: { path: undefined; query: { limit?: number; cursor?: string; tenant?: string; event_type?: string; status?: "pending" | "success" | "failed" | "cancelled" | "unmatched"; subscription_id?: number | string; channel?: string; event_id?: string; idempotency_key?: string; since?: string; until?: string; q?: string }; body: undefined; answer: (EventSummary)[] }
  /** List expungings of many events, newest first */
  listExpunges: { path: undefined; query: { limit?: number; cursor?: string; tenant?: string }; body: undefined; answer: (Expunge)[] }
  /** What was refused at POST /ingest/{id} of a subscription with `inbound`, newest first */
  listInboundRefusals: { path: { id: string | number }; query: { limit?: number; cursor?: string; tenant?: string }; body: undefined; answer: (SourceRefusal)[] }
  /** List API keys, newest first */
  listKeys: { path: undefined; query: { limit?: number; cursor?: string; tenant?: string }; body: undefined; answer: (Key)[] }
  /** Recent attempts of a subscription, newest first */
  listLogs: { path: { subscription_id: string | number }; query: { limit?: number; cursor?: string; tenant?: string; status?: "success" | "failed"; webhook_id?: string }; body: undefined; answer: (Attempt)[] }
  /** The keys of a subscription of which deliveries wait, and for what */
  listOrderingKeys: { path: { id: string | number }; query: { limit?: number; cursor?: string; tenant?: string; key?: string }; body: undefined; answer: ({
    ordering_key: string
    /** The event whose delivery is the first of those that wait */
    webhook_id: string
    /** How many attempts that has had; 0: others of its key are being sent */
    attempts: number
    /** When the first attempt of these failed; null: none has */
    held_since: string | null
    /** When it is tried next; null: behind others that are being sent */
    next_attempt_at: string | null
    /** How many deliveries of the same key wait behind it; 1000 stands for more, too */
    waiting: number
  })[] }
  /** What a test receiver got, newest first */
  listReceivedRequests: { path: { id: string | number }; query: { limit?: number; cursor?: string }; body: undefined; answer: (ReceivedRequest)[] }
  /** List replays, newest first */
  listReplays: { path: undefined; query: { limit?: number; cursor?: string; tenant?: string }; body: undefined; answer: (Replay)[] }
  /** The settings in force */
  listSettings: { path: undefined; query: undefined; body: undefined; answer: (SettingReport)[] }
  /** List the providers whose signatures are known, and how they sign */
  listSourcePresets: { path: undefined; query: undefined; body: undefined; answer: (SourcePreset)[] }
  /** What a source refused, newest first */
  listSourceRefusals: { path: { id: string | number }; query: { limit?: number; cursor?: string }; body: undefined; answer: (SourceRefusal)[] }
  /** List sources, newest first */
  listSources: { path: undefined; query: { limit?: number; cursor?: string; tenant?: string }; body: undefined; answer: (Source)[] }
  /** The figures of several subscriptions: those of a page, or those that fail most */
  listSubscriptionStats: { path: undefined; query: { window?: "1h" | "24h" | "7d" | "30d"; tenant?: string; ids?: string; most?: "failed" | "retrying"; limit?: number }; body: undefined; answer: (SubscriptionFigures)[] }
  /** List all subscriptions, newest first */
  listSubscriptions: { path: undefined; query: { limit?: number; cursor?: string; tenant?: string; state?: "active" | "paused" | "degraded" | "circuit_open" | "disabled"; q?: string; event_type?: string }; body: undefined; answer: (Subscription)[] }
  /** List tenants, newest first */
  listTenants: { path: undefined; query: { limit?: number; cursor?: string; q?: string }; body: undefined; answer: (Tenant)[] }
  /** List test receivers, newest first */
  listTestReceivers: { path: undefined; query: { limit?: number; cursor?: string; tenant?: string }; body: undefined; answer: (TestReceiver)[] }
  /** Is this process alive? */
  livez: { path: undefined; query: undefined; body: undefined; answer: Health }
  /** Change a source */
  patchSource: { path: { id: string | number }; query: undefined; body: SourcePatch; answer: Source }
  /** Change some fields of a subscription */
  patchSubscription: { path: { id: string | number }; query: { tenant?: string }; body: SubscriptionPatch; answer: Subscription }
  /** Change the name, the metadata, the retention or the look of a tenant */
  patchTenant: { path: { id: string | number }; query: undefined; body: TenantPatch; answer: Tenant }
  /** Change how a test receiver answers */
  patchTestReceiver: { path: { id: string | number }; query: undefined; body: TestReceiverPatch; answer: TestReceiver }
  /** Pause a subscription */
  pauseSubscription: { path: { id: string | number }; query: { tenant?: string }; body: undefined; answer: Subscription }
  /** Publish up to 1,000 events */
  publishBatch: { path: undefined; query: undefined; body: ({
    event_type?: string
    tenant?: string
    channels?: (string)[]
    event_id?: string
    idempotency_key?: string
    deliver_at?: string
    metadata?: { [name: string]: string }
    /** JSON. Its bytes are delivered as they stand in the request */
    payload?: unknown
    /** Instead of `payload`: any bytes */
    payload_base64?: string
    /** Of the payload: `application/json` for `payload`, `application/octet-stream` otherwise, unless given */
    content_type?: string
  })[]; answer: {
    /** One for each event, in their order */
    results: ({
      status: 202
      webhook_id: string
      deliveries: number
      /** The answer to an earlier request with this key */
      idempotent_replayed?: true
    } | {
      status: number
      error: Problem & {
        /** Where sending the event again helps */
        retry_after_seconds?: number
      }
    })[]
  } }
  /** Publish an event to every subscription that wants it */
  publishEvent: { path: undefined; query: { event_type?: string; tenant?: string; channels?: string; event_id?: string; deliver_at?: string; to?: string }; body: unknown; answer: {
    webhook_id: string
    /** To how many subscriptions it will be delivered */
    deliveries: number
  } }
  /** Make or replace an event type */
  putEventType: { path: { name: string | number }; query: { tenant?: string }; body: EventTypeInput; answer: EventType }
  /** The public keys that deliveries of a subscription are verified with */
  readPublicKeys: { path: { id: string | number }; query: undefined; body: undefined; answer: unknown }
  /** Can this process take requests? */
  readyz: { path: undefined; query: undefined; body: undefined; answer: Health }
  /** What a test receiver gets */
  receive: { path: { token: string | number }; query: undefined; body: undefined; answer: unknown }
  /** Take what a provider sends to a source */
  receiveFromProvider: { path: { token: string | number }; query: undefined; body: undefined; answer: {
    webhook_id: string
    deliveries: number
  } | unknown }
  /** Send again what has failed since a moment */
  recoverSubscription: { path: { id: string | number }; query: { tenant?: string }; body: {
    /** Of the acceptance of their events */
    since: string
  }; answer: Replay }
  /** Replace a subscription */
  replaceSubscription: { path: { id: string | number }; query: { tenant?: string }; body: SubscriptionReplace; answer: Subscription }
  /** Send an event again */
  replayEvent: { path: { webhook_id: string | number }; query: undefined; body: EventReplay; answer: {
    deliveries: number
  } }
  /** Resume a subscription */
  resumeSubscription: { path: { id: string | number }; query: { tenant?: string }; body: SubscriptionResume; answer: Subscription }
  /** Show the signing secrets again */
  revealSecrets: { path: { id: string | number }; query: { tenant?: string }; body: undefined; answer: RevealedSecrets }
  /** Revoke an API key */
  revokeKey: { path: { id: string | number }; query: undefined; body: undefined; answer: undefined }
  /** Revoke a portal token */
  revokePortalToken: { path: { id: string | number }; query: undefined; body: undefined; answer: undefined }
  /** Replace the signing secret */
  rotateSecret: { path: { id: string | number }; query: { tenant?: string }; body: SecretRotation; answer: RotatedSecret }
  /** Add a new secret, and let those before it end */
  rotateSourceSecret: { path: { id: string | number }; query: undefined; body: SourceSecretRotation; answer: Source }
  /** What happens, as it happens */
  stream: { path: undefined; query: { tenant?: string; subscription_id?: number | string; event_type?: string; kind?: string; status?: "success" | "failed"; last_event_id?: string }; body: undefined; answer: unknown }
  /** Try a subscription before it is saved */
  testDraft: { path: undefined; query: undefined; body: DraftTest; answer: TestResult }
  /** Hold a filter against an event, and see why it matches or not */
  testFilter: { path: undefined; query: undefined; body: FilterTest; answer: FilterTestResult }
  /** Send a signed sample now */
  testSubscription: { path: { id: string | number }; query: { tenant?: string }; body: SubscriptionTest; answer: TestResult }
  /** Try at once what waits for its retry */
  tryEventNow: { path: { webhook_id: string | number }; query: undefined; body: EventTryNow; answer: {
    deliveries: number
  } }
  /** Ask the receiver again whether it wants the events of this subscription */
  verifySubscription: { path: { id: string | number }; query: { tenant?: string }; body: undefined; answer: Subscription }
}

/** Method and path of each operation. */
export const operations: { readonly [Id in keyof Operations]: readonly [method: string, path: string] } = {
  cancelEvent: ['DELETE', '/events/{webhook_id}'],
  cancelReplay: ['POST', '/replays/{id}/cancel'],
  createKey: ['POST', '/keys'],
  createPortalToken: ['POST', '/portal-tokens'],
  createReplay: ['POST', '/replays'],
  createSource: ['POST', '/sources'],
  createSubscription: ['POST', '/subscriptions/'],
  createTenant: ['POST', '/tenants'],
  createTestReceiver: ['POST', '/test-receivers'],
  deleteEventType: ['DELETE', '/event-types/{name}'],
  deleteSource: ['DELETE', '/sources/{id}'],
  deleteSubscription: ['DELETE', '/subscriptions/{id}'],
  deleteTenant: ['DELETE', '/tenants/{id}'],
  deleteTestReceiver: ['DELETE', '/test-receivers/{id}'],
  discardDeliveries: ['POST', '/deliveries/discard'],
  exportEventTypes: ['GET', '/event-types/openapi.json'],
  expungeEvents: ['POST', '/events/expunge'],
  expungePayload: ['DELETE', '/events/{webhook_id}/payload'],
  getAttempt: ['GET', '/attempts/{id}'],
  getEvent: ['GET', '/events/{webhook_id}'],
  getEventType: ['GET', '/event-types/{name}'],
  getExpunge: ['GET', '/events/expunges/{id}'],
  getKey: ['GET', '/keys/{id}'],
  getMe: ['GET', '/me'],
  getMetrics: ['GET', '/metrics'],
  getPayload: ['GET', '/events/{webhook_id}/payload'],
  getReplay: ['GET', '/replays/{id}'],
  getSource: ['GET', '/sources/{id}'],
  getStats: ['GET', '/stats'],
  getStatus: ['GET', '/status/{webhook_id}'],
  getStorage: ['GET', '/system/storage'],
  getSubscription: ['GET', '/subscriptions/{id}'],
  getSubscriptionStats: ['GET', '/subscriptions/{id}/stats'],
  getSystem: ['GET', '/system'],
  getTenant: ['GET', '/tenants/{id}'],
  getTestReceiver: ['GET', '/test-receivers/{id}'],
  healthz: ['GET', '/healthz'],
  importEventTypes: ['POST', '/event-types/import'],
  ingest: ['POST', '/ingest/{id}'],
  listAudit: ['GET', '/audit'],
  listDeliveries: ['GET', '/deliveries'],
  listEventTypes: ['GET', '/event-types'],
  listEvents: ['GET', '/events'],
  listExpunges: ['GET', '/events/expunges'],
  listInboundRefusals: ['GET', '/subscriptions/{id}/inbound-refusals'],
  listKeys: ['GET', '/keys'],
  listLogs: ['GET', '/logs/{subscription_id}'],
  listOrderingKeys: ['GET', '/subscriptions/{id}/ordering-keys'],
  listReceivedRequests: ['GET', '/test-receivers/{id}/requests'],
  listReplays: ['GET', '/replays'],
  listSettings: ['GET', '/system/settings'],
  listSourcePresets: ['GET', '/sources/presets'],
  listSourceRefusals: ['GET', '/sources/{id}/refusals'],
  listSources: ['GET', '/sources'],
  listSubscriptionStats: ['GET', '/stats/subscriptions'],
  listSubscriptions: ['GET', '/subscriptions/'],
  listTenants: ['GET', '/tenants'],
  listTestReceivers: ['GET', '/test-receivers'],
  livez: ['GET', '/livez'],
  patchSource: ['PATCH', '/sources/{id}'],
  patchSubscription: ['PATCH', '/subscriptions/{id}'],
  patchTenant: ['PATCH', '/tenants/{id}'],
  patchTestReceiver: ['PATCH', '/test-receivers/{id}'],
  pauseSubscription: ['POST', '/subscriptions/{id}/pause'],
  publishBatch: ['POST', '/events/batch'],
  publishEvent: ['POST', '/events'],
  putEventType: ['PUT', '/event-types/{name}'],
  readPublicKeys: ['GET', '/subscriptions/{id}/jwks.json'],
  readyz: ['GET', '/readyz'],
  receive: ['POST', '/t/{token}'],
  receiveFromProvider: ['POST', '/in/{token}'],
  recoverSubscription: ['POST', '/subscriptions/{id}/recover'],
  replaceSubscription: ['PUT', '/subscriptions/{id}'],
  replayEvent: ['POST', '/events/{webhook_id}/replay'],
  resumeSubscription: ['POST', '/subscriptions/{id}/resume'],
  revealSecrets: ['POST', '/subscriptions/{id}/reveal-secret'],
  revokeKey: ['DELETE', '/keys/{id}'],
  revokePortalToken: ['DELETE', '/portal-tokens/{id}'],
  rotateSecret: ['POST', '/subscriptions/{id}/rotate-secret'],
  rotateSourceSecret: ['POST', '/sources/{id}/rotate-secret'],
  stream: ['GET', '/stream'],
  testDraft: ['POST', '/subscriptions/test'],
  testFilter: ['POST', '/filters/test'],
  testSubscription: ['POST', '/subscriptions/{id}/test'],
  tryEventNow: ['POST', '/events/{webhook_id}/try-now'],
  verifySubscription: ['POST', '/subscriptions/{id}/verify'],
}
