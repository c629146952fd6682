/** Answers to questions about models from the command line, one JSON document at a time. */
import type { AddressModels, ModelFacts } from '../../protocol/index.ts'
import { type CatalogQuestion, type Config, type ModelOverrides, type ServedModels, usualContextTokens } from '../../config/index.ts'
import { isOxbowError, OxbowError, ownValue, toFailure } from '../../base/index.ts'
import { overridesOf, pluginFacts } from '../open-model.ts'
import { findService, hasOwnAddress, pluginPrefix, readModelName, type Service } from '../services.ts'
import { type Catalog, catalogFilesIn, type CatalogModel, loadCatalog } from './catalog.ts'
import { downloadCatalog, takeCatalog } from './catalog-refresh.ts'
import { checkCatalogText, readCatalogText, readOverlay } from './catalog-file.ts'
import { findModelFacts, modelFacts, originsOf } from './model-facts.ts'

export interface CatalogDeps {
  readonly config: Pick<Config, 'model' | 'providers' | 'budget'>
  readonly env: Readonly<Record<string, string | undefined>>
  /** The home's folder of catalog files. */
  readonly folder: string
  readonly now: () => Date
  /** Models of plugins, as `plugin:NAME/TYPE`. */
  readonly served?: () => Promise<readonly string[]>
  /** Names of plugins that have not told yet what they serve. */
  readonly silent?: () => Promise<readonly string[]>
}

/** @throws OxbowError of the catalog's files and downloads, `not_found` for an unknown provider or model. */
export async function* answerCatalog(question: CatalogQuestion, deps: CatalogDeps): AsyncGenerator<object> {
  const files = catalogFilesIn(deps.folder)
  switch (question.ask) {
    case 'models':
      if (!question.discover) yield* listModels(question.provider, deps)
      else for (const service of await (await import('../discovery/discover.ts')).discoverServices()) yield service
      return
    case 'show':
      yield await showModel(question.model, deps)
      return
    case 'address':
      yield await atAddress(question, deps)
      return
    case 'served':
      yield await servedModels(question.provider, deps)
      return
    case 'verify':
      yield* verify(deps)
      return
    case 'refresh': {
      const text = await downloadCatalog(question.url)
      yield await takeCatalog(text, new URL(question.url).origin, files.refreshed, deps.now())
    }
  }
}

/**
 * The catalog's models, those that only the configuration describes, and the plugins', all listed for `plugin:`. Of a service at an address
 * of the person's own, what that lists.
 */
async function* listModels(provider: string, deps: CatalogDeps): AsyncGenerator<object> {
  const { config, folder } = deps
  const catalog = loadCatalog({ files: catalogFilesIn(folder) })
  const own = ownService(provider, deps)
  if (own !== null) {
    yield* listService(own, catalog, deps)
    return
  }
  const listed = await catalog.list(provider === '' ? undefined : provider)
  const known = new Set(listed.map((model) => `${model.provider}/${model.id}`))
  const ofPlugins = ((await deps.served?.()) ?? []).map((id) => ({ id: id.slice(0, id.indexOf('/')), name: id.slice(id.indexOf('/') + 1) }))
  const described = Object.entries(config.providers).flatMap(([id, { models }]) => Object.keys(models).map((name) => ({ id, name })))
  const others = [...ofPlugins, ...described]
    .filter(({ id }) => provider === '' || id === provider || (provider === pluginPrefix && id.startsWith(pluginPrefix)))
    .filter(({ id, name }) => !known.has(`${id}/${name}`))
  if (listed.length === 0 && others.length === 0 && provider !== pluginPrefix) {
    const all = await catalog.providers()
    if (!all.includes(provider)) throw noModelsOf(provider, all, deps)
  }
  for (const model of listed) {
    // Without a size there is nothing to show, e.g. for a model that makes pictures.
    const facts = factsOrNull(model, overridesOf({ provider: model.provider, model: model.id }, deps))
    if (facts !== null) yield facts
  }
  for (const { id, name } of others) {
    const overrides = overridesOf({ provider: id, model: name }, deps)
    const facts = id.startsWith(pluginPrefix) ? pluginFacts(id, name, overrides) : factsOrNull(null, overrides, { provider: id, name })
    if (facts !== null) yield facts
  }
}

/** @returns the service, if it is at an address of the person's own; null also where its key is missing, so that it cannot be asked */
function ownService(provider: string, deps: CatalogDeps): Service | null {
  if (provider === '' || provider.startsWith(pluginPrefix)) return null
  try {
    const service = findService(provider, deps)
    return hasOwnAddress(service) ? service : null
  } catch {
    return null
  }
}

