/** Takes a models.dev `api.json` into the home: checks it, writes it in the catalog's own form, and reports the changes. */
import { isObject, type JsonObject, OxbowError, writeWhole } from '../../base/index.ts'
import { catalogDownloadMs, catalogRedirects, maxCatalogBytes, maxUnreadablePart } from '../limits.ts'
import { modelEntry, modelId, type ProviderEntry, providerEntry, providerId, wrongKeys } from './catalog-schema.ts'
import { type CatalogModel, loadCatalog } from './catalog.ts'

interface CatalogChange {
  readonly model: string
  readonly what: 'new' | 'gone' | 'price' | 'size' | 'deprecated'
  /** What it was and what it is, in words; empty where there is nothing to compare. */
  readonly before: string
  readonly after: string
}

interface RefreshReport {
  readonly path: string
  readonly providers: number
  readonly models: number
  /** Entries that do not fit the schema, and why: they are left out. */
  readonly leftOut: readonly string[]
  readonly changes: readonly CatalogChange[]
}

/** @param text of an `api.json`. @throws OxbowError `bad_input` when it is not one; then nothing is written. */
export async function takeCatalog(text: string, source: string, path: string, now: Date): Promise<RefreshReport> {
  const read = convertCatalog(text, source, now)
  // A broken file that is replaced is compared by what stood below it.
  const before = await listIn(path).catch(() => listIn())
  writeCatalog(path, read.text)
  const after = await listIn(path)
  return { path, providers: read.providers, models: read.models, leftOut: read.leftOut, changes: changesBetween(before, after) }
}

interface ConvertedCatalog {
  /** In the catalog's own form. */
  readonly text: string
  readonly providers: number
  readonly models: number
  readonly leftOut: readonly string[]
}

/** @param text of an `api.json`. @throws OxbowError `bad_input` when it is not one. */
export function convertCatalog(text: string, source: string, now: Date): ConvertedCatalog {
  const lines: string[] = [JSON.stringify({ catalog: 1, sources: { refreshed: `${source} of ${now.toISOString().slice(0, 10)}` } })]
  const leftOut: string[] = []
  let providers = 0
  let models = 0
  for (const [id, value] of entriesOf(parse(text, source)).sort(byId)) {
    const provider = providerEntry.safeParse(value)
    const isNamed = providerId.safeParse(id).success
    if (!provider.success || !isNamed) {
      leftOut.push(`${JSON.stringify(id.slice(0, 80))}: ${provider.success ? 'not a valid provider name' : wrongKeys(provider.error)}`)
      continue
    }
    providers += 1
    lines.push(JSON.stringify(providerLine(id, provider.data)))
    for (const [name, entry] of entriesOf(value['models']).sort(byId)) {
      const checked = modelEntry.safeParse(entry)
      if (checked.success && modelId.safeParse(name).success) {
        models += 1
        lines.push(JSON.stringify({ provider: id, id: name, ...checked.data }))
      } else leftOut.push(`${id}/${name.slice(0, 80)}: ${checked.success ? 'not a valid model name' : wrongKeys(checked.error)}`)
    }
  }
  if (models === 0 || leftOut.length > (models + leftOut.length) * maxUnreadablePart) {
    throw notCatalog(source, `${leftOut.length} of its entries cannot be read, ${models} can; ${leftOut[0] ?? 'it has no models'}`)
  }
  return { text: `${lines.join('\n')}\n`, providers, models, leftOut }
}

/** The name comes second: it distinguishes a provider's line from a model's. */
function providerLine(id: string, { name = id, ...rest }: ProviderEntry): object {
  return { provider: id, name, ...rest }
}

function parse(text: string, source: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw notCatalog(source, 'it is not JSON', cause)
  }
}

function entriesOf(value: unknown): [string, JsonObject][] {
  if (!isObject(value)) return []
  return Object.entries(value).filter((pair): pair is [string, JsonObject] => isObject(pair[1]))
}

const byId = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

/** @param refreshed unset: the package's models only */
async function listIn(refreshed?: string): Promise<Map<string, CatalogModel>> {
  const models = await loadCatalog({ files: refreshed === undefined ? {} : { refreshed } }).list()
  return new Map(models.map((model) => [`${model.provider}/${model.id}`, model]))
}

