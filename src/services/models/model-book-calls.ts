/** The calls about models that terminals make: services with the state of their keys, the facts of the catalog, services on this machine. */
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import {
  type AddressModels,
  addressModels,
  type Call,
  defineCall,
  type FoundService,
  foundService,
  type ModelFacts,
  modelFacts,
} from '../../protocol/index.ts'
import { builtinProviders, type CatalogQuestion, commonKeyEnv, type ServedModels } from '../../config/index.ts'
import type { Core } from '../../kernel/index.ts'
import { factsOf, usableCall } from './usable-models.ts'

type ModelBookDeps = Pick<Core, 'engine' | 'config' | 'catalog' | 'secrets' | 'store'>

const serviceView = z.strictObject({
  id: z.string(),
  name: z.string(),
  base_url: z.string().describe('Without user name and password; empty: it must be configured.'),
  key_names: z.array(z.string()).readonly().describe('Variables or secrets that may hold the key, the usual one first.'),
  key: z.enum(['present', 'missing', 'not_needed']),
  is_default: z.boolean(),
  default_model: z.string().describe('Empty if there is no obvious one.'),
})

type ServiceView = z.infer<typeof serviceView>

const servicesOutput = z.strictObject({
  model: modelFacts,
  fallback: z.array(z.string()).readonly(),
  services: z.array(serviceView).readonly(),
})

const reads = {
  tier: 'read_only',
  right: 'system.read',
  effect: 'none',
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 20_000,
} as const satisfies Partial<Call>

export function modelBookCalls(deps: ModelBookDeps): readonly Call[] {
  return [servicesCall(deps), listCall(deps), showCall(deps), discoverCall(deps), probeCall(deps), usable(deps)]
}

async function answers<Answer>({ catalog }: ModelBookDeps, question: CatalogQuestion): Promise<Answer[]> {
  if (catalog === undefined) throw new OxbowError('not_found', 'This guest has no catalog of models.', { hint: 'Run `oxbow models`.' })
  const found: Answer[] = []
  for await (const answer of catalog(question)) found.push(answer as Answer)
  return found
}

function servicesCall(deps: ModelBookDeps): Call {
  const { engine, config } = deps
  return defineCall({
    ...reads,
    name: 'model.services',
    routes: [{ method: 'GET', path: '/models/services' }],
    summary: 'Lists the services that offer models, with the state of their keys, and the model in use.',
    input: z.strictObject({}),
    output: servicesOutput,
    example: {},
    recordOutput: ({ services }) => ({ services: services.length }),
    run: async () => ({ output: { model: engine.model, fallback: config.model.fallback, services: viewServices(deps) } }),
  })
}

function viewServices({ engine, config: { model, providers }, secrets }: ModelBookDeps): readonly ServiceView[] {
  const isKnown = (name: string): boolean => secrets.has(name) || secrets.has(`${name}.stored`)
  return [...new Set([...Object.keys(builtinProviders), ...Object.keys(providers)])].map((id) => {
    const builtin = Object.hasOwn(builtinProviders, id) ? builtinProviders[id] : undefined
    const own = Object.hasOwn(providers, id) ? providers[id] : undefined
    const isDefault = engine.model.provider === id
    const configured = [isDefault ? model.api_key_env : '', own?.api_key_env ?? ''].filter((name) => name !== '')
    const names = configured.length > 0 ? configured : (builtin?.keyEnv ?? [commonKeyEnv])
    const baseUrl = withoutUser((isDefault ? model.base_url : '') || own?.base_url || builtin?.baseUrl || '')
    const key = names.some(isKnown) ? 'present' : names.length === 0 || isLocal(baseUrl) ? 'not_needed' : 'missing'
    return {
      id,
      name: builtin?.name ?? id,
      base_url: baseUrl,
      key_names: names,
      key,
      is_default: isDefault,
      default_model: builtin?.defaultModel ?? '',
    }
  })
}

function withoutUser(address: string): string {
  const url = URL.parse(address)
  if (url === null || url.username + url.password === '') return address
  url.username = url.password = ''
  return url.href
}

function isLocal(address: string): boolean {
  return /^(?:localhost|127\..+|\[::1\])$/.test(URL.parse(address)?.hostname ?? '')
}

