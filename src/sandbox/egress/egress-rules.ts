/**
 * The spellings of `egress.allow` and `egress.deny`: a name, `*.name` (what is below it), an address or a range, each with or
 * without a port: `api.local:8080`, `*.example.com`, `10.1.0.0/16`, `192.168.1.5:8080`, `[fd00::5]:80`, `[fd00::/8]:80`.
 */
import type { BlockList } from 'node:net'
import { OxbowError } from '../../types/index.ts'
import { contains, createRanges } from './address-kinds.ts'

export interface EgressRule {
  /** Null: as the list that it stands in has it. */
  readonly port: number | null
  /** A host, in the spelling of URL and without the dot at its end. Rules of addresses know no names. */
  readonly fitsName: (host: string) => boolean
  readonly fitsAddress: (address: string) => boolean
}

const never = (): boolean => false

/** @throws OxbowError `bad_config` that names the entry which cannot be read */
export function parseRules(key: string, entries: readonly string[]): readonly EgressRule[] {
  return entries.map((entry) => {
    const rule = parseRule(entry.trim())
    if (rule !== null) return rule
    throw new OxbowError('bad_config', `egress.${key} holds "${entry}", which is no host, address or range.`, {
      hint: 'Write for example "api.local:8080", "*.example.com", "192.168.1.5:80", "10.1.0.0/16" or "[fd00::/8]:80".',
    })
  })
}

/** The same spellings, as a call names hosts. @throws OxbowError `bad_input` that names the entry which cannot be read */
export function parseHosts(entries: readonly string[]): readonly EgressRule[] {
  return entries.map((entry) => {
    const rule = parseRule(entry.trim())
    if (rule !== null) return rule
    throw new OxbowError('bad_input', `hosts holds ${JSON.stringify(entry)}, which is no host.`, {
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

/** @returns the name as a URL has it (small letters, punycode), or null when a URL would take it for something else */
function toHostName(text: string): string | null {
  const { isIP } = process.getBuiltinModule('node:net')
  if (!/^[\p{L}\p{M}\p{N}._-]+$/u.test(text)) return null
  const host = (URL.parse(`http://${text}/`)?.hostname ?? '').replace(/\.$/, '')
  return host.split('.').includes('') || isIP(host) !== 0 || host.startsWith('[') ? null : host
}
