/**
 * The egress policy: which hosts may be reached. It checks a URL's name, its port and every address of the name, and returns the
 * checked addresses to connect to, so that a name server cannot change its answer between check and connection.
 *
 * Also here: the rules of `egress.allow` and `egress.deny`, and name resolution with a bounded number of concurrent lookups.
 */
import type { BlockList } from 'node:net'
import { createSlots, OxbowError, untilAborted } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { maxAddresses, maxLookups, maxUrlCharacters } from '../limits.ts'
import { type AddressKind, contains, createAddressJudge, createRanges, type JudgeAddress } from './address-kinds.ts'

/** A checked target. */
export interface Destination {
  readonly url: URL
  /** The name without a dot at its end, or the address without brackets. */
  readonly host: string
  readonly port: number
  /** Checked addresses: the request may connect to no other. */
  readonly addresses: readonly string[]
  /** Socket of a proxy that checks and connects instead; absent when this process does. */
  readonly through?: string
}

/** @throws OxbowError `bad_input`, `denied`, `not_found`, or the signal's reason */
export type Admit = (url: string, signal: AbortSignal) => Promise<Destination>

interface PolicyDeps {
  readonly resolve: ResolveName
  readonly judge: JudgeAddress
}

/** @throws OxbowError `bad_config` */
export function createPolicy(config: Config['egress'], { resolve, judge }: PolicyDeps): Admit {
  const deny = parseRules('deny', config.deny)
  const allow = parseRules('allow', config.allow)
  const strict = config.mode === 'strict'
  const { isIP } = process.getBuiltinModule('node:net')

  return async (text, signal) => {
    const { url, host, port } = parseTarget(text)
    const denied = (rule: EgressRule): boolean => rule.port === null || rule.port === port
    const allowed = (rule: EgressRule): boolean => (rule.port === null ? config.ports.includes(port) : rule.port === port)
    const named = allow.some((rule) => allowed(rule) && rule.fitsName(host))
    if (deny.some((rule) => denied(rule) && rule.fitsName(host))) throw refused(host, port, 'egress.deny names it')
    const literal = isIP(host) !== 0
    // A DNS query leaves this machine too, and its name may carry data.
    if (strict && !literal && !named) throw refused(host, port, 'egress.mode is strict and egress.allow does not name it')
    const portKnown = config.ports.includes(port) || allow.some((rule) => rule.port === port)
    if (!portKnown) throw refused(host, port, `port ${port} is not among egress.ports and no rule of egress.allow has it`)

    const addresses = literal ? [host] : await resolve(host, signal)
    for (const address of addresses) {
      if (deny.some((rule) => denied(rule) && rule.fitsAddress(address))) throw refused(host, port, 'egress.deny has its address')
      if (allow.some((rule) => allowed(rule) && rule.fitsAddress(address))) continue
      const why = closedBecause(judge(address), { named, strict, portOpen: config.ports.includes(port) })
      if (why !== null) throw refused(host, port, why)
    }
    return { url, host, port, addresses: addresses.slice(0, maxAddresses) }
  }
}

/** A name in egress.allow also admits private addresses; special ones are admitted only by a rule for the address. */
function closedBecause(kind: AddressKind, by: { named: boolean; strict: boolean; portOpen: boolean }): string | null {
  if (kind === 'special') return 'it leads to a reserved, link-local, translated or metadata address'
  if (by.named) return null
  if (kind === 'private') return 'it leads to this machine or its private network'
  if (by.strict) return 'egress.mode is strict and egress.allow does not name it'
  return by.portOpen ? null : 'egress.allow opens this port for other hosts only'
}

/** Reads a URL without checking the policy. @throws OxbowError `bad_input` */
export function parseTarget(text: string): { url: URL; host: string; port: number } {
  const url = text.length > maxUrlCharacters ? null : URL.parse(text)
  if (url === null) throw badUrl(`It is no absolute URL, or longer than ${maxUrlCharacters} characters.`)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw badUrl('Only http and https are fetched.')
  if (url.username !== '' || url.password !== '') throw badUrl('It carries credentials, which are not sent.')
  // Normalised: `name.` is the same host as `name`.
  if (url.hostname.endsWith('.')) url.hostname = url.hostname.slice(0, -1)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (host.split('.').includes('')) throw badUrl('Its host has an empty part.')
  url.hash = ''
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  return { url, host, port }
}

function badUrl(why: string): OxbowError {
  return new OxbowError('bad_input', `The URL cannot be fetched. ${why}`, { hint: 'Pass a whole URL such as https://example.com/page.' })
}

/** The error does not name the address, which would reveal the network. */
export function refused(host: string, port: number, why: string): OxbowError {
  return new OxbowError('denied', `${host}:${port} may not be reached: ${why}.`, {
    hint: 'Go on without it. A person can open it with egress.allow in config.toml.',
  })
}

/** How names are resolved; by default by the system. */
export interface PolicyOptions {
  readonly lookup?: Lookup
  readonly ownAddresses?: () => readonly string[]
  /** Maximum number of concurrent lookups. */
  readonly lookups?: number
}

/** The policy with this machine's resolver and own addresses, for fetches and for the proxy. @throws OxbowError `bad_config` */
export function openPolicy(config: Config['egress'], { lookup, ownAddresses, lookups = maxLookups }: PolicyOptions): Admit {
  const judge = createAddressJudge(ownAddresses ?? addressesOfThisMachine)
  return createPolicy(config, { resolve: createNameLookup(lookup, lookups), judge })
}

