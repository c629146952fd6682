/** What a service at an address that a person typed offers: for setting it up, before a model of it is named. */
import type { AddressModels, FoundModel } from '../../protocol/index.ts'
import { addressTimeoutMs, discoveryTimeoutMs } from '../limits.ts'
import { askJson, identifyService, listedModels } from './discover.ts'

/** Ends of addresses that stand for one request, and not for the base of all. */
const requestEnds = /(?:\/(?:chat\/completions|completions|responses|models|embeddings))+$/

/**
 * Where a service has its interface that does not answer at the base URL: most often, /v1 was left out.
 * @param lists whether the base with this path, without a slash at its end, lists models @returns the URL; empty if none does
 */
export async function findBase(base: URL, lists: (path: string) => Promise<boolean>): Promise<string> {
  const path = pathOf(base)
  const bare = path.replace(requestEnds, '')
  const paths = new Set([bare, `${bare}/v1`, '/v1'].filter((each) => each !== path))
  for (const each of paths) if (await lists(each)) return `${base.origin}${each}`
  return ''
}

/**
 * Asks one service for its models. A service of this machine is identified, since what serves a model decides how large its window is.
 * Never rejects. @param key empty: none is sent
 */
export async function askAddress(baseUrl: string, key: string): Promise<Omit<AddressModels, 'contextTokens'>> {
  const base = URL.parse(baseUrl)
  if (base === null || !/^https?:$/.test(base.protocol)) return { models: null, betterUrl: '' }
  const at = (pathname: string): URL => Object.assign(new URL(base), { pathname })
  const isUsual = isLocal(base) && pathOf(base) === '/v1' && key === ''
  const models = (isUsual ? await identified(base, at) : null) ?? (await listAt(base, key))
  return { models, betterUrl: models === null ? await findBase(base, async (path) => (await listAt(at(path), key)) !== null) : '' }
}

/** @returns what the service with this base URL lists; null: it lists nothing, or was not reached. Never rejects. */
export async function listAt(base: URL, key: string): Promise<readonly FoundModel[] | null> {
  const headers = { 'user-agent': 'oxbow', ...(key !== '' && { authorization: `Bearer ${key}` }) }
  const address = Object.assign(new URL(base), { pathname: `${pathOf(base)}/models` })
  return listedModels(await askJson(address, { timeoutMs: addressTimeoutMs, headers }))
}

/** @returns the path of a base URL, without a slash at its end */
export function pathOf({ pathname }: URL): string {
  return pathname.replace(/\/+$/, '')
}

async function identified({ port }: URL, at: (path: string) => URL): Promise<readonly FoundModel[] | null> {
  const service = await identifyService((path, body) => askJson(at(path), { timeoutMs: discoveryTimeoutMs, body }), Number(port))
  const sizes = service?.models.some(({ contextTokens }) => contextTokens !== null) ?? false
  return sizes ? service!.models : null
}

function isLocal({ hostname }: URL): boolean {
  return /^(?:localhost|127\..+|\[::1\])$/.test(hostname)
}
