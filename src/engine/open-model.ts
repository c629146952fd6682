/**
 * From the name of a model to something that answers. The model book resolves each name once, to its service and facts; the
 * opener loads the wire, breakers and reliability wrapper by dynamic import on first use, once for each service.
 */
import { assertNever, type Clock, once, OxbowError, type Random } from '../base/index.ts'
import {
  type Embedded,
  type EmbedOptions,
  type Model,
  type ModelFacts,
  modelLabel,
  type ModelVoice,
  plainFacts,
} from '../protocol/index.ts'
import { type Config, type ModelOverrides, type ModelProfile, usualContextTokens } from '../config/index.ts'
import type { Catalog } from './catalog/catalog.ts'
import type { Embedder } from './embeddings/embedder.ts'
import type { ModelLimits } from './limits.ts'
import type { AskPluginModel } from './plugin-model.ts'
import type { Route } from './reliability/route.ts'
import {
  findService,
  hasOwnAddress,
  knownProviders,
  lacksKey,
  type ModelKind,
  type ModelName,
  pluginPrefix,
  profileOf,
  readModelName,
  type Service,
  type ServiceConfig,
} from './services.ts'
import type { ServiceVoices } from './voice/service-voice.ts'
import type { Wire } from './wire.ts'

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
  // Shared by all names: it caches what it has read.
  const openCatalog = once(async (): Promise<Catalog> => {
    const { catalogFilesIn, loadCatalog } = await import('./catalog/catalog.ts')
    return loadCatalog({ files: catalogFolder === undefined ? {} : catalogFilesIn(catalogFolder) })
  })
  const facts = new Map<string, ModelFacts>()
  const look = async (name: string): Promise<KnownModel> => {
    const { provider, model } = readModelName(name, services)
    const service = findService(provider, services)
    assertReachable(name, provider, services)
    if (model === '') throw new OxbowError('bad_config', 'No model is named.', { hint: 'Set model.name, or pass --model.' })
    const modelFacts = await factsOf(service, { provider, model }, overridesOf({ provider, model }, services), openCatalog)
    facts.set(`${service.id}/${modelFacts.name}`, modelFacts)
    return { name: modelFacts.name, label: modelLabel(modelFacts), facts: modelFacts, service }
  }
  const find = (name: string): Promise<KnownModel> => {
    const cached = found.get(name)
    if (cached !== undefined) return cached
    const lookup = look(name)
    found.set(name, lookup)
    // A broken catalog file may be corrected meanwhile.
    lookup.catch(() => found.delete(name))
    return lookup
  }
  return {
    async find(name) {
      // As it is now: a profile may change.
      const profile = profileOf(name, services)
      return profile === null ? find(name) : withProfile(await find(profile.model), profile)
    },
    factsOf(service, name) {
      const modelFacts = facts.get(`${service.id}/${name}`)
      if (modelFacts === undefined) throw new Error(`the model ${name} was not looked up before`)
      return modelFacts
    },
  }
}

function withProfile(known: KnownModel, { temperature, top_p: topP, effort, ...limits }: ModelProfile): KnownModel {
  const { facts } = known
  return {
    ...known,
    facts: {
      ...facts,
      contextTokens: Math.min(facts.contextTokens, limits.context_tokens ?? Infinity),
      maxOutputTokens: Math.min(facts.maxOutputTokens, limits.max_output_tokens ?? Infinity),
      settings: { ...(temperature !== null && { temperature }), ...(topP !== null && { topP }), ...(effort !== null && { effort }) },
    },
  }
}

/** Refuses to fall back to the offline interpreter when a model is named. @throws OxbowError `bad_config` */
function assertReachable(name: string, provider: string, services: ServiceConfig): void {
  const { config } = services
  const modelName = name.trim() || config.model.name.trim()
  if (provider !== 'offline' || config.model.provider !== 'auto' || modelName === '' || /^offline(\/|$)/.test(modelName)) return
  const [prefix, ...rest] = modelName.split('/')
  // A router, which would know the name, may get its key later.
  if (rest.length > 0)
    throw lacksKey(
      `There is no provider ${prefix}, and no provider has a key.`,
      `Known are ${knownProviders(services)}. \`oxbow init\` sets one up; one of your own is a section [providers.${prefix}] with its base_url in config.toml.`,
    )
  throw lacksKey(
    `The model ${modelName} cannot be used: no provider has a key.`,
    'Set the key of its provider, e.g. OPENAI_API_KEY, or name a provider that needs none: PROVIDER/MODEL.',
  )
}

const noOverrides: ModelOverrides = {
  context_tokens: null,
  max_output_tokens: null,
  input_price: null,
  output_price: null,
  cache_read_price: null,
  cache_write_price: null,
}

