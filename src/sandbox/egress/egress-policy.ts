/**
 * Who may be reached. A URL is admitted by its name, its port and every address that its name has; what comes out are the very
 * addresses to connect to, so that a name server that changes its mind between check and connection changes nothing.
 */
import { OxbowError } from '../../types/index.ts'
import type { Config } from '../../types/index.ts'
import { maxAddresses, maxUrlCharacters } from '../limits.ts'
import type { AddressKind, JudgeAddress } from './address-kinds.ts'
import type { EgressRule } from './egress-rules.ts'
import { parseRules } from './egress-rules.ts'
import type { ResolveName } from './name-lookup.ts'

/** What may be connected to, and as whom to address it. */
export interface Destination {
  readonly url: URL
  /** The name without a dot at its end, or the address without brackets. */
  readonly host: string
  readonly port: number
  /** Checked. Nothing else may be connected to for this request. */
  readonly addresses: readonly string[]
  /** Socket of a proxy that checks and connects in our place; absent: we do. */
  readonly through?: string
}

/** @throws OxbowError `bad_input`, `denied`, `not_found`, or the signal's reason */
export type Admit = (url: string, signal: AbortSignal) => Promise<Destination>

export interface PolicyDeps {
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
    // The question to a name server leaves this machine too: a name may carry data.
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

/** A name in egress.allow opens the private network, as it is meant to; what is special opens by its address only. */
function closedBecause(kind: AddressKind, by: { named: boolean; strict: boolean; portOpen: boolean }): string | null {
  if (kind === 'special') return 'it leads to a reserved, link-local, translated or metadata address'
  if (by.named) return null
  if (kind === 'private') return 'it leads to this machine or its private network'
  if (by.strict) return 'egress.mode is strict and egress.allow does not name it'
  return by.portOpen ? null : 'egress.allow opens this port for other hosts only'
}

/** Reads a URL; whether it may be reached is not said. @throws OxbowError `bad_input` */
export function parseTarget(text: string): { url: URL; host: string; port: number } {
  const url = text.length > maxUrlCharacters ? null : URL.parse(text)
  if (url === null) throw badUrl(`It is no absolute URL, or longer than ${maxUrlCharacters} characters.`)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw badUrl('Only http and https are fetched.')
  if (url.username !== '' || url.password !== '') throw badUrl('It carries credentials, which are not sent.')
  // One spelling from here on: `name.` is the same host as `name`.
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

/** Which address it was is not said: it would tell about the network. */
export function refused(host: string, port: number, why: string): OxbowError {
  return new OxbowError('denied', `${host}:${port} may not be reached: ${why}.`, {
    hint: 'Go on without it. A person can open it with egress.allow in config.toml.',
  })
}