function changesBetween(before: ReadonlyMap<string, CatalogModel>, after: ReadonlyMap<string, CatalogModel>): CatalogChange[] {
  const changes: CatalogChange[] = []
  for (const [model, { entry }] of after) {
    const old = before.get(model)?.entry
    if (old === undefined) {
      changes.push({ model, what: 'new', before: '', after: '' })
      continue
    }
    const compare = (what: CatalogChange['what'], was: string, is: string): void => {
      if (was !== is) changes.push({ model, what, before: was, after: is })
    }
    compare('price', JSON.stringify(old.cost ?? null), JSON.stringify(entry.cost ?? null))
    compare('size', sizeOf(old), sizeOf(entry))
    compare('deprecated', String(old.status === 'deprecated'), String(entry.status === 'deprecated'))
  }
  for (const model of before.keys()) if (!after.has(model)) changes.push({ model, what: 'gone', before: '', after: '' })
  return changes
}

function sizeOf({ limit }: CatalogModel['entry']): string {
  return `${limit?.context ?? 0} in, ${limit?.output ?? 0} out`
}

function writeCatalog(path: string, text: string): void {
  try {
    writeWhole(path, text)
  } catch (cause) {
    throw new OxbowError('tool_failed', `the catalog cannot be written: ${(cause as Error).message}`, {
      hint: 'The catalog stays as it was. Make room, or check who owns the folder.',
      cause,
    })
  }
}

function notCatalog(source: string, what: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_input', `${source} is not a catalog: ${what}`, {
    hint: 'The catalog stays as it was. It must be the api.json of models.dev, or a file in its schema.',
    cause,
  })
}

interface DownloadLimits {
  readonly timeMs: number
  readonly maxBytes: number
}

const usual: DownloadLimits = { timeMs: catalogDownloadMs, maxBytes: maxCatalogBytes }

/**
 * A catalog decides what models cost, so it comes over TLS (or from this machine), is bounded in size and time, and is never taken
 * from another host than the one that was named.
 * @returns the text. @throws OxbowError `bad_input` for an address that may not be used, `tool_failed` for a download that fails. */
export async function downloadCatalog(address: string, limits: DownloadLimits = usual): Promise<string> {
  const first = checkedUrl(address)
  const signal = AbortSignal.timeout(limits.timeMs)
  try {
    let url = first
    for (let hops = 0; hops <= catalogRedirects; hops++) {
      const response = await fetch(url.href, { redirect: 'manual', signal, headers: { accept: 'application/json' } })
      if (response.status < 300 || response.status >= 400) return await readBody(response, url, limits.maxBytes)
      await response.body?.cancel()
      url = redirected(url, response.headers.get('location'))
    }
    throw failed(`${first.origin} redirects more than ${catalogRedirects} times`)
  } catch (cause) {
    if (cause instanceof OxbowError) throw cause
    if (signal.aborted) throw failed(`${first.origin} did not send all of it within ${limits.timeMs / 1000} seconds`, cause)
    throw failed(`${first.origin} cannot be reached: ${reasonOf(cause)}`, cause)
  }
}

function checkedUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null
  const isLocal = url !== null && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (url !== null && url.username === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))) return url
  throw new OxbowError('bad_input', `${JSON.stringify(address.slice(0, 200))} is not an address for a catalog`, {
    hint: 'Give an https address without user name; http is for this machine only.',
  })
}

function redirected(from: URL, location: string | null): URL {
  const to = location !== null && URL.canParse(location, from.href) ? new URL(location, from.href) : null
  if (to === null) throw failed(`${from.origin} redirects without a valid address`)
  if (to.origin !== from.origin) throw failed(`${from.origin} redirects to ${to.origin}, which is not followed`)
  return to
}

async function readBody(response: Response, url: URL, maxBytes: number): Promise<string> {
  if (!response.ok) {
    await response.body?.cancel()
    throw failed(`${url.origin} answered ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > maxBytes) throw failed(`${url.origin} sends more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What `fetch` says is "fetch failed"; the reason stands in its cause. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}

function failed(what: string, cause?: unknown): OxbowError {
  return new OxbowError('tool_failed', `the catalog cannot be fetched: ${what}`, {
    hint: 'The catalog stays as it was. Try again later, or name another address with --url.',
    cause,
  })
}
