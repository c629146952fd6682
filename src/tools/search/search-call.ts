/**
 * `web.search`: sends the query to the configured search service, through an egress that can reach only that service. The query
 * leaves this machine, so the call is a sink; anybody may have written the results.
 */
import { z } from 'zod'
import type { Egress, Fetched } from '../../sandbox/index.ts'
import { isOxbowError, type JsonObject, ownValue, OxbowError, plural } from '../../base/index.ts'
import { type Call, defineCall, evident } from '../../protocol/index.ts'
import { type Config, searchKeyEnv } from '../../config/index.ts'
import {
  defaultSearchResults,
  maxQueryCharacters,
  maxSearchResults,
  maxShownCharacters,
  maxSnippetCharacters,
  maxUrlCharacters,
  webSearchTimeoutMs,
} from '../limits.ts'
import { decodeText, kindOf, withoutHidden } from '../web/decode-text.ts'
import {
  brave,
  duckduckgo,
  google,
  type SearchHit,
  type SearchRequest,
  type SearchService,
  searxng,
  type ServiceAccess,
} from './search-services.ts'

/** A search service, under its name in the configuration. */
interface SearchAccess extends ServiceAccess {
  readonly name: string
  readonly service: SearchService
  /** Of the service and of those that answer in its place. */
  readonly baseUrls: readonly string[]
}

type SearchInput = z.infer<typeof searchInput>
interface SearchResult extends SearchHit {
  index: number
  /** Host and path, as search services show it. */
  display_url: string
}
type SearchOutput = z.infer<typeof searchOutput>

const searchInput = z.strictObject({
  query: z.string().trim().min(1).max(maxQueryCharacters).describe('Do not include private data.'),
  count: z.int().min(1).max(maxSearchResults).default(defaultSearchResults).meta(evident('Maximum number of results.')),
  freshness: z
    .enum(['any', 'day', 'week', 'month', 'year'])
    .default('any')
    .meta(evident('Only pages from the last day, week, month or year.')),
})

const searchOutput = z.strictObject({
  query: z.string(),
  provider: z.string(),
  base_url: z.string(),
  result_count: z.int(),
  results: z.array(z.strictObject({ index: z.int(), title: z.string(), url: z.string(), display_url: z.string(), snippet: z.string() })),
})

function webSearch(access: SearchAccess, egress: Egress): Call {
  return defineCall({
    name: 'web.search',
    summary: 'Searches the web and lists pages with title, URL and snippet; web_fetch reads one.',
    input: searchInput,
    output: searchOutput,
    example: { query: 'node 24 release notes', count: defaultSearchResults, freshness: 'any' },
    tier: 'side_effecting',
    does: [],
    right: 'web.read',
    effect: 'idempotent',
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink: true },
    timeoutMs: webSearchTimeoutMs,
    async run(input, { signal }) {
      const { hits, baseUrl } = await searchAnywhere(access, egress, input, signal)
      const results = usable(hits, input.count)
      const output = { query: input.query, provider: access.name, base_url: baseUrl, result_count: results.length, results }
      return { output, text: searchText(output) }
    },
  })
}

/** Tries the addresses in order until one answers. @throws OxbowError what the first one failed with */
async function searchAnywhere(
  access: SearchAccess,
  egress: Egress,
  input: SearchInput,
  signal: AbortSignal,
): Promise<{ readonly hits: readonly SearchHit[]; readonly baseUrl: string }> {
  let problem: OxbowError | null = null
  for (const baseUrl of access.baseUrls) {
    try {
      return { hits: await search({ ...access, baseUrl }, egress, input, signal), baseUrl }
    } catch (error) {
      if (!isOxbowError(error) || signal.aborted) throw error
      problem ??= error
    }
  }
  throw problem ?? new OxbowError('internal_failure', 'The search service has no address.', { hint: 'This is a bug in Oxbow: report it.' })
}

/** Tries the requests in order until one returns results: a service that blocks one form may answer another. */
async function search(access: SearchAccess, egress: Egress, input: SearchInput, signal: AbortSignal): Promise<readonly SearchHit[]> {
  let problem: OxbowError | null = null
  for (const request of access.service.requests(input, access)) {
    try {
      return await ask(access, egress, request, signal)
    } catch (error) {
      if (!isOxbowError(error, 'tool_failed')) throw error
      problem ??= error
    }
  }
  throw problem ?? new OxbowError('internal_failure', 'The search service has no request.', { hint: 'Report this.' })
}

async function ask(
  { name, service }: SearchAccess,
  egress: Egress,
  { url, accept, headers }: SearchRequest,
  signal: AbortSignal,
): Promise<readonly SearchHit[]> {
  const answer = await egress.fetch(url, accept, signal, { headers })
  if (answer.status === 429) throw failure(`${name} is throttling searches (429)`, 'Wait a while, or search less often.')
  if (answer.status === 401 || answer.status === 403)
    throw failure(`${name} refuses the search (${answer.status})`, 'The person must check its key and settings.')
  if (answer.status < 200 || answer.status > 299) throw failure(`${name} answered with status ${answer.status}`, 'Try again later.')
  const hits = service.read?.(answer.body) ?? (await readPage(service.page, answer))
  if (hits === null)
    throw failure(`${name} sent no list of results; it may be asking for a CAPTCHA`, 'Try again later, or use another service.')
  return hits
}