/** What the service lists, and what the configuration describes of it. @throws OxbowError `not_found` if neither has a model */
async function* listService({ id: provider, baseUrl, key }: Service, catalog: Catalog, deps: CatalogDeps): AsyncGenerator<object> {
  const { listAt } = await import('../discovery/ask-address.ts')
  const listed = await listAt(baseUrl!, key)
  const sizes = new Map(listed?.map(({ name, contextTokens }) => [name, contextTokens]))
  const names = new Set([...sizes.keys(), ...Object.keys(ownValue(deps.config.providers, provider)?.models ?? {})])
  if (names.size === 0) {
    const why = listed === null ? 'does not answer with a list of models' : 'lists no models'
    throw new OxbowError('not_found', `${baseUrl!.href}, the service of ${provider}, ${why}.`, {
      hint: `Check that it runs and that base_url is right. ${describeHint(provider)}`,
    })
  }
  for (const name of names) {
    const overrides = overridesOf({ provider, model: name }, deps)
    yield await findModelFacts(catalog, provider, name, overrides, sizes.get(name) ?? usualContextTokens)
  }
}

function describeHint(provider: string): string {
  return `To use a model that nothing lists, name it as ${provider}/MODEL, and set its size: context_tokens = 128000 under [providers.${provider}.models."MODEL"] in config.toml.`
}

function factsOrNull(
  model: CatalogModel | null,
  overrides: ModelOverrides,
  asked = { provider: model?.provider ?? '', name: model?.id ?? '' },
): ModelFacts | null {
  try {
    return modelFacts(model, overrides, asked)
  } catch (error) {
    // Its size is unknown, or half of its price: `catalog verify` says so.
    if (isOxbowError(error, 'bad_config')) return null
    throw error
  }
}

/** A model at an address of its own goes by the catalog's facts of the same name at OpenAI, as it does once it is configured. */
async function atAddress(
  { baseUrl, model, key = '' }: Extract<CatalogQuestion, { ask: 'address' }>,
  deps: CatalogDeps,
): Promise<AddressModels> {
  const { askAddress } = await import('../discovery/ask-address.ts')
  const [{ models, betterUrl }, known] = await Promise.all([
    askAddress(baseUrl, key),
    model === '' ? null : loadCatalog({ files: catalogFilesIn(deps.folder) }).lookup('openai', model),
  ])
  const served = models?.find(({ name }) => name === model)?.contextTokens ?? null
  return { models, betterUrl, contextTokens: served ?? known?.entry.limit?.context ?? null }
}

async function servedModels(provider: string, deps: CatalogDeps): Promise<ServedModels> {
  if (provider.startsWith(pluginPrefix)) return { baseUrl: '', names: await servedByPlugin(provider, deps) }
  const service = findService(provider, deps)
  if (service.baseUrl === null || !hasOwnAddress(service)) return { baseUrl: '', names: null }
  const { listAt } = await import('../discovery/ask-address.ts')
  const models = await listAt(service.baseUrl, service.key)
  return { baseUrl: service.baseUrl.href, names: models?.map(({ name }) => name) ?? null }
}

/** @param provider `plugin:NAME`; `plugin:` for all, which are not listed so @returns null where nobody knows yet */
async function servedByPlugin(provider: string, { served, silent }: CatalogDeps): Promise<readonly string[] | null> {
  const plugin = provider.slice(pluginPrefix.length)
  if (plugin === '' || (await silent?.())?.includes(plugin) === true) return null
  const models = (await served?.()) ?? []
  return models.filter((id) => id.startsWith(`${provider}/`)).map((id) => id.slice(provider.length + 1))
}

/** The facts that the engine would work with, and the origin of each. */
async function showModel(text: string, deps: CatalogDeps): Promise<object> {
  const catalog = loadCatalog({ files: catalogFilesIn(deps.folder) })
  const { provider, name } = readName(text, deps, await catalog.providers())
  const overrides = overridesOf({ provider, model: name }, deps)
  const facts = await findModelFacts(catalog, provider, name, overrides).catch((error: unknown) => {
    // A model that nobody has asked to use is no fault of the configuration.
    if (isOxbowError(error, 'bad_config') && error.data['model'] === name)
      throw new OxbowError('not_found', error.message, { hint: error.hint, data: error.data, cause: error })
    throw error
  })
  const model = await catalog.lookup(provider, name)
  return {
    facts,
    origins: originsOf(model, overrides),
    catalog_id: model?.id ?? null,
    sources: model?.sources ?? [],
    most_output: model?.entry.limit?.output ?? null,
    release_date: model?.entry.release_date ?? null,
    provider: await catalog.provider(provider),
  }
}

