/**
 * The requests of OTLP as JSON, by the official names: https://opentelemetry.io/docs/specs/otlp/#otlphttp. Ids are hexadecimal, numbers of 64
 * bits are texts, and enumerations numbers. A test decodes them by the official definitions.
 */
import type { JsonObject } from '../../base/index.ts'
import type { Metric } from './meters.ts'
import type { Attribute, Attributes, Span } from './trace-fold.ts'

export interface Resource {
  readonly attributes: Attributes
}

const scope: JsonObject = { name: 'oxbow' }

/** Values of `Span.SpanKind`. */
const kinds = { internal: 1, client: 3 } as const
/** Values of `Status.StatusCode`. */
const codes = { unset: 0, error: 2 } as const
/** `SpanFlags`: sampled, and whether the parent is remote is known. */
const sampled = 0x101

/** @returns an `ExportTraceServiceRequest` */
export function traceRequest(resource: Resource, spans: readonly Span[]): JsonObject {
  return {
    resourceSpans: [{ resource: { attributes: attributesOf(resource.attributes) }, scopeSpans: [{ scope, spans: spans.map(spanOf) }] }],
  }
}

function spanOf({ trace, id, parent, name, kind, start, end, attributes, events, error }: Span): JsonObject {
  return {
    traceId: trace,
    spanId: id,
    ...(parent !== '' && { parentSpanId: parent }),
    flags: sampled,
    name,
    kind: kinds[kind],
    startTimeUnixNano: nano(start),
    endTimeUnixNano: nano(end),
    attributes: attributesOf(attributes),
    ...(events.length > 0 && {
      events: events.map((event) => ({ timeUnixNano: nano(event.at), name: event.name, attributes: attributesOf(event.attributes) })),
    }),
    status: error === null ? { code: codes.unset } : { code: codes.error, message: error.message },
  }
}

/** @param ms Unix milliseconds */
function nano(ms: number): string {
  return `${BigInt(Math.round(ms * 1_000)) * 1_000n}`
}

function attributesOf(attributes: Attributes): readonly JsonObject[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: valueOf(value) }))
}

function valueOf(value: Attribute): JsonObject {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  return { arrayValue: { values: value.map(valueOf) } }
}

/** `AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE`: a request that is lost loses no number. */
const cumulative = 2

/** @param since Unix milliseconds from which on is counted @returns an `ExportMetricsServiceRequest` */
export function metricsRequest(resource: Resource, metrics: readonly Metric[], since: number, now: number): JsonObject {
  const times = { startTimeUnixNano: nano(since), timeUnixNano: nano(now) }
  return {
    resourceMetrics: [
      {
        resource: { attributes: attributesOf(resource.attributes) },
        scopeMetrics: [{ scope, metrics: metrics.flatMap((metric) => (metric.series.length === 0 ? [] : [metricOf(metric, times)])) }],
      },
    ],
  }
}

function metricOf({ name, what, unit, kind, series }: Metric, times: JsonObject): JsonObject {
  const dataPoints = series.map(({ labels, value }): JsonObject => {
    const attributes = attributesOf(labels)
    if (typeof value === 'number') return { ...times, attributes, asDouble: value }
    const { bounds, counts, sum, count } = value
    return { ...times, attributes, count: String(count), sum, bucketCounts: counts.map(String), explicitBounds: [...bounds] }
  })
  const about = { name, description: what, unit }
  if (kind === 'histogram') return { ...about, histogram: { dataPoints, aggregationTemporality: cumulative } }
  if (kind === 'gauge') return { ...about, gauge: { dataPoints } }
  return { ...about, sum: { dataPoints, aggregationTemporality: cumulative, isMonotonic: true } }
}
