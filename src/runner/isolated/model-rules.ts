/** Where models are: the only hosts that an isolated guest reaches for them. */
import { builtinProviders } from '../../types/index.ts'
import type { Config } from '../../types/index.ts'

/**
 * Services of the configuration, of the environment, and those that are known by name. A person's own words open private
 * addresses too: that is where models of their own are.
 * @param keys the variables that the guest is given
 */
export function modelRules(config: Config, keys: Readonly<Record<string, string>>): Config['egress'] {
  const addresses = [
    config.model.base_url,
    ...Object.values(config.providers).map(({ base_url: url }) => url),
    ...Object.values(builtinProviders).flatMap(({ baseUrl, baseUrlEnv }) => [baseUrl, keys[baseUrlEnv ?? ''] ?? '']),
  ]
  const hosts = addresses.flatMap((address) => {
    const url = URL.parse(address)
    if (url === null || !/^https?:$/.test(url.protocol)) return []
    return [`${url.hostname}:${url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port}`]
  })
  return { mode: 'strict', ports: [443], allow: [...new Set(hosts)], deny: config.egress.deny }
}
