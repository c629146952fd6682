/** `[telemetry]`: spans and metrics for a collector of OpenTelemetry. */
import { configSection, type SettingsOf } from '../../config/index.ts'

export const telemetryConfig = configSection('telemetry', (by) =>
  by.strictObject({
    enabled: by.boolean().default(false).describe('Send spans and metrics to a collector.'),
    endpoint: by.string().default('').describe('OTLP over HTTP; empty: `OTEL_EXPORTER_OTLP_ENDPOINT`, else `http://localhost:4318`.'),
    headers_env: by
      .string()
      .default('OTEL_EXPORTER_OTLP_HEADERS')
      .describe('Variable or stored secret with headers: `name=value,name=value`.'),
    metrics_interval_s: by.int().min(1).max(86_400).default(60).describe('Seconds between metrics.'),
    content: by.boolean().default(false).describe('Also send what was said, given to tools and returned.'),
    traceparent: by.boolean().default(true).describe('Tell providers the span of a request.'),
  }),
)
export type TelemetryConfig = SettingsOf<typeof telemetryConfig>
