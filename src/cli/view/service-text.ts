/** Model services on this machine, as the guest program finds them. Their words are cleaned by whoever prints them. */
import { table } from './text-format.ts'

export interface FoundService {
  readonly name: string
  readonly baseUrl: string
  readonly models: readonly { readonly name: string; readonly contextTokens: number | null }[]
  /** What a `config.toml` says to use the service with its first model; empty without one. */
  readonly configLines: readonly string[]
}

export function describeServices(services: readonly FoundService[]): string {
  if (services.length === 0) return 'No model service answers on this machine.'
  return services
    .map(({ name, baseUrl, models: found, configLines }) => {
      const rows = found.map((model) => [
        `  ${model.name}`,
        model.contextTokens === null ? 'size unknown' : `${model.contextTokens} tokens`,
      ])
      const use = configLines.length === 0 ? [] : ['', '  To use it, put into config.toml:', ...configLines.map((line) => `    ${line}`)]
      return [`${name} at ${baseUrl}`, rows.length === 0 ? '  no models' : table(rows), ...use].join('\n')
    })
    .join('\n\n')
}
