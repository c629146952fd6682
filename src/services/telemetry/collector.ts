/** Where telemetry goes: `[telemetry]` of the configuration, and the variables `OTEL_*` of the host, as OpenTelemetry defines them. */
import { ownValue } from '../../base/index.ts'
import type { TelemetryConfig } from './config.ts'
import { timeoutMs } from './limits.ts'
import { general, oxbow } from './names.ts'
import type { Attributes } from './trace-fold.ts'

export interface Signal {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
}

export interface Collector {
  /** Null: none are sent. */
  readonly traces: Signal | null
  readonly metrics: Signal | null
  readonly timeoutMs: number
  readonly gzip: boolean
  readonly metricsMs: number
  /** Part of the traces that is sent, 0 to 1. */
  readonly ratio: number
  readonly resource: Attributes
  /** What cannot be done as asked, in words; empty: nothing. */
  readonly problems: readonly string[]
}

type Variables = Readonly<Record<string, string>>

const standard = 'http://localhost:4318'

/** @param variables `OTEL_*`, and the one of `telemetry.headers_env` */
export function collectorOf(
  config: TelemetryConfig,
  variables: Variables,
  own: { readonly user: string; readonly version: string; readonly instance: string; readonly node: string },
): Collector {
  const problems: string[] = []
  const value = (name: string): string => ownValue(variables, name)?.trim() ?? ''
  const isOff = value('OTEL_SDK_DISABLED').toLowerCase() === 'true'
  const signal = (kind: 'traces' | 'metrics'): Signal | null => {
    const upper = kind.toUpperCase()
    if (isOff || value(`OTEL_${upper}_EXPORTER`) === 'none') return null
    const ofSignal = config.endpoint === '' ? value(`OTEL_EXPORTER_OTLP_${upper}_ENDPOINT`) : ''
    const base = config.endpoint || value('OTEL_EXPORTER_OTLP_ENDPOINT') || standard
    const text = ofSignal || `${base.replace(/\/+$/, '')}/v1/${kind}`
    const url = URL.parse(text)
    if (url === null || !/^https?:$/.test(url.protocol)) {
      problems.push(`${kind}: the address of the collector is not an http or https URL`)
      return null
    }
    const protocol = value(`OTEL_EXPORTER_OTLP_${upper}_PROTOCOL`) || value('OTEL_EXPORTER_OTLP_PROTOCOL')
    if (!['', 'http/json', 'http/protobuf'].includes(protocol))
      problems.push(`${kind}: ${protocol} is asked for, and OTLP over HTTP is sent`)
    const headers = pairsOf([value(config.headers_env), value(`OTEL_EXPORTER_OTLP_${upper}_HEADERS`)].join(','))
    return { url, headers }
  }
  const [traces, metrics] = [signal('traces'), signal('metrics')]
  return {
    traces,
    metrics,
    timeoutMs: numberOf(value('OTEL_EXPORTER_OTLP_TIMEOUT'), 1) ?? timeoutMs,
    gzip: value('OTEL_EXPORTER_OTLP_COMPRESSION') === 'gzip',
    metricsMs: numberOf(value('OTEL_METRIC_EXPORT_INTERVAL'), 1) ?? config.metrics_interval_s * 1_000,
    ratio: ratioOf(value('OTEL_TRACES_SAMPLER'), value('OTEL_TRACES_SAMPLER_ARG'), problems),
    resource: {
      ...pairsOf(value('OTEL_RESOURCE_ATTRIBUTES')),
      [general.serviceName]: value('OTEL_SERVICE_NAME') || pairsOf(value('OTEL_RESOURCE_ATTRIBUTES'))[general.serviceName] || 'oxbow',
      [general.serviceVersion]: own.version,
      [general.serviceInstance]: own.instance,
      [oxbow.user]: own.user,
      ...(own.node !== '' && { [oxbow.node]: own.node }),
    },
    problems,
  }
}

/** `name=value,name=value`, percent-encoded, as in W3C Baggage. A pair that cannot be read is left out. */
function pairsOf(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text.split(',').flatMap((pair): readonly (readonly [string, string])[] => {
      const at = pair.indexOf('=')
      const name = pair.slice(0, Math.max(0, at)).trim()
      const decoded = percentDecoded(pair.slice(at + 1).trim())
      return name === '' || decoded === null || /[^\t\x20-\x7e\x80-\u{10ffff}]/u.test(decoded) ? [] : [[name, decoded]]
    }),
  )
}

function percentDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

function numberOf(text: string, least: number): number | null {
  const number = text === '' ? Number.NaN : Number(text)
  return Number.isFinite(number) && number >= least ? number : null
}

function ratioOf(sampler: string, argument: string, problems: string[]): number {
  const name = sampler.replace(/^parentbased_/, '')
  if (name === '' || name === 'always_on') return 1
  if (name === 'always_off') return 0
  const ratio = numberOf(argument, 0)
  if (name === 'traceidratio') return ratio === null || ratio > 1 ? 1 : ratio
  problems.push(`traces: no sampler is called ${name}; all are sent`)
  return 1
}

/** By the lower half of the id, so that every program decides the same of a trace. */
export function isSampled(trace: string, ratio: number): boolean {
  return ratio >= 1 || Number.parseInt(trace.slice(18, 31), 16) / 16 ** 13 < ratio
}
