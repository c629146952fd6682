/**
 * What is known of models: the data that ships with Oxbow, under a refreshed catalog, under the person's overlay. Nothing is
 * read before something is asked, and then only the lines of the provider that is asked for are parsed. A broken file is an
 * error of whoever asks, not of the start.
 */
import { join } from 'node:path'
import type { ModelEntry, Overlay, ProviderEntry } from './catalog-entry.ts'
import { providerIdsIn, readCatalogText, readProvider } from './catalog-file.ts'
import { layOver, nothingSaid } from './catalog-layers.ts'
import type { LayeredEntry, Origin } from './catalog-layers.ts'
import { findModelId, nearestIds } from './model-alias.ts'
import { entryOf, readOverlay } from './overlay-file.ts'

export interface CatalogFiles {
  readonly overlay?: string
  readonly refreshed?: string
}

export interface CatalogModel {
  readonly provider: string
  /** As the catalog has it; not always the name that was asked for. */
  readonly id: string
  readonly entry: ModelEntry
  /** Who said each value: keys as `tool_call`, `cost`, `limit.context`, `modalities.input`. */
  readonly origins: Readonly<Record<string, Origin>>
  /** Where the newest file that knows it has it from; empty when only the overlay knows it. */
  readonly sources: readonly string[]
}

export interface CatalogProvider {
  readonly id: string
  readonly name: string
  /** Base URL; empty where only the provider's own package knows it. */
  readonly api: string
  /** Names of environment variables, the key's among them. */
  readonly env: readonly string[]
  /** The AI SDK's package; empty when nobody says. */
  readonly npm: string
}

/** Where a home keeps what goes over the package's catalog. */
export function catalogFilesIn(folder: string): Required<CatalogFiles> {
  return { overlay: join(folder, 'overlay.json'), refreshed: join(folder, 'refreshed.jsonl') }
}

/** All of it throws OxbowError `bad_config` when a file is broken. */
export interface Catalog {
  /** @param name also with `models/` before it, of a day's snapshot, or `-latest` */
  lookup(provider: string, name: string): Promise<CatalogModel | null>
  /** @returns up to three ids of the provider that are like the name, the nearest first */
  nearest(provider: string, name: string): Promise<string[]>
  provider(id: string): Promise<CatalogProvider | null>
  providers(): Promise<string[]>
  /** @returns the models of a provider, or of all, in order of their ids */
  list(provider?: string): Promise<CatalogModel[]>
}

/** A file of the catalog, and what its values are said to be from. */
interface Source {
  readonly origin: Origin
  /** Null: the package's own. */
  readonly path: string | null
}

export function loadCatalog({ files }: { readonly files: CatalogFiles }): Catalog {
  const { overlay: overlayPath, refreshed } = files
  const sources: Source[] = [{ origin: 'package', path: null }]
  if (refreshed !== undefined) sources.push({ origin: 'refreshed', path: refreshed })
  const overlay = async (): Promise<Overlay | null> => (overlayPath === undefined ? null : readOverlay(overlayPath))
  const loaded = new Map<string, Promise<LoadedProvider>>()
  const load = (provider: string): Promise<LoadedProvider> => {
    const known = loaded.get(provider)
    if (known !== undefined) return known
    const loading = overlay().then((said) => loadProvider(provider, { sources, overlay: said, read: readCatalogText }))
    // A file that was broken may have been mended when it is asked for again.
    loading.catch(() => loaded.delete(provider))
    loaded.set(provider, loading)
    return loading
  }
  const providers = async (): Promise<string[]> => {
    const ids = await Promise.all(sources.map(async ({ path }) => providerIdsIn((await readCatalogText(path)) ?? '')))
    return [...new Set([...ids.flat(), ...Object.keys((await overlay())?.providers ?? {})])].sort()
  }
  /** Each file is read once, and nothing is kept. */
  const loadAll = async (): Promise<readonly LoadedProvider[]> => {
    const texts = new Map(await Promise.all(sources.map(async ({ path }) => [path, await readCatalogText(path)] as const)))
    const [said, ids] = await Promise.all([overlay(), providers()])
    const read = async (path: string | null): Promise<string | null> => texts.get(path) ?? null
    return Promise.all(ids.map((id) => loadProvider(id, { sources, overlay: said, read })))
  }
  return {
    async lookup(provider, name) {
      const { models } = await load(provider)
      const id = findModelId(new Set(models.keys()), name)
      return id === null ? null : (models.get(id) ?? null)
    },
    nearest: async (provider, name) => nearestIds((await load(provider)).models.keys(), name),
    provider: async (id) => (await load(id)).provider,
    providers,
    async list(provider) {
      const found = provider === undefined ? await loadAll() : [await load(provider)]
      return found.flatMap(({ models }) => [...models.values()].sort((a, b) => (a.id < b.id ? -1 : 1)))
    },
  }
}

interface LoadedProvider {
  /** Null when nobody knows it. */
  readonly provider: CatalogProvider | null
  readonly models: ReadonlyMap<string, CatalogModel>
}

interface LoadDeps {
  readonly sources: readonly Source[]
  readonly overlay: Overlay | null
  readonly read: (path: string | null) => Promise<string | null>
}

async function loadProvider(id: string, { sources, overlay, read: readText }: LoadDeps): Promise<LoadedProvider> {
  let known: ProviderEntry | undefined
  const models = new Map<string, LayeredEntry & { readonly sources: readonly string[] }>()
  for (const { origin, path } of sources) {
    const text = await readText(path)
    const read = text === null ? null : await readProvider(text, id, path)
    if (read === null) continue
    known = { ...known, ...read.provider }
    for (const [name, { entry, from }] of read.models) {
      models.set(name, { ...layOver(models.get(name) ?? nothingSaid, entry, origin), sources: from })
    }
  }
  const over = overlay !== null && Object.hasOwn(overlay.providers, id) ? overlay.providers[id] : undefined
  if (over !== undefined) {
    const { models: said = {}, ...provider } = over
    known = { ...known, ...provider }
    for (const [name, entry] of Object.entries(said)) {
      const below = models.get(name)
      models.set(name, { ...layOver(below ?? nothingSaid, entry, 'overlay'), sources: below?.sources ?? [] })
    }
  }
  const finished = [...models].map(([name, model]): [string, CatalogModel] => {
    const layered = withCapabilities(model, id, name, overlay)
    return [name, { provider: id, id: name, ...layered, sources: model.sources }]
  })
  return { provider: known === undefined ? null : describeProvider(id, known), models: new Map(finished) }
}

/** The capabilities of the overlay: of the provider, then of the model. */
function withCapabilities(model: LayeredEntry, provider: string, name: string, overlay: Overlay | null): LayeredEntry {
  if (overlay === null) return model
  const { provider_defaults: defaults, overrides } = overlay.capabilities
  const key = `${provider}/${name}`
  const said = [Object.hasOwn(defaults, provider) && defaults[provider], Object.hasOwn(overrides, key) && overrides[key]]
  return said.reduce<LayeredEntry>(
    (below, capabilities) => (capabilities ? layOver(below, entryOf(capabilities, below.entry), 'overlay') : below),
    { entry: model.entry, origins: model.origins },
  )
}

function describeProvider(id: string, { name = id, api = '', env = [], npm = '' }: ProviderEntry): CatalogProvider {
  return { id, name, api, env, npm }
}
