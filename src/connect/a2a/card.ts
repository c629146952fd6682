/**
 * Cards of agents of others: fetched, checked, verified and hashed. What a person approves is the hash over all that the card says, its
 * address, and the key that has signed it. A card whose signature is wrong is refused, whoever approves it.
 */
import { z } from 'zod'
import { createHash, createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import { canonicalJson, isObject, type Json, type JsonObject, nestsDeeper, ownValue, OxbowError } from '../../base/index.ts'
import type { RemoteAgent } from '../../config/index.ts'
import { type HashText, visible } from '../mcp/definitions.ts'
import { type ReadCard, readCard } from './a2a-client.ts'
import { cardTimeoutMs, maxCardBytes, maxCardDepth, maxSkills, maxSummaryBytes } from './limits.ts'

/** What a person and a model see of a card, with invisible characters escaped. */
export const cardSummary = z.strictObject({
  name: z.string(),
  description: z.string(),
  version: z.string(),
  provider: z.string(),
  skills: z.array(z.string()).readonly(),
  addresses: z.array(z.string()).readonly(),
  signed_by: z.string().describe('Thumbprint of the key that signs it (RFC 7638), in hex; empty: it is not signed.'),
})

export type CardSummary = z.infer<typeof cardSummary>

export interface FoundCard {
  readonly read: ReadCard
  readonly summary: CardSummary
  readonly hash: string
  /** Interfaces that may be reached. */
  readonly usable: ReadCard['interfaces']
  /** A message that is sent again is not run again. */
  readonly repeatable: boolean
  /** Why it cannot be approved; empty if it can. */
  readonly problem: string
}

const bindings: ReadonlySet<string> = new Set(['JSONRPC', 'HTTP+JSON'])
const repeatableExtension = 'urn:oxbow:a2a:repeatable-messages'

/** @returns where the card of a remote is */
export function cardAddress({ url }: Pick<RemoteAgent, 'url'>): URL {
  const address = new URL(url)
  return address.pathname === '/' ? new URL('/.well-known/agent-card.json', address) : address
}

/** @throws OxbowError `denied` for a wrong signature, `tool_failed` for what is no card, and what the way to it throws */
export async function fetchCard(settings: RemoteAgent, send: typeof fetch, hash: HashText, signal: AbortSignal): Promise<FoundCard> {
  const address = cardAddress(settings)
  const raw = await fetchJson(send, address, signal)
  const read = await readCard(raw)
  const signedBy = await verifySignatures(raw, read, address, send, signal)
  const understood = read.interfaces.filter(({ binding, version }) => bindings.has(binding) && /^(?:1\.|0\.3)/.test(version))
  const usable = understood.filter(({ url }) => isReachable(url, address, settings.allow))
  const { signatures: _, ...card } = raw
  const summary = summaryOf(read, signedBy)
  return {
    read,
    summary,
    usable,
    hash: hash(canonicalJson({ card, address: address.href, key: signedBy })),
    repeatable: read.card.capabilities?.extensions.some(({ uri }) => uri === repeatableExtension) ?? false,
    problem:
      understood.length === 0
        ? `it speaks no version that Oxbow does: ${summary.addresses.join(', ') || 'it has no address'}`
        : usable.length === 0
          ? `it is reached at ${summary.addresses.join(', ')}, which \`allow\` does not name`
          : '',
  }
}

async function fetchJson(send: typeof fetch, address: URL, signal: AbortSignal, what = 'card of an agent'): Promise<JsonObject> {
  const answer = await send(address, {
    headers: { accept: 'application/json', 'a2a-version': '1.0' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(cardTimeoutMs)]),
  })
  if (!answer.ok) throw wrong(address, `it answers with ${answer.status}`, what)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length
    if (bytes > maxCardBytes) throw wrong(address, `it has more than ${maxCardBytes} bytes`, what)
    chunks.push(chunk)
  }
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw wrong(address, 'it is not JSON', what)
  }
  if (!isObject(value) || nestsDeeper(value, maxCardDepth)) throw wrong(address, 'it is not an object, or too deep', what)
  return value
}

/** The host of the card, or one that a person has named; what is private must be named too, which the egress policy checks. */
function isReachable(url: string, address: URL, allow: readonly string[]): boolean {
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.password !== '') return false
  // Nothing that was fetched over TLS leads to a plain address.
  if (address.protocol === 'https:' && parsed.protocol !== 'https:') return false
  return parsed.host === address.host || allow.includes(parsed.host) || allow.includes(parsed.hostname)
}

/**
 * @returns the thumbprint of the key of the first signature that is right; empty: the card is not signed
 * @throws OxbowError `denied` for a card whose signatures are all wrong
 */