function addressesOfThisMachine(): readonly string[] {
  const { networkInterfaces } = process.getBuiltinModule('node:os')
  return Object.values(networkInterfaces()).flatMap((one) => (one ?? []).map(({ address }) => address))
}

/**
 * An entry of `egress.allow` or `egress.deny`: a name, `*.name` (its subdomains), an address or a range, each with an optional
 * port: `api.local:8080`, `*.example.com`, `10.1.0.0/16`, `192.168.1.5:8080`, `[fd00::5]:80`, `[fd00::/8]:80`.
 */
export interface EgressRule {
  /** Null for the default of its list. */
  readonly port: number | null
  /** @param host as a URL spells it, without a trailing dot. Address rules match no names. */
  readonly fitsName: (host: string) => boolean
  readonly fitsAddress: (address: string) => boolean
}

const never = (): boolean => false

/** @throws OxbowError `bad_config` that names the invalid entry */
export function parseRules(key: string, entries: readonly string[]): readonly EgressRule[] {
  return entries.map((entry) => {
    const rule = parseRule(entry.trim())
    if (rule !== null) return rule
    throw new OxbowError('bad_config', `egress.${key} contains "${entry}", which is not a host, address or range.`, {
      hint: 'Write for example "api.local:8080", "*.example.com", "192.168.1.5:80", "10.1.0.0/16" or "[fd00::/8]:80".',
    })
  })
}

/** @returns whether rules name a host, as a URL spells it, whatever their ports. @throws OxbowError `bad_config` */
export function namedHosts(key: string, entries: readonly string[]): (host: string) => boolean {
  const rules = parseRules(key, entries)
  const { isIP } = process.getBuiltinModule('node:net')
  return (spelled) => {
    const host = spelled.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
    return rules.some((rule) => (isIP(host) === 0 ? rule.fitsName(host) : rule.fitsAddress(host)))
  }
}

/** Reads the hosts of a call, with the same syntax. @throws OxbowError `bad_input` that names the invalid entry */
export function parseHosts(entries: readonly string[]): readonly EgressRule[] {
  return entries.map((entry) => {
    const rule = parseRule(entry.trim())
    if (rule !== null) return rule
    throw new OxbowError('bad_input', `hosts contains ${JSON.stringify(entry)}, which is not a host.`, {
      hint: 'Write hosts without a scheme or path, e.g. "example.com", "*.example.com" or "example.com:443".',
    })
  })
}

function parseRule(entry: string): EgressRule | null {
  const { isIPv6 } = process.getBuiltinModule('node:net')
  const bare = isIPv6(entry.split('/')[0] ?? '')
  const match = bare ? [entry, entry] : /^(\[[^[\]]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(entry)
  if (match === null) return null
  const place = (match[1] ?? '').replace(/^\[(.*)\]$/, '$1')
  const port = match[2] === undefined ? null : Number(match[2])
  if (port !== null && (port < 1 || port > 65_535)) return null
  const bracketed = entry.startsWith('[')
  const range = toRange(place)
  if (range !== null) return bracketed && !isIPv6(place.split('/')[0] ?? '') ? null : addressRule(range, port)
  return bracketed ? null : nameRule(place.toLowerCase(), port)
}

function toRange(place: string): BlockList | null {
  const { isIP } = process.getBuiltinModule('node:net')
  const [address = '', bits, more] = place.split('/')
  const family = isIP(address)
  if (family === 0 || address.includes('%') || more !== undefined) return null
  if (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > (family === 6 ? 128 : 32))) return null
  return createRanges([place])
}

function addressRule(range: BlockList, port: number | null): EgressRule {
  return { port, fitsName: never, fitsAddress: (address) => contains(range, address) }
}

function nameRule(place: string, port: number | null): EgressRule | null {
  const below = place.startsWith('*.')
  const name = toHostName(below ? place.slice(2) : place)
  if (name === null) return null
  return { port, fitsName: (host) => (below ? host.endsWith(`.${name}`) : host === name), fitsAddress: never }
}

/** @returns the name as a URL spells it (lower case, punycode), or null when a URL would read it as something else */
function toHostName(text: string): string | null {
  const { isIP } = process.getBuiltinModule('node:net')
  if (!/^[\p{L}\p{M}\p{N}._-]+$/u.test(text)) return null
  const host = (URL.parse(`http://${text}/`)?.hostname ?? '').replace(/\.$/, '')
  return host.split('.').includes('') || isIP(host) !== 0 || host.startsWith('[') ? null : host
}

/** @throws OxbowError `not_found`, or the signal's reason */
type ResolveName = (host: string, signal: AbortSignal) => Promise<readonly string[]>

/** @returns every address of the name */
type Lookup = (host: string) => Promise<readonly string[]>

/**
 * Resolves names as this machine does, hosts file included. The system's resolver cannot be cancelled and uses one of the few
 * threads that file access needs too, so few lookups run at once; a caller that aborts stops waiting.
 */
export function createNameLookup(lookup: Lookup = systemLookup, lookups: number = maxLookups): ResolveName {
  const inSlot = createSlots(lookups)
  return async (host, signal) => {
    const looking = inSlot(signal, () => lookup(host))
    const addresses = await untilAborted(looking, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      throw noAddress(host, error)
    })
    if (addresses.length === 0) throw noAddress(host, undefined)
    return addresses
  }
}

async function systemLookup(host: string): Promise<readonly string[]> {
  const found = await process.getBuiltinModule('node:dns').promises.lookup(host, { all: true })
  return found.map(({ address }) => address)
}

function noAddress(host: string, cause: unknown): OxbowError {
  return new OxbowError('not_found', `No address is known for ${host}.`, { hint: 'Check the spelling of the host.', cause })
}
