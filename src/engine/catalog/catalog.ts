/**
 * Facts of models: the data that ships with Oxbow, overridden by a refreshed catalog, overridden by the person's overlay. Files are
 * read on first use, and only the lines of the needed provider are parsed. A broken file fails the lookup, not the start.
 */
import { join } from 'node:path'
import { maxModelNameChars, nearestNames } from '../limits.ts'
import type { ModelEntry, Overlay, ProviderEntry } from './catalog-schema.ts'
import { entryOf, providerIdsIn, readCatalogText, readOverlay, readProvider } from './catalog-file.ts'
import { editDistance, setOwn } from '../../base/index.ts'

export interface CatalogFiles {
  readonly overlay?: string
  readonly refreshed?: string
}

export interface CatalogModel {
  readonly provider: string
  /** As the catalog has it; not always the name that was asked for. */
  readonly id: string
  readonly entry: ModelEntry
  /** The origin of each value: keys as `tool_call`, `cost`, `limit.context`, `modalities.input`. */
  readonly origins: Readonly<Record<string, Origin>>
  /** Sources of the newest file that has it; empty when only the overlay has it. */
  readonly sources: readonly string[]
}

interface CatalogProvider {
  readonly id: string
  readonly name: string
  /** Base URL; empty where only the provider's own package knows it. */
  readonly api: string
  /** Names of environment variables, the key's among them. */
  readonly env: readonly string[]
  /** The AI SDK's package; empty when unknown. */
  readonly npm: string
}

/** Files of a home that override the package's catalog. */
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

/** A file of the catalog, and the origin of its values. */
interface Source {
  readonly origin: Origin
  /** Null: the package's own. */
  readonly path: string | null
}

/** The catalog of models: the package's, the refreshed one, and the person's overlay. A provider is read with its first lookup. */
export function loadCatalog({ files }: { readonly files: CatalogFiles }): Catalog {
  const { overlay: overlayPath, refreshed } = files
  const sources: Source[] = [{ origin: 'package', path: null }]
  if (refreshed !== undefined) sources.push({ origin: 'refreshed', path: refreshed })
  const overlay = async (): Promise<Overlay | null> => (overlayPath === undefined ? null : readOverlay(overlayPath))
  const loaded = new Map<string, Promise<LoadedProvider>>()
  const load = (provider: string): Promise<LoadedProvider> => {
    const known = loaded.get(provider)
    if (known !== undefined) return known
    const loading = overlay().then((laid) => loadProvider(provider, { sources, overlay: laid, read: readCatalogText }))
    // A broken file may be corrected before the next lookup.
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
    const [laid, ids] = await Promise.all([overlay(), providers()])
    const read = async (path: string | null): Promise<string | null> => texts.get(path) ?? null
    return Promise.all(ids.map((id) => loadProvider(id, { sources, overlay: laid, read })))
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
  /** Null when it is unknown. */
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
    const { models: changed = {}, ...provider } = over
    known = { ...known, ...provider }
    for (const [name, entry] of Object.entries(changed)) {
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
  const both = [Object.hasOwn(defaults, provider) && defaults[provider], Object.hasOwn(overrides, key) && overrides[key]]
  return both.reduce<LayeredEntry>(
    (below, capabilities) => (capabilities ? layOver(below, entryOf(capabilities, below.entry), 'overlay') : below),
    { entry: model.entry, origins: model.origins },
  )
}

function describeProvider(id: string, { name = id, api = '', env = [], npm = '' }: ProviderEntry): CatalogProvider {
  return { id, name, api, env, npm }
}

/** The origin of a value, the strongest last. `configuration` and `assumed` occur only in facts, which are made from entries. */
export type Origin = 'assumed' | 'package' | 'refreshed' | 'overlay' | 'configuration'

interface LayeredEntry {
  readonly entry: ModelEntry
  /** By key of the entry, `limit.context`, `limit.output` and `modalities.input` with both. */
  readonly origins: Readonly<Record<string, Origin>>
}

const nothingSaid: LayeredEntry = { entry: {}, origins: {} }

/** A cost is replaced whole: prices of two sources do not belong together. */
const whole = ['name', 'reasoning', 'tool_call', 'temperature', 'structured_output', 'release_date', 'cost', 'status'] as const

/** Lays one source over another, value by value, and remembers the origin of each. */
function layOver(below: LayeredEntry, above: ModelEntry, origin: Origin): LayeredEntry {
  const entry: Record<string, unknown> = { ...below.entry }
  const origins: Record<string, Origin> = { ...below.origins }
  for (const key of whole) {
    if (above[key] === undefined) continue
    entry[key] = above[key]
    origins[key] = origin
  }
  for (const [key, value] of Object.entries(above.limit ?? {})) if (value !== undefined) setOwn(origins, `limit.${key}`, origin)
  for (const [key, value] of Object.entries(above.modalities ?? {})) if (value !== undefined) setOwn(origins, `modalities.${key}`, origin)
  entry['limit'] = { ...below.entry.limit, ...defined(above.limit) }
  entry['modalities'] = { ...below.entry.modalities, ...defined(above.modalities) }
  return { entry, origins }
}

function defined(values: object | undefined): object {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([, value]) => value !== undefined))
}

/** A day's snapshot of a model, as vendors name it: `-20250929`, `-2024-08-06`, `@20250929`. */
const dated = /[-@](?:20\d{6}|20\d\d-\d\d-\d\d)$/
/** Names that mean the newest: `-latest`, and `@default` of Vertex. */
const moving = /(?:-latest|@default)$/
/** Stable versions of Gemini: `gemini-2.0-flash-001`. */
const numbered = /-00\d$/

/**
 * Finds a model by another of its names: with `models/` before it, a snapshot of a model that is known without the date, or the
 * newest snapshot of a model that is known only with one. Never a guess: another version is another model.
 * @returns the id, or null
 */
export function findModelId(ids: ReadonlySet<string>, name: string): string | null {
  if (name.length > maxModelNameChars) return null
  if (ids.has(name)) return name
  const bare = name.replace(/^models\//, '')
  for (const part of [dated, moving, numbered, null]) {
    if (part !== null && !part.test(bare)) continue
    const base = part === null ? bare : bare.replace(part, '')
    if (ids.has(base)) return base
    // One date or number never stands for another.
    if (part === dated || part === numbered) continue
    if (ids.has(`${base}-latest`)) return `${base}-latest`
    const snapshots = [...ids].filter((id) => dated.test(id) && id.replace(dated, '') === base).sort()
    const newest = snapshots.at(-1)
    if (newest !== undefined) return newest
  }
  return null
}

/** @returns up to three of the ids that are most like the name, the nearest first; none that is not like it at all. */
export function nearestIds(ids: Iterable<string>, name: string): string[] {
  const wanted = plain(name.slice(0, maxModelNameChars))
  if (wanted === '') return []
  return [...ids]
    .map((id) => {
      const other = plain(id)
      // A part of a name is typed more often than a name is misspelt.
      const within = other.includes(wanted) || wanted.includes(other)
      return { id, distance: editDistance(wanted, other) / Math.max(wanted.length, other.length) - (within ? 0.3 : 0) }
    })
    .filter(({ distance }) => distance < 0.5)
    .sort((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1))
    .slice(0, nearestNames)
    .map(({ id }) => id)
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}