async function verifySignatures(raw: JsonObject, read: ReadCard, address: URL, send: typeof fetch, signal: AbortSignal): Promise<string> {
  const signatures = Array.isArray(raw['signatures']) ? raw['signatures'].filter(isObject).slice(0, 10) : []
  if (signatures.length === 0) return ''
  const why: string[] = []
  for (const { protected: header, signature } of signatures) {
    if (typeof header !== 'string' || typeof signature !== 'string') continue
    const checked = await checkSignature({ header, signature, text: read.canonical }, address, send, signal)
    if ('thumbprint' in checked) return checked.thumbprint
    why.push(checked.why)
  }
  throw new OxbowError(
    'denied',
    `The card at ${address.href} is signed, but its signature is not right: ${why[0] ?? 'it is incomplete'}.`,
    {
      hint: 'Somebody has changed it on the way, or its owner made a mistake. Ask the owner.',
    },
  )
}

interface Signature {
  readonly header: string
  readonly signature: string
  /** What is signed. */
  readonly text: string
}

type Checked = { readonly thumbprint: string } | { readonly why: string }

async function checkSignature(
  { header, signature, text }: Signature,
  address: URL,
  send: typeof fetch,
  signal: AbortSignal,
): Promise<Checked> {
  let fields: unknown
  try {
    fields = JSON.parse(Buffer.from(header, 'base64url').toString())
  } catch {
    fields = null
  }
  if (!isObject(fields) || fields['crit'] !== undefined) return { why: 'its header cannot be read' }
  const { alg, kid, jku } = fields
  const keys = new URL(typeof jku === 'string' ? jku : '/.well-known/jwks.json', address)
  // A key at another host would prove nothing about this one.
  if (keys.origin !== address.origin) return { why: `its key is at ${keys.host}` }
  const { keys: found } = await fetchJson(send, keys, signal, 'key of the card')
  const key = (Array.isArray(found) ? found.filter(isObject).slice(0, 100) : []).find((each) => each['kid'] === kid)
  if (key === undefined) return { why: 'its key is not published' }
  const signed = Buffer.from(`${header}.${Buffer.from(text).toString('base64url')}`)
  try {
    if (!isRight(alg, key, signed, Buffer.from(signature, 'base64url'))) return { why: 'it does not fit the card' }
  } catch {
    return { why: 'its key cannot be used' }
  }
  return { thumbprint: thumbprintOf(key) }
}

/** The algorithms of RFC 7518 and 8037 with a public key. */
function isRight(alg: Json | undefined, jwk: JsonObject, signed: Buffer, signature: Buffer): boolean {
  const key = createPublicKey({ key: jwk as unknown as JsonWebKey, format: 'jwk' })
  const type = key.asymmetricKeyType
  if ((alg === 'EdDSA' || alg === 'Ed25519') && type === 'ed25519') return verify(null, signed, key, signature)
  if (alg === 'ES256' && type === 'ec') return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)
  if (alg === 'RS256' && type === 'rsa') return verify('sha256', signed, key, signature)
  return false
}

/** RFC 7638, in hex: as base64url it would look like a secret, which the gate hides. */
function thumbprintOf(key: JsonObject): string {
  const names = key['kty'] === 'RSA' ? ['e', 'kty', 'n'] : key['kty'] === 'EC' ? ['crv', 'kty', 'x', 'y'] : ['crv', 'kty', 'x']
  const members = Object.fromEntries(names.map((name) => [name, ownValue(key, name) ?? null]))
  return createHash('sha256').update(JSON.stringify(members)).digest('hex')
}

function summaryOf({ card, interfaces }: ReadCard, signedBy: string): CardSummary {
  const short = (text: unknown, max: number): string => visible(typeof text === 'string' ? text : '').slice(0, max)
  return {
    name: short(card.name, 200),
    description: short(card.description, maxSummaryBytes),
    version: short(card.version, 100),
    provider: short(card.provider?.organization, 200),
    skills: card.skills.slice(0, maxSkills).map(({ name, description }) => `${short(name, 100)}: ${short(description, 500)}`),
    addresses: interfaces
      .slice(0, 20)
      .map(({ url, binding, version }) => `${short(url, 300)} (${short(binding, 20)} ${short(version, 10)})`),
    signed_by: signedBy,
  }
}

function wrong(address: URL, why: string, what: string): OxbowError {
  return new OxbowError('tool_failed', `There is no ${what} at ${address.href}: ${why}.`, {
    hint: 'Check the address of the agent: oxbow remotes list.',
  })
}
