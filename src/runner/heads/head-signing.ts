/**
 * The runner's seal on a guest's journal. A compromised guest can rewrite its own chain but not the heads that are already signed,
 * because key and heads are in `runner/`, which no guest can access. See protocol/heads/head-chain.ts for the format.
 */
import { createHash, createPublicKey, hkdfSync, type KeyObject, sign } from 'node:crypto'
import { join } from 'node:path'
import { type Clock, isObject, type JsonObject, OxbowError, type UserId } from '../../base/index.ts'
import { type ChainHead, type HeadSeal, linkHash, type NewestHead, type RestoreFact } from '../../protocol/index.ts'
import type { FileKeys, SignedCard } from '../../config/index.ts'
import { openHeads, readHeads } from './heads-file.ts'
import { hostFiles } from '../home.ts'
import type { Home } from '../home.ts'
import { type KeyPlace, masterKeys } from '../master-keys.ts'
import { signingKey } from '../signing-key.ts'
import { isSpace } from '../spaces/space-names.ts'

export interface HeadSigner {
  /**
   * Signs a head and appends it to the user's file. A head that is already signed is left alone.
   * @returns what is wrong when the chain went back or changed under a signed head (nothing is signed then), or, once, when heads
   * were removed or cannot be written; else null
   */
  sign(head: ChainHead): string | null
  /** The newest signed head, and why none was signed since; null: none was signed. */
  newest(): NewestHead | null
  /** Counts the newest head. Call when the guest has ended; never throws. */
  close(): void
}

/** Changes nothing before the first head is signed. @throws OxbowError for a key or heads that cannot be read */
export function openHeadSigner(home: Home, user: UserId, clock: Clock): HeadSigner {
  const file = hostFiles(() => openHeads(home, user, clock.now()))
  let fault = hostFiles(() => file.read())
  let isReported = false
  const faultOnce = (): string | null => {
    if (isReported) return null
    isReported = true
    return `the signed heads of ${user} do not hold: ${fault}. Nothing new is signed; run \`oxbow audit verify\``
  }
  let problem = ''
  let isWritten = true
  const signHead = (head: ChainHead): string | null => {
    const before = file.last()
    fault = file.read()
    const last = file.last()
    const isSame = last?.seq === head.seq && last.hash === head.hash
    // Behind a head of another version, the same record is signed once more, in the chain.
    if (isSame && last.n !== undefined) return null
    if (last !== undefined && head.seq <= last.seq && !isSame) {
      // The guest that came next has a head that covers this one.
      if (last.n !== before?.n) return null
      return `the journal of ${user} says its head is record ${head.seq}, but the runner has signed another record ${last.seq}; run \`oxbow audit verify\``
    }
    if (fault !== null) return faultOnce()
    file.add(head, clock.now())
    return null
  }
  const tryToSign = (head: ChainHead): string | null => {
    try {
      const found = file.alone(() => signHead(head))
      isWritten = true
      return found
    } catch (error) {
      // Not a reason to stop the guest: the next head seals this one too.
      const isNews = isWritten
      isWritten = false
      return isNews ? `the head of the journal of ${user} cannot be written to ${file.path}: ${(error as Error).message}` : null
    }
  }
  return {
    sign(head) {
      const found = tryToSign(head)
      // What was reported once still holds.
      if (found !== null) problem = found
      else if (fault === null && isWritten) problem = ''
      return found
    },
    newest() {
      const last = file.last()
      // A guest needs no path of the host.
      const shown = problem.replaceAll(file.path, 'its file')
      return last === undefined ? null : { seq: last.seq, hash: last.hash, at: last.at, n: last.n ?? 0, problem: shown }
    },
    close() {
      try {
        if (fault === null && isWritten && file.isUncounted())
          file.alone(() => {
            if (file.read() === null) file.countNewest()
          })
      } catch {
        // The next guest counts it.
      }
    },
  }
}

/**
 * Signs that a restore is about to replace the journal, before anything is replaced: `audit verify` then accepts the heads of the
 * replaced journal once the journal records the restore. Faults of older heads are recorded in it.
 * @throws OxbowError when it cannot be written: the restore must not continue
 */
