/** What a service at an address that a person typed offers: for setting it up, before a model of it is named. */
import type { AddressModels, FoundModel } from '../../types/index.ts'
import { addressTimeoutMs, discoveryTimeoutMs } from '../limits.ts'
import { askJson, identifyService, listedModels } from './discover.ts'

/**
 * Asks one service for its models. A service of this machine is identified, since what serves a model decides how large its window is.
 * Never rejects. @param key empty: none is sent
 */
export async function askAddress(baseUrl: string, key: string): Promise<AddressModels['models']> {
  const base = URL.parse(baseUrl)
  if (base === null || !/^https?:$/.test(base.protocol)) return null
  const headers = { 'user-agent': 'oxbow', ...(key !== '' && { authorization: `Bearer ${key}` }) }
  const path = base.pathname.replace(/\/+$/, '')
  const at = (pathname: string): URL => Object.assign(new URL(base.origin), { pathname })
  const found = isLocal(base) && path === '/v1' && key === '' ? await identified(base, at) : null
  return found ?? listedModels(await askJson(at(`${path}/models`), { timeoutMs: addressTimeoutMs, headers }))
}

async function identified({ port }: URL, at: (path: string) => URL): Promise<readonly FoundModel[] | null> {
  const service = await identifyService((path, body) => askJson(at(path), { timeoutMs: discoveryTimeoutMs, body }), Number(port))
  const sizes = service?.models.some(({ contextTokens }) => contextTokens !== null) ?? false
  return sizes ? service!.models : null
}

function isLocal({ hostname }: URL): boolean {
  return /^(?:localhost|127\..+|\[::1\])$/.test(hostname)
}