function usable(deps: ModelBookDeps): Call {
  const canUse = ({ id, key }: ServiceView): boolean =>
    key === 'present' || id === deps.engine.model.provider || Object.hasOwn(deps.config.providers, id)
  const others = async (): Promise<readonly ModelFacts[]> => {
    const services = viewServices(deps).filter(canUse)
    // Plugins' models first: a service may have hundreds.
    const lists = ['plugin:', ...services.map(({ id }) => id)].map((id) => modelsOf(id).catch(() => []))
    return (await Promise.all(lists)).flat().filter(({ tools, deprecated }) => tools && !deprecated)
  }
  const served = async (provider: string): Promise<ServedModels> => {
    const [found] = await answers<ServedModels>(deps, { ask: 'served', provider })
    return found ?? { baseUrl: '', names: null }
  }
  /** At an address of the person's own only what it lists is there, whatever the catalog knows of a service of the same name. */
  const modelsOf = async (provider: string): Promise<readonly ModelFacts[]> => {
    const { baseUrl, names } = await served(provider)
    if (baseUrl === '') return answers<ModelFacts>(deps, { ask: 'models', provider, discover: false })
    return factsOf(deps.engine, names?.map((name) => `${provider}/${name}`) ?? [])
  }
  const { model, providers } = deps.config
  const profiles = (): readonly string[] => Object.keys(model.profiles).map((name) => `profile:${name}`)
  const described = Object.entries(providers).flatMap(([id, { models }]) => Object.keys(models).map((name) => `${id}/${name}`))
  return usableCall(deps, { listed: others, served, named: () => ['', ...model.fallback, ...described], profiles })
}

const listed = z.strictObject({ total: z.int(), models: z.array(modelFacts) })

function listCall(deps: ModelBookDeps): Call {
  return defineCall({
    ...reads,
    name: 'model.list',
    routes: [{ method: 'GET', path: '/models', list: 'models' }],
    summary: 'Lists models with context window, prices and abilities, from the catalog and the configuration.',
    input: z.strictObject({
      provider: z.string().max(100).default('').describe('Only models of this service. Empty: all.'),
      search: z.string().max(100).default('').describe('Only models whose name contains these words.'),
      limit: z.int().min(1).max(5_000).default(100),
    }),
    output: listed,
    example: { provider: 'openai', search: 'mini', limit: 20 },
    recordOutput: ({ total }) => ({ total }),
    async run({ provider, search, limit }) {
      const words = search.toLowerCase().split(/\s+/)
      const all = await answers<ModelFacts>(deps, { ask: 'models', provider, discover: false })
      const found = all.filter((model) => words.every((word) => `${model.provider}/${model.name}`.toLowerCase().includes(word)))
      return { output: { total: found.length, models: found.slice(0, limit) } }
    },
  })
}

const shownModel = z.strictObject({
  facts: modelFacts,
  origins: z.record(z.string(), z.string()).describe('Where each fact comes from.'),
})

type ShownModel = z.infer<typeof shownModel>

function showCall(deps: ModelBookDeps): Call {
  return defineCall({
    ...reads,
    name: 'model.show',
    routes: [{ method: 'GET', path: '/models/{model+}' }],
    summary: 'Shows the facts of one model and where each comes from.',
    input: z.strictObject({ model: z.string().min(1).max(300).describe('`provider/model`.') }),
    output: shownModel,
    example: { model: 'openai/gpt-5-mini' },
    recordOutput: () => ({}),
    async run({ model }) {
      const [shown] = await answers<ShownModel>(deps, { ask: 'show', model })
      if (shown === undefined) throw new OxbowError('not_found', `There is no model ${model}.`, { hint: 'List them with model.list.' })
      return { output: shown }
    },
  })
}

const discovered = z.strictObject({ services: z.array(foundService) })

function discoverCall(deps: ModelBookDeps): Call {
  return defineCall({
    ...reads,
    name: 'model.discover',
    routes: [{ method: 'GET', path: '/models/local' }],
    summary: 'Finds model services that run on this machine, such as Ollama, by asking their usual ports.',
    input: z.strictObject({}),
    output: discovered,
    example: {},
    recordOutput: ({ services }) => ({ services: services.map(({ id }) => id) }),
    run: async () => ({ output: { services: await answers<FoundService>(deps, { ask: 'models', provider: '', discover: true }) } }),
  })
}

function probeCall(deps: ModelBookDeps): Call {
  return defineCall({
    ...reads,
    name: 'model.probe',
    routes: [{ method: 'GET', path: '/models/address' }],
    summary: 'Asks the service at an address which models it offers, before it is set up.',
    // It makes this guest ask any address.
    right: 'config.write',
    input: z.strictObject({
      base_url: z
        .url({ protocol: /^https?$/ })
        .max(2_000)
        .describe('Address of the service, e.g. `http://127.0.0.1:8080/v1`.'),
      model: z.string().max(300).default('').describe('The model whose context window is wanted.'),
    }),
    output: addressModels,
    example: { base_url: 'http://127.0.0.1:8080/v1', model: 'qwen3' },
    recordOutput: ({ models }) => ({ models: models?.length ?? 0 }),
    async run({ base_url: baseUrl, model }) {
      const [found] = await answers<AddressModels>(deps, { ask: 'address', baseUrl, model })
      return { output: found ?? { models: null, contextTokens: null, betterUrl: '' } }
    },
  })
}
