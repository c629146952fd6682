import { type Config, sectionOf } from '../../config/index.ts'
import type { Service } from '../../kernel/index.ts'
import { telemetryConfig } from './config.ts'
import type { Telemetry } from './telemetry.ts'

export { telemetryConfig } from './config.ts'

/** Spans and metrics of OpenTelemetry, made of records. Off, it loads nothing; metrics are counted from the first question for them. */
export const telemetry: Service<Telemetry> = {
  name: 'telemetry',
  config: [telemetryConfig],
  begin({ config, events: { watchers } }, self) {
    if (!sectionOf(telemetryConfig, config).enabled) return async () => {}
    let opened: Promise<Telemetry | undefined> | undefined
    const open = (): void => {
      watchers.delete(open)
      opened = self().catch(() => undefined)
    }
    watchers.add(open)
    return async () => {
      watchers.delete(open)
      await (await opened)?.close()
    }
  },
  async open(core) {
    const { openTelemetry } = await import('./telemetry.ts')
    // Of the process: a guest that restarts itself goes on counting.
    return { port: await openTelemetry(core, core.clock.now() - process.uptime() * 1_000) }
  },
  calls: async (_core, self) => (await import('./telemetry-calls.ts')).telemetryCalls(self),
  async *health({ config }, self) {
    if (sectionOf(telemetryConfig, config).enabled) yield (await import('./telemetry-calls.ts')).telemetryHealth((await self()).state())
  },
}

/** @returns where the collector is, as URLs; none where telemetry is off */
export async function collectorAddresses(config: Config, variables: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const settings = sectionOf(telemetryConfig, config)
  if (!settings.enabled) return []
  const { collectorOf } = await import('./collector.ts')
  const { traces, metrics } = collectorOf(settings, variables, { user: '', version: '', instance: '', node: '' })
  return [traces, metrics].flatMap((signal) => (signal === null ? [] : [signal.url.href]))
}

/**
 * What a guest gets of the host's variables for its collector; null where telemetry is off.
 * `secret`: the name of the one with keys, which is known as a secret; the others are no secrets.
 */
export function collectorVariables(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
): { readonly secret: string; readonly plain: Readonly<Record<string, string>> } | null {
  const { enabled, headers_env: secret } = sectionOf(telemetryConfig, config)
  if (!enabled) return null
  const plain = Object.entries(env).filter((entry): entry is [string, string] => {
    const [name, value] = entry
    return name.startsWith('OTEL_') && !name.endsWith('_HEADERS') && name !== secret && value !== undefined
  })
  return { secret, plain: Object.fromEntries(plain) }
}