/** A beginning that is a provider of the catalog counts as one, also where nothing is configured for it. */
function readName(text: string, deps: CatalogDeps, providers: readonly string[]): { provider: string; name: string } {
  const slash = text.indexOf('/')
  const before = text.slice(0, Math.max(0, slash))
  if (providers.includes(before)) return { provider: before, name: text.slice(slash + 1) }
  const { provider, model } = readModelName(text, deps)
  if (provider === 'offline') {
    if (before !== '' && before !== 'offline') {
      throw new OxbowError('not_found', `neither the catalog nor the configuration has a provider ${JSON.stringify(before)}`, {
        hint: '`oxbow models` lists providers of the catalog; one of your own has a section [providers.ID] in config.toml.',
      })
    }
    throw new OxbowError('not_found', `${JSON.stringify(text)} does not name the provider of the model`, {
      hint: 'Name it as PROVIDER/MODEL, e.g. oxbow catalog show openai/gpt-5-mini.',
    })
  }
  return { provider, name: model }
}

/** One check: of a file, or of a model that the configuration names. */
interface Check {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  /** It works, and the person should know something. */
  readonly warning: boolean
}

async function* verify(deps: CatalogDeps): AsyncGenerator<Check> {
  const { overlay, refreshed } = catalogFilesIn(deps.folder)
  yield await check(overlay, async () => {
    const found = await readOverlay(overlay)
    return found === null ? 'not there' : `${Object.keys(found.providers).length} providers`
  })
  yield await check(refreshed, async () => {
    const text = await readCatalogText(refreshed)
    if (text === null) return 'not there: the catalog of the package is used'
    const { providers, models } = await checkCatalogText(text, refreshed)
    return `${providers} providers, ${models} models`
  })
  const catalog = loadCatalog({ files: catalogFilesIn(deps.folder) })
  const isInProcess = /^(?:offline|scripted|replay)$/
  for (const { provider, name } of namedModels(deps)) if (!isInProcess.test(provider)) yield await checkModel(catalog, provider, name, deps)
}

async function checkModel(catalog: Catalog, provider: string, name: string, deps: CatalogDeps): Promise<Check> {
  const { session, user } = deps.config.budget
  const hasMoneyBudget = session.micro_dollars !== null || user.micro_dollars !== null
  let warning = false
  const checked = await check(`${provider}/${name}`, async () => {
    const facts = await findModelFacts(catalog, provider, name, overridesOf({ provider, model: name }, deps))
    if (facts.price === null && hasMoneyBudget) {
      const hint = 'Set input_price and output_price, or remove the money budget.'
      throw new OxbowError('bad_config', 'it has no price, and there is a money budget: set input_price and output_price', { hint })
    }
    warning = facts.price === null || facts.deprecated
    if (facts.price === null) return 'it has no price: set input_price and output_price before there is a money budget'
    return facts.deprecated ? 'it is deprecated: its vendor has withdrawn it, or will' : `${facts.contextTokens} tokens, priced`
  })
  return { ...checked, warning }
}

async function check(name: string, run: () => Promise<string>): Promise<Check> {
  try {
    return { check: name, ok: true, detail: await run(), warning: false }
  } catch (error) {
    return { check: name, ok: false, detail: toFailure(error, 'bad_config', '').message, warning: false }
  }
}

function namedModels(deps: CatalogDeps): readonly { readonly provider: string; readonly name: string }[] {
  const { model, providers } = deps.config
  const named = ['', ...model.fallback].map((text) => readModelName(text, deps))
  const described = Object.entries(providers).flatMap(([provider, { models }]) =>
    Object.keys(models).map((name) => ({ provider, model: name })),
  )
  const all = [...named, ...described].filter((each) => each.model !== '')
  const unique = new Map(all.map((each) => [`${each.provider}/${each.model}`, { provider: each.provider, name: each.model }]))
  return [...unique.values()]
}

/** @param all of the catalog @throws OxbowError where a configured one cannot be asked, which says what is missing, such as its key */
function noModelsOf(provider: string, all: readonly string[], deps: CatalogDeps): OxbowError {
  const own = Object.keys(deps.config.providers)
  if (own.includes(provider)) {
    findService(provider, deps)
    return new OxbowError('not_found', `Nothing lists the models of ${provider}.`, { hint: describeHint(provider) })
  }
  const known = [...new Set([...own, ...all])].join(', ')
  return new OxbowError('not_found', `there is no provider ${JSON.stringify(provider)}`, {
    hint: `A service of your own has a section [providers.${provider}] with its base_url in config.toml. Known are ${known}.`,
  })
}
