import type { Span, SpanContext, Tracer } from '@opentelemetry/api'
import type { Delivery, DeliveryContent } from '../model/delivery.ts'
import type { Outcome } from '../model/outcome.ts'
import type { Traceparent } from '../model/traceparent.ts'
import type { Logger } from '../platform/logger.ts'
import type { Troubles } from '../platform/troubles.ts'

export interface TracingSettings {
  /** Where spans are sent (OTLP over HTTP), without `/v1/traces`; undefined: there is no tracing. */
  readonly otlpEndpoint: string | undefined
  readonly otelServiceName: string
  /** The part of the traces that begin here that is recorded: 0 to 1. */
  readonly traceRatio: number
}

export interface TracingDeps extends TracingSettings {
  readonly version: string
  readonly troubles: Troubles
  readonly logger: Pick<Logger, 'info'>
}

/** A span that has begun. */
export interface BegunSpan {
  /** What is told to those that go on from here. */
  readonly traceparent: Traceparent
}

/** The acceptance of an event. */
export interface AcceptSpan extends BegunSpan {
  accepted(webhookId: string, deliveries: number): void
  failed(error: unknown): void
}

/** One attempt of a delivery. */
export interface AttemptSpan extends BegunSpan {
  ended(outcome: Outcome): void
}

/** What is said of an attempt as it begins. */
export interface AttemptFacts {
  readonly delivery: Pick<Delivery, 'webhookId' | 'subscriptionId' | 'attempt' | 'trigger'>
  readonly content: Pick<DeliveryContent, 'traceparent' | 'eventType'>
  /** Scheme, host and port. */
  readonly origin: string
}

/**
 * Spans of what happens to events, by OpenTelemetry. An event is accepted in the trace of its sender. Each attempt is a
 * trace of its own that links to it: what a sender traces has ended long before the last retry.
 */
export interface Tracing {
  /** @returns undefined when it is not recorded */
  accepting(event: {
    readonly tenant: string
    readonly eventType: string | null
    readonly traceparent?: Traceparent | null
  }): AcceptSpan | undefined
  /** @returns undefined when it is not recorded, as the acceptance was not */
  attempting(facts: AttemptFacts): AttemptSpan | undefined
  /** Sends what is not sent yet, and ends. */
  close(): Promise<void>
}

/** Spans that wait to be sent; more are dropped. */
const waitingMax = 8192

/**
 * Loads OpenTelemetry, where an address to send spans to is set, and only there.
 *
 * @returns undefined where there is none
 */
export async function openTracing(deps: TracingDeps): Promise<Tracing | undefined> {
  const { otlpEndpoint, otelServiceName, traceRatio, version, logger } = deps
  if (otlpEndpoint === undefined) return undefined
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/resources'),
  ])
  const exporter = toldOf(
    new OTLPTraceExporter({ url: `${otlpEndpoint.replace(/\/+$/, '')}/v1/traces`, timeoutMillis: 10_000 }),
    deps.troubles,
  )
  const processor = new sdk.BatchSpanProcessor({
    exporter,
    maxQueueSize: waitingMax,
    scheduledDelayMillis: 2000,
  })
  const resource = resourceFromAttributes({ 'service.name': otelServiceName, 'service.version': version })
  const providerWith = (sampler: Sampler) =>
    new sdk.TracerProvider({ resource, sampler, spanProcessors: [processor] })
  const some = new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(traceRatio) })
  const [accepting, attempting] = [providerWith(some), providerWith(new sdk.AlwaysOnSampler())]
  logger.info({ service: otelServiceName, ratio: traceRatio }, 'spans are sent over OTLP')
  return new OpenTelemetryTracing(
    api,
    accepting.getTracer('webhook-delivery-service', version),
    attempting.getTracer('webhook-delivery-service', version),
    () => accepting.shutdown(),
  )
}

type Api = typeof import('@opentelemetry/api')
type Exporter = import('@opentelemetry/sdk-trace').SpanExporter
type Sampler = import('@opentelemetry/sdk-trace').Sampler

