/** Opens what a service needs, by dynamic import, once: nothing of a wire is loaded before its first use. */
import type { Clock, Config, Embedded, EmbedOptions, Model, Random } from '../types/index.ts'
import { assertNever, once, OxbowError } from '../types/index.ts'
import type { Embedder } from './embeddings/embedder.ts'
import type { ModelLimits } from './limits.ts'
import type { KnownModel, ModelBook } from './model-book.ts'
import type { Route } from './reliability/route.ts'
import { findService, type ModelKind, type ModelName, type Service, type ServiceConfig } from './services.ts'
import type { Wire } from './wire.ts'

type OpenModel = Model & { close?(): void | Promise<void> }

export interface OpenerOptions {
  readonly model: Config['model']
  readonly book: ModelBook
  readonly services: ServiceConfig
  readonly packageFolders?: readonly string[]
  readonly stateFolder?: string
  readonly clock: Clock
  readonly random: Random
  readonly limits: ModelLimits
}

export interface Opener {
  /** @throws OxbowError `bad_config` when a file that the configuration names cannot be used. */
  open(chosen: KnownModel, fallbacks: readonly KnownModel[]): Promise<Model>
  /** See `Engine.embed`. */
  embed(name: ModelName, texts: readonly string[], options: EmbedOptions, signal: AbortSignal): Promise<Embedded>
  /** Ends idle connections. */
  close(): Promise<void>
}

export function createOpener(options: OpenerOptions): Opener {
  const { clock, random, limits } = options
  const opened = new Map<string, Promise<OpenModel>>()
  const embedders = new Map<string, Promise<Embedder>>()
  const breakers = once(async () => (await import('./reliability/breakers.ts')).createBreakers(clock, limits))

  const serviceModel = (service: Service): Promise<OpenModel> => {
    const known = opened.get(service.id)
    if (known !== undefined) return known
    const opening = openService(service, options)
    opened.set(service.id, opening)
    opening.catch(() => opened.delete(service.id))
    return opening
  }
  const routeTo = ({ name, label, service, facts }: KnownModel): Route => ({
    model: name,
    label,
    endpoint: service.baseUrl?.origin ?? service.id,
    open: () => serviceModel(service),
    facts: async () => facts,
  })
  return {
    async open(chosen, fallbacks) {
      // What runs in this process does not fail for a while: it is asked as it is.
      if (isInProcess(chosen.service) && fallbacks.length === 0) return serviceModel(chosen.service)
      const [{ createReliableModel }, shared] = await Promise.all([import('./reliability/reliable-model.ts'), breakers()])
      return createReliableModel({ routes: [routeTo(chosen), ...fallbacks.map(routeTo)], clock, random, limits, breakers: shared })
    },
    async embed({ provider, model }, texts, asked, signal) {
      const service = findService(provider, options.services)
      const known = embedders.get(service.id)
      const embedder = known ?? openEmbedder(service, options)
      if (known === undefined) {
        embedders.set(service.id, embedder)
        embedder.catch(() => embedders.delete(service.id))
      }
      return (await embedder).embed(model, texts, asked, signal)
    },
    async close() {
      for (const each of embedders.values()) (await each.catch(() => null))?.close()
      for (const each of opened.values()) await (await each.catch(() => null))?.close?.()
    },
  }
}

function isInProcess({ wire }: Service): boolean {
  return wire === 'offline' || wire === 'scripted' || wire === 'replay'
}

async function openService(
  service: Service,
  { model, book, packageFolders = [], stateFolder, clock, limits }: OpenerOptions,
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
    case 'ai-sdk': {
      const { createAiSdkModel } = await import('./ai-sdk/ai-sdk-model.ts')
      return createAiSdkModel({ packageName, provider: service.id, key, baseUrl, headers, facts, clock, limits, folders: packageFolders })
    }
    case 'openai-chat':
    case 'openai-responses':
    case 'anthropic':
    case 'gemini': {
      const [wire, { createHttpModel }] = await Promise.all([wires[service.wire](), import('./http/http-model.ts')])
      // Only an AI SDK package may know its own address: every other service was found with one.
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
    throw new OxbowError('bad_config', `${id} has no embeddings that Oxbow can ask for.`, {
      hint: 'Choose a model of openai, google, or a service that is compatible with OpenAI.',
    })
  }
  const { createEmbedder } = await import('./embeddings/embedder.ts')
  return createEmbedder({ wire: wire === 'gemini' ? 'gemini' : 'openai', baseUrl, key, headers, clock, random, limits })
}

/** @returns null for a name that is no wire, as that of a provider package. */
async function loadNamedWire(name: string): Promise<Wire | null> {
  return isWire(name) ? wires[name]() : null
}

type HttpWire = Exclude<ModelKind, 'offline' | 'scripted' | 'replay' | 'ai-sdk'>

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