/** A model's settings in the configuration. The model section applies only to the configured model, and overrides the provider's. */
export function overridesOf({ provider, model }: ModelName, services: ServiceConfig): ModelOverrides {
  const { model: section, providers } = services.config
  const models = Object.hasOwn(providers, provider) ? (providers[provider]?.models ?? {}) : {}
  const ofProvider = (Object.hasOwn(models, model) && models[model]) || noOverrides
  const chosen = readModelName('', services)
  if (chosen.provider !== provider || chosen.model !== model) return ofProvider
  return {
    context_tokens: section.context_tokens ?? ofProvider.context_tokens,
    max_output_tokens: section.max_output_tokens ?? ofProvider.max_output_tokens,
    input_price: section.input_price ?? ofProvider.input_price,
    output_price: section.output_price ?? ofProvider.output_price,
    cache_read_price: section.cache_read_price ?? ofProvider.cache_read_price,
    cache_write_price: section.cache_write_price ?? ofProvider.cache_write_price,
  }
}

async function factsOf(
  service: Service,
  { provider, model }: ModelName,
  overrides: ModelOverrides,
  openCatalog: () => Promise<Catalog>,
): Promise<ModelFacts> {
  if (service.wire === 'plugin') return pluginFacts(provider, model, overrides)
  if (service.baseUrl === null && service.wire !== 'ai-sdk') return inProcessFacts(provider, model, overrides)
  const [catalog, { findModelFacts }] = await Promise.all([openCatalog(), import('./catalog/model-facts.ts')])
  // No catalog knows what is served there, and to set the size of each of its models would be tedious.
  return findModelFacts(catalog, provider, model, overrides, hasOwnAddress(service) ? usualContextTokens : null)
}

/** A model that runs in this process costs nothing unless the configuration sets a price. */
function inProcessFacts(provider: string, name: string, overrides: ModelOverrides): ModelFacts {
  return plainFacts({
    name,
    provider,
    contextTokens: overrides.context_tokens ?? 128_000,
    maxOutputTokens: overrides.max_output_tokens ?? 8_192,
    price: { inputPerMillion: overrides.input_price ?? 0, outputPerMillion: overrides.output_price ?? 0 },
  })
}

/** What a plugin pays for its models is not known, so a budget in money refuses them until the configuration sets a price. */
export function pluginFacts(provider: string, name: string, overrides: ModelOverrides): ModelFacts {
  const { input_price: input, output_price: output } = overrides
  return {
    ...inProcessFacts(provider, name, overrides),
    price: input === null || output === null ? null : { inputPerMillion: input, outputPerMillion: output },
    input: ['text'],
    tools: true,
    structuredOutput: false,
  }
}

type OpenModel = Model & { close?(): void }

interface OpenerOptions {
  readonly model: Config['model']
  readonly book: ModelBook
  readonly services: ServiceConfig
  readonly packageFolders?: readonly string[]
  readonly stateFolder?: string
  readonly askPlugin?: AskPluginModel | undefined
  readonly clock: Clock
  readonly random: Random
  readonly limits: ModelLimits
}

interface Opener {
  /** @throws OxbowError `bad_config` when a file that the configuration names cannot be used. */
  open(chosen: KnownModel, fallbacks: readonly KnownModel[]): Promise<Model>
  /** See `Engine.embed`. */
  embed(name: ModelName, texts: readonly string[], options: EmbedOptions, signal: AbortSignal): Promise<Embedded>
  /** See `Engine.voice`. */
  voice(name: ModelName): Promise<ModelVoice>
  /** Ends idle connections. */
  close(): Promise<void>
}

interface PerService<Opened> {
  /** Opens it when it is needed first; one that could not be opened is tried anew the next time. */
  of(service: Service): Promise<Opened>
  all(): Iterable<Promise<Opened>>
}

function perService<Opened>(open: (service: Service) => Promise<Opened>): PerService<Opened> {
  const opened = new Map<string, Promise<Opened>>()
  return {
    of(service) {
      const known = opened.get(service.id)
      if (known !== undefined) return known
      const opening = open(service)
      opened.set(service.id, opening)
      opening.catch(() => opened.delete(service.id))
      return opening
    },
    all: () => opened.values(),
  }
}

export function createOpener(options: OpenerOptions): Opener {
  const { clock, random, limits } = options
  const models = perService<OpenModel>((service) => openService(service, options))
  const embedders = perService<Embedder>((service) => openEmbedder(service, options))
  const voices = perService<ServiceVoices>((service) => openVoices(service, options))
  const breakers = once(async () => (await import('./reliability/breakers.ts')).createBreakers(clock, limits))

  const routeTo = ({ name, label, service, facts }: KnownModel): Route => ({
    model: name,
    label,
    endpoint: service.baseUrl?.origin ?? service.id,
    open: () => models.of(service),
    facts: async () => facts,
  })
  return {
    async open(chosen, fallbacks) {
      // What runs in this process does not fail for a while: it is asked as it is.
      if (isInProcess(chosen.service) && fallbacks.length === 0) return models.of(chosen.service)
      const [{ createReliableModel }, shared] = await Promise.all([import('./reliability/reliable-model.ts'), breakers()])
      return createReliableModel({ routes: [routeTo(chosen), ...fallbacks.map(routeTo)], clock, random, limits, breakers: shared })
    },
    async embed({ provider, model }, texts, asked, signal) {
      const embedder = await embedders.of(findService(provider, options.services))
      return embedder.embed(model, texts, asked, signal)
    },
    async voice({ provider, model }) {
      return (await voices.of(findService(provider, options.services))).model(model)
    },
    async close() {
      for (const each of [...embedders.all(), ...voices.all(), ...models.all()]) (await each.catch(() => null))?.close?.()
    },
  }
}

