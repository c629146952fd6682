/** From the configuration to a service that can be asked. */
import type { Egress } from '../../sandbox/index.ts'
import type { Call, Config } from '../../types/index.ts'
import { OxbowError, searchKeyEnv } from '../../types/index.ts'
import { brave, google, searxng } from './json-services.ts'
import { duckduckgo } from './page-services.ts'
import { webSearch } from './search-call.ts'
import type { SearchAccess } from './search-call.ts'
import type { SearchService } from './search-service.ts'

const services: Readonly<Record<Exclude<Config['web']['search'], 'off'>, SearchService>> = { searxng, brave, google, duckduckgo }

/**
 * @param keys variables of the host that the guest was given
 * @returns null when searching is off
 * @throws OxbowError `bad_config` that names what is missing
 */
function searchAccess(config: Config['web'], keys: Readonly<Record<string, string>>): SearchAccess | null {
  if (config.search === 'off') return null
  const service = services[config.search]
  const baseUrl = (config.search_url === '' ? service.publicUrl : config.search_url).replace(/\/+$/, '')
  if (baseUrl === '') throw missing('web.search_url is not set', 'Set it to the address of your SearXNG, e.g. "http://127.0.0.1:8888".')
  if (!/^https?:$/.test(URL.parse(baseUrl)?.protocol ?? ''))
    throw missing('web.search_url is no http address', 'Begin it with http:// or https://.')
  if (config.search === 'google' && config.search_engine_id === '')
    throw missing('web.search_engine_id is not set', 'Set it to the id (cx) of your Programmable Search Engine.')
  return { name: config.search, service, baseUrl, key: keyFor(config, keys), engineId: config.search_engine_id }
}

/** The service was named by a person, who thereby opened the way to it; to it alone, and for searches alone. */
function searchEgress(egress: Config['egress'], { baseUrl }: Pick<SearchAccess, 'baseUrl'>): Config['egress'] {
  const { protocol, hostname, port } = new URL(baseUrl)
  const host = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
  return { mode: 'strict', ports: egress.ports, allow: [host], deny: egress.deny }
}

function keyFor(config: Config['web'], keys: Readonly<Record<string, string>>): string {
  const name = searchKeyEnv(config)
  const key = keys[name] ?? ''
  if (name !== '' && key === '')
    throw missing(`${name} is not set`, `Put the key of ${config.search} into the environment variable ${name}.`)
  return key
}

function missing(what: string, hint: string): OxbowError {
  return new OxbowError('bad_config', `Searching the web is on, but ${what}.`, { hint: `${hint} Or set web.search = "off".` })
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
