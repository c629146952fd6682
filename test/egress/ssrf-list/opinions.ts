/** What three kept libraries say about a URL: each by its own idea of what is dangerous, and with its own blind spots. */
import { once } from 'node:events'
import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import { Address4, Address6 } from 'ip-address'
import { RequestFilteringHttpAgent } from 'request-filtering-agent'
import { isSSRFSafeURL } from 'ssrfcheck'
import { lookUp } from './ssrf-world.ts'

/** `none`: it has nothing to say about such a URL. */
export type Opinion = 'allowed' | 'refused' | 'none'

export type Library = 'request-filtering-agent' | 'ssrfcheck' | 'ip-address'

export const opinions: Readonly<Record<Library, (url: string) => Promise<Opinion>>> = {
  'request-filtering-agent': askAgent,
  ssrfcheck: (url) => Promise.resolve(isSSRFSafeURL(url, { autoPrependProtocol: false }) ? 'allowed' : 'refused'),
  'ip-address': askAddresses,
}

function hostOf(text: string): string | null {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return null
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

/**
 * A real connection of the agent, which checks addresses when it connects. It comes from this machine's loopback, so that no
 * packet leaves: what the agent lets through fails at once, for another reason than the agent's. Connected so, Node asks for one
 * address of a name and not for all.
 */
async function askAgent(url: string): Promise<Opinion> {
  const host = hostOf(url)
  if (host === null || host === '') return 'none'
  const agent = new RequestFilteringHttpAgent()
  const lookup = (name: string, _options: object, done: (error: Error | null, address?: string, family?: number) => void): void => {
    lookUp(name).then(
      ([first]) => (first === undefined ? done(new Error('no such name')) : done(null, first, isIP(first))),
      (error: Error) => done(error),
    )
  }
  const options = { host, port: 9, localAddress: '127.0.0.1', lookup }
  const socket = (agent as unknown as { createConnection(options: object): Socket }).createConnection(options)
  try {
    await once(socket, 'connect')
    return 'allowed'
  } catch (error) {
    const said = String(error)
    if (said.includes('no such name')) return 'none'
    return said.includes('is not allowed') ? 'refused' : 'allowed'
  } finally {
    socket.destroy()
    agent.destroy()
  }
}

/** Every address that the URL leads to is one that it calls global. */
async function askAddresses(url: string): Promise<Opinion> {
  const host = hostOf(url)
  if (host === null || host === '') return 'none'
  const addresses = isIP(host) === 0 ? await lookUp(host.replace(/\.$/, '')).catch(() => []) : [host]
  if (addresses.length === 0) return 'none'
  return addresses.every(isGlobal) ? 'allowed' : 'refused'
}

function isGlobal(address: string): boolean {
  try {
    return isIP(address) === 6 ? new Address6(address).isGlobal() : new Address4(address).isGlobal()
  } catch {
    return false
  }
}
