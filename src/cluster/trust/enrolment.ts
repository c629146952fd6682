/**
 * How a machine comes to have a certificate: the machine with the authority's key prints a token (`oxbow cluster invite`), which holds once and for
 * an hour, and the new machine shows it there (`oxbow cluster join TOKEN`). The token names the authority by its fingerprint, so neither side
 * can be deceived on the way. Of certificates only public keys travel; the key for the key files of users comes with the answer.
 */
import { createHash, createPrivateKey, randomBytes, timingSafeEqual, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { errorMessage, OxbowError, writeWhole } from '../../base/index.ts'
import { inviteMs, maxInvites } from '../limits.ts'
import { type Authority, commonNameOf, fingerprintOf, issueCertificate, makeKeyPair, nodeNameForm } from './certificates.ts'
import { askNode, type Trust } from './node-requests.ts'
import { makeNode, type NodeIdentity, readAuthority, readIdentity, writeIdentity } from './node-identity.ts'
import type { Revocations } from './revocations.ts'
import { keepSealKey, makeSealKey } from './seal-key.ts'

const invite = z.object({ hash: z.string(), until: z.number() })
const inviteFile = 'invites.json'

const tokenMark = 'oxbow-join-1.'
/** `node`: which one is to answer. Another of the cluster, or one that was removed, would have the secret for itself. */
const tokenSchema = z.object({
  url: z.url(),
  ca: z.string().regex(/^[0-9a-f]{64}$/),
  node: z.string().regex(nodeNameForm).optional(),
  secret: z.string().min(20).max(100),
})

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** @param url of the door for nodes of this machine @returns a token @throws OxbowError where this machine has not made the cluster */
export function makeInvite(folder: string, url: string, now: number): { readonly token: string; readonly until: number } {
  const authority = authorityOf(folder)
  const secret = randomBytes(24).toString('base64url')
  const until = now + inviteMs
  writeInvites(folder, [...openInvites(folder, now), { hash: hashOf(secret), until }].slice(-maxInvites))
  const content = { url, ca: fingerprintOf(authority.cert), node: readIdentity(folder)?.name, secret }
  return { token: tokenMark + Buffer.from(JSON.stringify(content)).toString('base64url'), until }
}

function authorityOf(folder: string): Authority {
  const authority = readAuthority(folder)
  if (authority !== null) return authority
  throw new OxbowError('bad_config', 'This machine has not made the cluster: it cannot vouch for others.', {
    hint: 'Run it where `oxbow cluster init` was run.',
  })
}

function openInvites(folder: string, now: number): readonly z.infer<typeof invite>[] {
  const path = join(folder, inviteFile)
  if (!existsSync(path)) return []
  return z
    .array(invite)
    .parse(JSON.parse(readFileSync(path, 'utf8')))
    .filter(({ until }) => until > now)
}

function writeInvites(folder: string, invites: readonly z.infer<typeof invite>[]): void {
  writeWhole(join(folder, inviteFile), JSON.stringify(invites))
}

/** Uses the secret up. @returns whether it was good */
function takeInvite(folder: string, secret: string, now: number): boolean {
  const invites = openInvites(folder, now)
  const wanted = Buffer.from(hashOf(secret))
  // Compares with every one, so that the time reveals nothing.
  const left = invites.filter(({ hash }) => !timingSafeEqual(Buffer.from(hash), wanted))
  if (left.length === invites.length) return false
  writeInvites(folder, left)
  return true
}

const joinRequest = z.object({
  name: z.string().regex(nodeNameForm),
  publicKey: z.string().max(2_000),
  secret: z.string().max(200).default(''),
})
/** `seal`: opens the key files of users, see `user-keys.ts`. Over TLS, to whoever is a node from now on. */
const joinAnswer = z.object({ cert: z.string(), ca: z.string(), seal: z.string().default('') })

export const joinPath = '/cluster/join'
export const authorityPath = '/cluster/authority'

/**
 * Answers a machine that wants a certificate: a new one by its token, a node by the certificate that it has.
 * @param peer the node that asks; null: a stranger
 * @param issueAt when a certificate of a node counts as given out; see `Revocations`
 * @throws OxbowError `unauthenticated`, `bad_input`
 */
export function enrol(
  folder: string,
  body: unknown,
  peer: string | null,
  now: number,
  issueAt: Revocations['issueAt'] = (_name, at) => at,
): z.infer<typeof joinAnswer> {
  const authority = authorityOf(folder)
  const asked = joinRequest.safeParse(body)
  if (!asked.success) throw new OxbowError('bad_input', 'This is no request of a node.', { hint: 'Run the same version on every node.' })
  const { name, publicKey, secret } = asked.data
  const isRenewal = peer !== null && peer === name
  if (!isRenewal && !takeInvite(folder, secret, now)) throw badToken()
  return { cert: issueCertificate(authority, { name, publicKey }, issueAt(name, now)), ca: authority.cert, seal: makeSealKey(folder) }
}

function badToken(): OxbowError {
  return new OxbowError('unauthenticated', 'The token was used, is older than an hour, or belongs to another cluster.', {
    hint: 'Make another where the cluster was made: oxbow cluster invite',
  })
}

/** Makes this machine the node `name`, by a token. @throws OxbowError that says what to do */
export async function joinByToken(folder: string, name: string, token: string): Promise<NodeIdentity> {
  const { url, ca: fingerprint, node, secret } = parseToken(token)
  const known = readIdentity(folder)
  if (known !== null)
    throw new OxbowError('bad_input', `This machine is the node ${known.name} of a cluster already.`, {
      hint: `Start it without a token: oxbow cluster join. To leave that cluster, move ${folder} away.`,
    })
  // Nobody vouches yet for who answers: the fingerprint does.
  const told = await ask(url, authorityPath, null)
  const ca = z.object({ ca: z.string().max(10_000) }).safeParse(told).data?.ca ?? ''
  if (!isCertificateOf(ca, fingerprint))
    throw new OxbowError('unauthenticated', `Who answers at ${url} is not the cluster of this token.`, {
      hint: 'Something on the way answers in its place, or the cluster was made anew: oxbow cluster invite',
    })
  const made = makeNode()
  const answer = joinAnswer.parse(await ask(url, joinPath, { ca }, { name, publicKey: made.publicKey, secret }, node))
  if (answer.ca !== ca || !isIdentity(answer, name, made.key)) throw badToken()
  keepSealKey(folder, answer.seal)
  writeIdentity(folder, made, answer)
  return readIdentity(folder)!
}

/** Asks for the next certificate with the present one. @returns null where nobody answers that can give one */
export async function renewBy(folder: string, identity: NodeIdentity, urls: readonly string[]): Promise<NodeIdentity | null> {
  const made = makeNode()
  const body = { name: identity.name, publicKey: made.publicKey }
  for (const url of urls) {
    const answer = joinAnswer.safeParse(await askNode({ url, path: joinPath, trust: identity, body }).catch(() => null)).data
    // Whichever node answers, what it says may cost this one no more than this try.
    if (answer === undefined || answer.ca !== identity.ca || !isIdentity(answer, identity.name, made.key)) continue
    keepSealKey(folder, answer.seal)
    writeIdentity(folder, { seed: identity.seed, key: made.key }, answer)
    return readIdentity(folder)
  }
  return null
}

/** On the machine with the authority's key. */
export function renewOwn(folder: string, identity: NodeIdentity, now: number): NodeIdentity {
  const made = makeNode()
  const { cert, ca } = enrol(folder, { name: identity.name, publicKey: made.publicKey }, identity.name, now)
  writeIdentity(folder, { seed: identity.seed, key: made.key }, { cert, ca })
  return readIdentity(folder)!
}

/** A certificate for a server of others, such as NATS, with its key. @throws OxbowError where this machine has not made the cluster */
export function issueForServer(folder: string, name: string, hosts: readonly string[], now: number): Authority & Pick<NodeIdentity, 'ca'> {
  const authority = authorityOf(folder)
  const { publicKey, privateKey } = makeKeyPair()
  // No node has such a name: whoever takes the server's key is no node.
  const cert = issueCertificate(authority, { name: `server of ${name}`, publicKey, hosts, days: serverDays }, now)
  return { cert, key: privateKey, ca: authority.cert }
}

/** Nothing renews it: the check is by `oxbow cluster doctor` on the machine of the server, and a new one by the same verb. */
const serverDays = 5 * 365

/** @returns whether the authority vouches for this key under this name */
function isIdentity({ cert, ca }: z.infer<typeof joinAnswer>, name: string, key: string): boolean {
  try {
    const certificate = new X509Certificate(cert)
    const isVouched = certificate.verify(new X509Certificate(ca).publicKey)
    return isVouched && commonNameOf(certificate) === name && certificate.checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}

function isCertificateOf(ca: string, fingerprint: string): boolean {
  try {
    return fingerprintOf(ca) === fingerprint
  } catch {
    return false
  }
}

function parseToken(token: string): z.infer<typeof tokenSchema> {
  try {
    if (token.startsWith(tokenMark))
      return tokenSchema.parse(JSON.parse(Buffer.from(token.slice(tokenMark.length), 'base64url').toString()))
  } catch {
    // Answered below.
  }
  throw new OxbowError('bad_input', 'This is no token of a cluster.', {
    hint: 'Print one where the cluster was made: oxbow cluster invite',
  })
}

async function ask(url: string, path: string, trust: Trust | null, body?: unknown, node?: string): Promise<unknown> {
  try {
    return await askNode({ url, path, trust, body, ...(node !== undefined && { node }) })
  } catch (error) {
    if (error instanceof OxbowError) throw error
    throw new OxbowError('guest_unreachable', `The node of the token does not answer at ${url}: ${errorMessage(error)}.`, {
      hint: 'Its node must run (oxbow cluster join), and cluster.peer.host and cluster.peer.url there must name an address that this machine reaches.',
      cause: error,
    })
  }
}
