/** Finds the model services that run on this machine, and says how to use each. Asks loopback addresses and nothing else. */
import { builtinProviders } from '../../types/index.ts'
import { discoveryPorts, discoveryTimeoutMs } from '../limits.ts'
import { askLoopback } from './loopback-request.ts'
import { type FoundModel, identifyService } from './service-kinds.ts'

export type { FoundModel } from './service-kinds.ts'

export interface FoundService {
  /** Id to use it under as a provider: `ollama`, `llamacpp`, `lmstudio`, `vllm`, `localai`, or `local-<port>` for one that is not known. */
  readonly id: string
  readonly name: string
  /** For wire `openai-chat`. */
  readonly baseUrl: string
  /** Models that can hold a conversation, those that are loaded first as far as it is told. May be empty. */
  readonly models: readonly FoundModel[]
  /** Lines of a `config.toml` that use the service with its first model; empty without one. */
  readonly configLines: readonly string[]
}

export interface DiscoverOptions {
  readonly ports?: readonly number[]
  /** For each question; a service is asked three rounds of them at most. */
  readonly timeoutMs?: number
}

/** Never rejects. @returns what was found, in the order of the ports */
export async function discoverServices(options: DiscoverOptions = {}): Promise<readonly FoundService[]> {
  const { ports = discoveryPorts, timeoutMs = discoveryTimeoutMs } = options
  const found = await Promise.all(
    ports.map(async (port): Promise<FoundService | null> => {
      const service = await identifyService((path, body) => askLoopback(port, path, timeoutMs, body), port)
      const baseUrl = `http://127.0.0.1:${port}/v1`
      return service && { ...service, baseUrl, configLines: configLines(service.id, baseUrl, service.models[0]) }
    }),
  )
  return found.filter((service) => service !== null)
}

/** What the configuration takes. */
const minContextTokens = 1_024

/** Names are printable ASCII, so a JSON string is a TOML string. */
function configLines(id: string, baseUrl: string, model: FoundModel | undefined): readonly string[] {
  if (model === undefined) return []
  const isBuiltin = Object.hasOwn(builtinProviders, id) && builtinProviders[id]?.baseUrl === baseUrl
  const provider = isBuiltin ? [] : ['', `[providers.${id}]`, 'wire = "openai-chat"', `base_url = ${JSON.stringify(baseUrl)}`]
  const size =
    model.contextTokens === null || model.contextTokens < minContextTokens
      ? []
      : ['', `[providers.${id}.models.${JSON.stringify(model.name)}]`, `context_tokens = ${model.contextTokens}`]
  return ['[model]', `name = ${JSON.stringify(`${id}/${model.name}`)}`, ...provider, ...size]
}