/** A collector that is away is told once, and that it is back. */
function toldOf(exporter: Exporter, troubles: Troubles): Exporter {
  return {
    export(spans, done) {
      exporter.export(spans, result => {
        if (result.code === 0) troubles.ended('resources', 'otlp')
        else
          troubles.began(
            {
              kind: 'resources',
              subject: 'otlp',
              level: 'warn',
              message:
                'spans cannot be sent to OTEL_EXPORTER_OTLP_ENDPOINT and are dropped; deliveries go on',
              cause: result.error?.message ?? 'the collector refuses them',
              over: 'spans can be sent again',
              counts: 'dropped',
            },
            spans.length,
          )
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}

class OpenTelemetryTracing implements Tracing {
  readonly #api: Api
  /** Records some of the traces that begin here, and those of senders as they say. */
  readonly #some: Tracer
  readonly #all: Tracer
  readonly close: () => Promise<void>

  constructor(api: Api, some: Tracer, all: Tracer, close: () => Promise<void>) {
    this.#api = api
    this.#some = some
    this.#all = all
    this.close = close
  }

  accepting({ tenant, eventType, traceparent }: Parameters<Tracing['accepting']>[0]): AcceptSpan | undefined {
    const { ROOT_CONTEXT, SpanKind, trace } = this.#api
    const parent = this.#contextOf(traceparent)
    const context = parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT
    const attributes = {
      'webhook.tenant': tenant,
      ...(eventType !== null && { 'webhook.event_type': eventType }),
    }
    const span = this.#some.startSpan('accept event', { kind: SpanKind.SERVER, attributes }, context)
    if (!span.isRecording()) return undefined
    return {
      traceparent: traceparentOf(span),
      accepted: (webhookId, deliveries) => {
        span.setAttributes({ 'webhook.id': webhookId, 'webhook.deliveries': deliveries })
        span.end()
      },
      failed: error => {
        this.#fail(span, error instanceof Error ? error.name : 'error', String(error))
        span.end()
      },
    }
  }

  attempting({ delivery, content, origin }: AttemptFacts): AttemptSpan | undefined {
    const { ROOT_CONTEXT, SpanKind, TraceFlags } = this.#api
    const accepted = this.#contextOf(content.traceparent)
    if (accepted && !(accepted.traceFlags & TraceFlags.SAMPLED)) return undefined
    const { hostname, port, protocol } = new URL(origin)
    const attributes = {
      'http.request.method': 'POST',
      'url.scheme': protocol.slice(0, -1),
      'server.address': hostname,
      'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
      'webhook.id': delivery.webhookId,
      'webhook.subscription_id': delivery.subscriptionId,
      'webhook.attempt': delivery.attempt,
      'webhook.trigger': delivery.trigger ?? 'auto',
      ...(content.eventType !== null && { 'webhook.event_type': content.eventType }),
    }
    const links = accepted ? [{ context: accepted }] : []
    const tracer = accepted ? this.#all : this.#some
    const span = tracer.startSpan('POST', { kind: SpanKind.CLIENT, attributes, links }, ROOT_CONTEXT)
    if (!span.isRecording()) return undefined
    return {
      traceparent: traceparentOf(span),
      ended: outcome => {
        if (outcome.httpStatus !== undefined)
          span.setAttribute('http.response.status_code', outcome.httpStatus)
        if (outcome.kind !== 'accepted') {
          const isOfStatus = outcome.errorClass === 'http' && outcome.httpStatus !== undefined
          this.#fail(span, isOfStatus ? String(outcome.httpStatus) : outcome.errorClass, outcome.error)
        }
        span.end()
      },
    }
  }

  #fail(span: Span, type: string, message: string): void {
    span.setAttribute('error.type', type)
    span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message })
  }

  #contextOf(traceparent: Traceparent | null | undefined): SpanContext | undefined {
    const [, traceId, spanId, flags] = traceparent?.split('-') ?? []
    if (traceId === undefined || spanId === undefined) return undefined
    return { traceId, spanId, traceFlags: Number.parseInt(flags ?? '0', 16), isRemote: true }
  }
}

function traceparentOf(span: Span): Traceparent {
  const { traceId, spanId, traceFlags } = span.spanContext()
  return `00-${traceId}-${spanId}-0${traceFlags & 1}`
}
