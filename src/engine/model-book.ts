/** Who is who: from the name under which somebody asks for a model to its service and its facts. Each name is looked up once. */
import { type ModelFacts, modelLabel, type ModelOverrides, once, OxbowError, plainFacts } from '../types/index.ts'
import type { Catalog } from './catalog/catalog.ts'
import { findService, type ModelName, readModelName, type Service, type ServiceConfig } from './services.ts'

export interface KnownModel {
  /** As the endpoint knows it. */
  readonly name: string
  /** `provider/model` */
  readonly label: string
  readonly facts: ModelFacts
  readonly service: Service
}

export interface ModelBook {
  /** @param name as `Engine.facts` takes it. @throws OxbowError `bad_config` */
  find(name: string): Promise<KnownModel>
  /** Facts of a model of a service that was found before. */
  factsOf(service: Service, name: string): ModelFacts
}

export function createModelBook(services: ServiceConfig, catalogFolder: string | undefined): ModelBook {
  const found = new Map<string, Promise<KnownModel>>()
  // One for all names: it keeps what it has read.
  const openCatalog = once(async (): Promise<Catalog> => {
    const { catalogFilesIn, loadCatalog } = await import('./catalog/catalog.ts')
    return loadCatalog({ files: catalogFolder === undefined ? {} : catalogFilesIn(catalogFolder) })
  })
  const facts = new Map<string, ModelFacts>()
  const look = async (name: string): Promise<KnownModel> => {
    const { provider, model } = readModelName(name, services)
    const service = findService(provider, services)
    assertAsked(name, provider, services)
    if (model === '') throw new OxbowError('bad_config', 'No model is named.', { hint: 'Set model.name, or pass --model.' })
    const known = await factsOf(service, { provider, model }, overridesOf({ provider, model }, services), openCatalog)
    facts.set(`${service.id}/${known.name}`, known)
    return { name: known.name, label: modelLabel(known), facts: known, service }
  }
  return {
    find(name) {
      const known = found.get(name)
      if (known !== undefined) return known
      const looking = look(name)
      found.set(name, looking)
      // A file of the catalog that was broken may be mended meanwhile.
      looking.catch(() => found.delete(name))
      return looking
    },
    factsOf(service, name) {
      const known = facts.get(`${service.id}/${name}`)
      if (known === undefined) throw new Error(`nobody asked for the facts of ${name}`)
      return known
    },
  }
}

/** Who names a model is not answered by the interpreter that needs none. @throws OxbowError `bad_config` */
function assertAsked(name: string, provider: string, { config }: ServiceConfig): void {
  const asked = name.trim() || config.model.name.trim()
  if (provider !== 'offline' || config.model.provider !== 'auto' || asked === '' || /^offline(\/|$)/.test(asked)) return
  throw new OxbowError('bad_config', `Nobody can be asked for the model ${asked}: no key of a provider is set.`, {
    hint: 'Set the key of its provider, e.g. OPENAI_API_KEY, or name a provider that needs none: PROVIDER/MODEL.',
  })
}

const nothingSaid: ModelOverrides = {
  context_tokens: null,
  max_output_tokens: null,
  input_price: null,
  output_price: null,
  cache_read_price: null,
  cache_write_price: null,
}

/** What the configuration says of a model. The model section is about the configured model alone, and goes over the provider's. */
export function overridesOf({ provider, model }: ModelName, services: ServiceConfig): ModelOverrides {
  const { model: section, providers } = services.config
  const models = Object.hasOwn(providers, provider) ? (providers[provider]?.models ?? {}) : {}
  const said = (Object.hasOwn(models, model) && models[model]) || nothingSaid
  const chosen = readModelName('', services)
  if (chosen.provider !== provider || chosen.model !== model) return said
  return {
    context_tokens: section.context_tokens ?? said.context_tokens,
    max_output_tokens: section.max_output_tokens ?? said.max_output_tokens,
    input_price: section.input_price ?? said.input_price,
    output_price: section.output_price ?? said.output_price,
    cache_read_price: section.cache_read_price ?? said.cache_read_price,
    cache_write_price: section.cache_write_price ?? said.cache_write_price,
  }
}

async function factsOf(
  service: Service,
  { provider, model }: ModelName,
  overrides: ModelOverrides,
  openCatalog: () => Promise<Catalog>,
): Promise<ModelFacts> {
  if (service.baseUrl === null && service.wire !== 'ai-sdk') return inProcessFacts(provider, model, overrides)
  const [catalog, { findModelFacts }] = await Promise.all([openCatalog(), import('./catalog/model-facts.ts')])
  return findModelFacts(catalog, provider, model, overrides)
}

/** What runs on this machine without an account costs nothing unless somebody says so. */
function inProcessFacts(provider: string, name: string, overrides: ModelOverrides): ModelFacts {
  return plainFacts({
    name,
    provider,
    contextTokens: overrides.context_tokens ?? 128_000,
    maxOutputTokens: overrides.max_output_tokens ?? 8_192,
    price: { inputPerMillion: overrides.input_price ?? 0, outputPerMillion: overrides.output_price ?? 0 },
  })
}