function isInProcess({ wire }: Service): boolean {
  return wire === 'offline' || wire === 'scripted' || wire === 'replay'
}

async function openService(
  service: Service,
  { model, book, packageFolders = [], stateFolder, askPlugin, clock, limits }: OpenerOptions,
): Promise<OpenModel> {
  const { key, headers, official, baseUrl, packageName } = service
  const facts = (name: string) => book.factsOf(service, name)
  switch (service.wire) {
    case 'offline':
      return (await import('./offline/offline-model.ts')).createOfflineModel()
    case 'scripted':
      return openScripted(model.scenario)
    case 'replay':
      return (await import('./replay/replay-model.ts')).openReplay(model.replay, { limits, loadWire: loadNamedWire, stateFolder })
    case 'plugin': {
      if (askPlugin === undefined)
        throw new OxbowError('bad_config', `No plugin is installed, so ${service.id} cannot be the model.`, {
          hint: 'Install it: oxbow plugin add.',
        })
      return (await import('./plugin-model.ts')).createPluginModel(service.id.slice(pluginPrefix.length), askPlugin)
    }
    case 'ai-sdk': {
      const { createAiSdkModel } = await import('./ai-sdk/ai-sdk-model.ts')
      return createAiSdkModel({ packageName, provider: service.id, key, baseUrl, headers, facts, clock, limits, folders: packageFolders })
    }
    case 'openai-chat':
    case 'openai-responses':
    case 'anthropic':
    case 'gemini': {
      const [wire, { createHttpModel }] = await Promise.all([wires[service.wire](), import('./http/http-model.ts')])
      // Only an AI SDK package may know its own address: `findService` gives every other service one.
      if (baseUrl === null) throw new Error(`${service.id} has no address`)
      return createHttpModel({ wire, baseUrl, key, headers, official, facts, clock, limits })
    }
    default:
      return assertNever(service.wire)
  }
}

async function openEmbedder(service: Service, { clock, random, limits }: OpenerOptions): Promise<Embedder> {
  const { id, wire, baseUrl, key, headers } = service
  if (baseUrl === null || (wire !== 'gemini' && wire !== 'openai-chat' && wire !== 'openai-responses')) {
    throw new OxbowError('bad_input', `Oxbow does not support embeddings of ${id}.`, {
      hint: 'Choose a model of openai, google, or a service that is compatible with OpenAI.',
    })
  }
  const { createEmbedder } = await import('./embeddings/embedder.ts')
  return createEmbedder({ wire: wire === 'gemini' ? 'gemini' : 'openai', baseUrl, key, headers, clock, random, limits })
}

async function openVoices(service: Service, { clock, random, limits }: OpenerOptions): Promise<ServiceVoices> {
  const { id, wire, baseUrl, key, headers, official } = service
  if (baseUrl === null || (wire !== 'openai-chat' && wire !== 'openai-responses'))
    throw new OxbowError('bad_input', `Oxbow does not support speech of ${id}.`, {
      hint: 'Choose a model of openai, or of a service that is compatible with OpenAI: docs/channels/voice.md.',
    })
  const { createServiceVoices } = await import('./voice/service-voice.ts')
  return createServiceVoices({ id, baseUrl, key, headers, official, clock, random, limits })
}

/** @returns null for a name that is not a wire, such as a provider package's. */
export async function loadNamedWire(name: string): Promise<Wire | null> {
  return isWire(name) ? wires[name]() : null
}

type HttpWire = Exclude<ModelKind, 'offline' | 'scripted' | 'replay' | 'plugin' | 'ai-sdk'>

function isWire(name: string): name is HttpWire {
  return Object.hasOwn(wires, name)
}

const wires: Readonly<Record<HttpWire, () => Promise<Wire>>> = {
  'openai-chat': async () => (await import('./openai-chat/chat-wire.ts')).chatWire,
  'openai-responses': async () => (await import('./openai-responses/responses-wire.ts')).responsesWire,
  anthropic: async () => (await import('./anthropic/anthropic-wire.ts')).anthropicWire,
  gemini: async () => (await import('./gemini/gemini-wire.ts')).geminiWire,
}

async function openScripted(file: string): Promise<OpenModel> {
  if (file === '')
    throw new OxbowError('bad_config', 'The scripted model has no scenario.', { hint: 'Set model.scenario to a scenario file.' })
  const { loadScenario } = await import('./scripted/scenario.ts')
  const scenario = await loadScenario(file)
  return (await import('./scripted/scripted-model.ts')).createScriptedModel(scenario)
}