async function readPage(page: 'duckduckgo' | 'searxng' | undefined, { body, contentType }: Fetched): Promise<readonly SearchHit[] | null> {
  if (page === undefined || kindOf(contentType, body) !== 'html') return null
  const [{ SAXParser }, { readResultPage }] = await Promise.all([import('parse5-sax-parser'), import('./search-services.ts')])
  return readResultPage(decodeText(body, contentType, 'html'), page, SAXParser)
}

function failure(what: string, hint: string): OxbowError {
  return new OxbowError('tool_failed', `${what}.`, { hint })
}

/** Only URLs that web.fetch can read, each once, in the service's order. */
function usable(hits: readonly SearchHit[], count: number): SearchResult[] {
  const byUrl = new Map<string, SearchHit>()
  for (const hit of hits) {
    const url = hit.url.length > maxUrlCharacters ? null : URL.parse(hit.url)
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '') continue
    url.hash = ''
    if (!byUrl.has(url.href)) byUrl.set(url.href, hit)
  }
  return [...byUrl].slice(0, count).map(([url, { title, snippet }], i) => ({
    index: i + 1,
    title: oneLine(title).slice(0, maxShownCharacters).toWellFormed() || url,
    url,
    display_url: displayOf(url),
    snippet: oneLine(snippet).slice(0, maxSnippetCharacters).toWellFormed(),
  }))
}

function displayOf(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname === '/' ? '' : pathname}`
}

function oneLine(text: string): string {
  return withoutHidden(text).replace(/\s+/g, ' ').trim()
}

function searchText({ query, provider, results }: SearchOutput): string {
  const head =
    results.length === 0
      ? `${provider} found nothing for ${JSON.stringify(query)}; try other or fewer words`
      : `${plural(results.length, 'result')} from ${provider}`
  return [
    head,
    ...results.map(({ index, title, url, snippet }) => `${index}. ${title}\n${url}${snippet === '' ? '' : `\n${snippet}`}`),
  ].join('\n\n')
}

const services: Readonly<Record<Exclude<Config['web']['search'], 'off'>, SearchService>> = { searxng, brave, google, duckduckgo }

/**
 * @param keys environment variables passed to the guest
 * @returns null when searching is off
 * @throws OxbowError `bad_config` naming what is missing
 */
function searchAccess(config: Config['web'], keys: Readonly<Record<string, string>>): SearchAccess | null {
  if (config.search === 'off') return null
  const service = services[config.search]
  const urls = [config.search_url === '' ? service.publicUrl : config.search_url, ...config.search_fallback_urls]
  const [baseUrl = '', ...others] = urls.map((url) => url.replace(/\/+$/, ''))
  const wrong = others.find((url) => !isWebUrl(url))
  if (wrong !== undefined)
    throw missing(`web.search_fallback_urls has ${JSON.stringify(wrong)}`, 'Each must begin with http:// or https://.')
  if (baseUrl === '') throw missing('web.search_url is not set', 'Set it to the address of your SearXNG, e.g. "http://127.0.0.1:8888".')
  if (!isWebUrl(baseUrl)) throw missing('web.search_url is not an http URL', 'It must begin with http:// or https://.')
  if (config.search === 'google' && config.search_engine_id === '')
    throw missing('web.search_engine_id is not set', 'Set it to the id (cx) of your Programmable Search Engine.')
  return {
    name: config.search,
    service,
    baseUrl,
    baseUrls: [baseUrl, ...others],
    key: keyFor(config, keys),
    engineId: config.search_engine_id,
    engines: config.search_engines,
    categories: config.search_categories,
    safesearch: config.search_safesearch,
  }
}

function isWebUrl(url: string): boolean {
  return /^https?:$/.test(URL.parse(url)?.protocol ?? '')
}

/** By naming the service, the person allows the connection to it, and only for searches. */
function searchEgress(egress: Config['egress'], { baseUrls }: Pick<SearchAccess, 'baseUrls'>): Config['egress'] {
  const hosts = baseUrls.map((url) => {
    const { protocol, hostname, port } = new URL(url)
    return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
  })
  return { mode: 'strict', ports: egress.ports, allow: hosts, deny: egress.deny }
}

function keyFor(config: Config['web'], keys: Readonly<Record<string, string>>): string {
  const name = searchKeyEnv(config)
  const key = ownValue(keys, name) ?? ''
  if (name !== '' && key === '')
    throw missing(`${name} is not set`, `Put the key of ${config.search} into the environment variable ${name}.`, { lacks_key: true })
  return key
}

function missing(what: string, hint: string, data: JsonObject = {}): OxbowError {
  return new OxbowError('bad_config', `web.search is on, but ${what}.`, { hint: `${hint} Or set web.search = "off".`, data })
}

/** @returns the call, or null when searching is off. @throws OxbowError `bad_config` */
export async function openSearch(
  { web, egress }: Pick<Config, 'web' | 'egress'>,
  keys: Readonly<Record<string, string>>,
  openWay: (rules: Config['egress']) => Promise<Egress>,
): Promise<Call | null> {
  const access = searchAccess(web, keys)
  return access === null ? null : webSearch(access, await openWay(searchEgress(egress, access)))
}

const noOptions = { key: '', engineId: '', engines: [], categories: [], safesearch: null }

/** The call where searching is off: it says so. */
export function searchIsOff(): Call {
  const off = (): Promise<never> => Promise.reject(new Error('searching is off'))
  const call = webSearch({ name: 'off', service: duckduckgo, baseUrl: '', baseUrls: [], ...noOptions }, { fetch: off })
  const message = `${call.name} needs a search service, and web.search is "off" in config.toml.`
  return { ...call, unavailable: { code: 'denied', message, hint: 'Set web.search to a service, e.g. "duckduckgo".' } }
}