export function signRestore(
  home: Home,
  user: UserId,
  clock: Clock,
  restore: Omit<RestoreFact, 'fault'> & { readonly to: ChainHead },
): void {
  hostFiles(() => {
    const file = openHeads(home, user, clock.now())
    const { to, ...fact } = restore
    file.alone(() => {
      const fault = file.read()
      file.addRestore(to, clock.now(), { ...fact, fault: fault ?? '' })
      file.countNewest()
    })
  })
}

/** Reads the file for `audit verify`. */
export function readSeal(home: Home, user: UserId): HeadSeal {
  return hostFiles(() => {
    const publicKey = createPublicKey(signingKey(home)).export({ type: 'spki', format: 'pem' }).toString()
    return { ...readHeads(home, user), publicKey }
  })
}

/** The end of an export of the journal: what it holds, signed so that nothing can be cut off. */
export interface ExportEnd {
  /** The record before its first. */
  readonly after: number
  readonly seq: number
  readonly hash: string
  readonly records: number
  /** When it was made, unix milliseconds. */
  readonly at: number
  /** Ed25519 over `["oxbow-export-2", user, after, seq, hash, records, at, linkHash(...heads)]` as JSON, base64. */
  readonly signature: string
}

/** @param seal as it was before the journal was read: a guest goes on meanwhile @returns the last line of an export */
export function signExport(
  home: Home,
  user: UserId,
  { lines: heads, publicKey }: HeadSeal,
  { after, seq, hash, records, at }: Omit<ExportEnd, 'signature'>,
): { readonly end: ExportEnd; readonly public_key: string; readonly heads: readonly string[] } {
  // The heads, too: else the newest could be cut off, and the file with them.
  const text = JSON.stringify(['oxbow-export-2', user, after, seq, hash, records, at, linkHash(...heads)])
  const signature = sign(
    null,
    Buffer.from(text),
    hostFiles(() => signingKey(home)),
  ).toString('base64')
  return { end: { after, seq, hash, records, at, signature }, public_key: publicKey, heads }
}

/**
 * Signs the card of a published agent. What is signed begins with a header of this function, so that no guest can have a head of its
 * journal signed as a card.
 * @param card canonical JSON @throws OxbowError for what is no card
 */
export function signCard(home: Home, card: string, keyAddress: string): SignedCard {
  const value: unknown = JSON.parse(card)
  if (!isObject(value) || typeof value['name'] !== 'string' || !Array.isArray(value['supportedInterfaces']))
    throw new OxbowError('bad_input', 'This is not the card of an agent.', { hint: 'This is a bug in Oxbow.' })
  const key = hostFiles(() => signingKey(home))
  const jwk = createPublicKey(key).export({ format: 'jwk' }) as JsonObject
  // RFC 7638.
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv: jwk['crv'], kty: jwk['kty'], x: jwk['x'] }))
    .digest('base64url')
  const header = { alg: 'EdDSA', typ: 'JOSE', kid, jku: keyAddress }
  const protectedHeader = Buffer.from(JSON.stringify(header)).toString('base64url')
  const signature = sign(null, Buffer.from(`${protectedHeader}.${Buffer.from(card).toString('base64url')}`), key).toString('base64url')
  return { protected: protectedHeader, signature, key: { ...jwk, kid, alg: 'EdDSA', use: 'sig' } }
}

/** @returns the keys that seal files in backups: the user's, if any, and the runner's own */
export function fileKeys(place: KeyPlace): FileKeys {
  const own = backupRoot(hostFiles(() => signingKey(place.home)))
  const keys = masterKeys(place).map((key) => ({ key, file: join(place.home.runner, 'keys', `${place.user}.json`) }))
  return {
    keys: [...keys, { key: own, file: join(place.home.runner, 'signing-key.pem') }],
    homeConfig: join(place.home.root, 'config.toml'),
    withHome: !isSpace(place.user),
  }
}

/** @returns the key that seals backups of a home whose user has none */
export function backupRoot(key: KeyObject): string {
  const der = key.export({ type: 'pkcs8', format: 'der' })
  return Buffer.from(hkdfSync('sha256', der, '', 'oxbow backup root', 32)).toString('hex')
}
