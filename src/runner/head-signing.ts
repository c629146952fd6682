/**
 * The runner's seal on a guest's journal. A compromised guest can rewrite its own chain but not the heads that are already signed,
 * because key and heads are in `runner/`, which no guest can access. See types/head-chain.ts for the format.
 *
 * A head is appended without a flush: a power loss may lose the newest ones, as it may lose the newest records. The count must never be
 * ahead of the heads on disk, so it covers heads that are a minute old, and all of them when a guest has ended.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, hkdfSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { appendFileSync, closeSync, fdatasyncSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ChainHead,
  checkHeads,
  type Clock,
  emptyChain,
  type FileKeys,
  type HeadCount,
  headCountText,
  type HeadSeal,
  isObject,
  type JsonObject,
  linkHash,
  type NewestHead,
  OxbowError,
  parseHead,
  parseHeadCount,
  type RestoreFact,
  type SignedCard,
  type SignedHead,
  signedHeadText,
  type UserId,
  writeWhole,
} from '../types/index.ts'
import { hostFiles, placeFirst } from './home.ts'
import type { Home } from './home.ts'
import { headCountDelayMs, maxSignedHeads } from './limits.ts'
import { type KeyPlace, masterKeys } from './master-keys.ts'

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

/** @throws OxbowError for a key or heads that cannot be read */
export function openHeadSigner(home: Home, user: UserId, clock: Clock): HeadSigner {
  const file = hostFiles(() => openHeads(home, user))
  let fault = hostFiles(() => file.read())
  /** Makes sure that the file has all signed heads and no torn line. */
  let isWhole = fault !== null || file.last()?.n !== undefined || file.begin(clock.now())
  let isReported = false
  const faultOnce = (): string | null => {
    if (isReported) return null
    isReported = true
    return `the signed heads of ${user} were changed: ${fault}. Nothing new is signed; run \`oxbow audit verify\``
  }
  let problem = ''
  const signHead = (head: ChainHead): string | null => {
    const last = file.last()
    if (last !== undefined && last.seq === head.seq && last.hash === head.hash) return null
    if (last !== undefined && head.seq <= last.seq) {
      return `the journal of ${user} says its head is record ${head.seq}, but the runner has signed another record ${last.seq}; run \`oxbow audit verify\``
    }
    try {
      if (isWhole) fault = file.read()
      if (fault !== null) return faultOnce()
      file.add(head, clock.now(), isWhole)
      isWhole = true
      return null
    } catch (error) {
      // Not a reason to stop the guest: the next head seals this one too.
      const isNews = isWhole
      isWhole = false
      return isNews ? `the head of the journal of ${user} cannot be written to ${file.path}: ${(error as Error).message}` : null
    }
  }
  return {
    sign(head) {
      const found = signHead(head)
      // What was reported once still holds.
      if (found !== null) problem = found
      else if (fault === null && isWhole) problem = ''
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
        if (fault === null && isWhole) file.countNewest()
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
    const file = openHeads(home, user)
    const fault = file.read()
    const { to, ...fact } = restore
    file.addBase(to, clock.now(), { ...fact, fault: fault ?? '' })
    file.countNewest()
  })
}

/** Reads the file for `audit verify`. */
export function readSeal(home: Home, user: UserId): HeadSeal {
  return hostFiles(() => {
    const publicKey = createPublicKey(signingKey(home)).export({ type: 'spki', format: 'pem' }).toString()
    const { heads, count } = headPaths(home, user)
    return { lines: wholeLines(readText(heads) ?? ''), count: readText(count), publicKey }
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
  /** Ed25519 over `["oxbow-export-1", user, after, seq, hash, records, at]` as JSON, base64. */
  readonly signature: string
}

/** @returns the last line of an export */
export function signExport(
  home: Home,
  user: UserId,
  { after, seq, hash, records, at }: Omit<ExportEnd, 'signature'>,
): { readonly end: ExportEnd; readonly public_key: string; readonly heads: readonly string[] } {
  const { lines: heads, publicKey } = readSeal(home, user)
  const text = JSON.stringify(['oxbow-export-1', user, after, seq, hash, records, at])
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
  }
}

/** @returns the key that seals backups of a home whose user has none */
export function backupRoot(key: KeyObject): string {
  const der = key.export({ type: 'pkcs8', format: 'der' })
  return Buffer.from(hkdfSync('sha256', der, '', 'oxbow backup root', 32)).toString('hex')
}

function openHeads(home: Home, user: UserId) {
  const key = signingKey(home)
  const { heads: path, count: countPath } = headPaths(home, user)
  let lines: readonly string[] = []
  let bytes = -1
  const count = openCount(user, key, countPath)
  let fault: string | null = null
  const last = (): SignedHead | undefined => parseHead(lines.at(-1) ?? '') ?? undefined
  const base = (before: readonly string[], head: ChainHead, at: number, restore?: RestoreFact): string => {
    const n = Math.max(last()?.n ?? before.length, restore === undefined ? 0 : count.n()) + 1
    return baseLine(user, key, before, { n, seq: head.seq, hash: head.hash, at, ...(restore !== undefined && { restore }) })
  }
  const replace = (next: readonly string[]): void => {
    const text = next.map((line) => `${line}\n`).join('')
    writeWhole(path, text)
    lines = next
    bytes = Buffer.byteLength(text)
  }
  return {
    path,
    last,
    /**
     * Reads the file when it is not what this process wrote: at first, and after a restore by another process. Drops a line that a
     * power loss tore. @returns what is wrong with the heads, or null
     */
    read(): string | null {
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === bytes) return fault
      const text = readText(path) ?? ''
      lines = wholeLines(text)
      bytes = Buffer.byteLength(text)
      // Otherwise the next line would be appended to the torn one.
      if (text !== '' && !text.endsWith('\n')) replace(lines)
      fault = checkHeads(user, { lines, count: count.read() }, null).faults[0]?.why ?? null
      return fault
    },
    /** Signs the first head of the chain, which covers the heads of an older version. @returns false when it cannot be written */
    begin(at: number): boolean {
      lines = [...lines, base(lines, last() ?? emptyChain, at)]
      try {
        replace(lines)
        count.put(lines.at(-1))
        return true
      } catch {
        return false
      }
    },
    add({ seq, hash }: ChainHead, at: number, isWhole: boolean) {
      if (lines.length >= maxSignedHeads) {
        const kept = thinOut(lines)
        replace([...kept, base(kept, { seq, hash }, at)])
        return count.put(lines.at(-1))
      }
      const line = signedLine(user, key, { n: (last()?.n ?? 0) + 1, seq, hash, at, previous: linkHash(lines.at(-1) ?? '') })
      if (!isWhole) replace([...lines, line])
      else {
        appendFileSync(path, `${line}\n`, { mode: 0o600 })
        lines = [...lines, line]
        bytes += Buffer.byteLength(line) + 1
      }
      count.put(lines.findLast((older) => (parseHead(older)?.at ?? 0) <= at - headCountDelayMs))
    },
    addBase: (head: ChainHead, at: number, restore: RestoreFact): void => replace([...lines, base(lines, head, at, restore)]),
    countNewest() {
      if ((last()?.n ?? 0) <= count.n()) return
      flush(path)
      count.put(lines.at(-1))
    },
  }
}

function openCount(user: UserId, key: KeyObject, path: string) {
  let counted = 0
  return {
    n: (): number => counted,
    read(): string | null {
      const text = readText(path)
      counted = parseHeadCount(text)?.n ?? 0
      return text
    },
    /** Counts the head of this line and all before it, unless it is counted already. */
    put(line: string | undefined) {
      const n = parseHead(line ?? '')?.n
      if (line === undefined || n === undefined || n <= counted) return
      const count = { n, last: linkHash(line) }
      const signature = sign(null, Buffer.from(headCountText(user, count)), key).toString('base64')
      writeWhole(path, `${JSON.stringify({ ...count, signature } satisfies HeadCount)}\n`)
      counted = n
    },
  }
}

function baseLine(user: UserId, key: KeyObject, before: readonly string[], head: Omit<SignedHead, 'signature'>): string {
  return signedLine(user, key, { ...head, previous: linkHash(...before), covers: before.length })
}

function signedLine(user: UserId, key: KeyObject, head: Omit<SignedHead, 'signature'>): string {
  const signature = sign(null, Buffer.from(signedHeadText(user, head)), key).toString('base64')
  return JSON.stringify({ ...head, signature } satisfies SignedHead)
}

function flush(path: string): void {
  const file = openSync(path, 'r+')
  try {
    fdatasyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Keeps the newest half, every second head of the older half, and always the first head and those of restores. */
export function thinOut(lines: readonly string[]): readonly string[] {
  const middle = lines.length >> 1
  return lines.filter((line, index) => index >= middle || index % 2 === 0 || parseHead(line)?.restore !== undefined)
}

function headPaths(home: Home, user: UserId): { readonly heads: string; readonly count: string } {
  const path = join(home.runner, 'heads', user)
  return { heads: `${path}.jsonl`, count: `${path}.count.json` }
}

/** The key pair of this runner, created on first use. */
export function signingKey(home: Home): KeyObject {
  const path = join(home.runner, 'signing-key.pem')
  const found = readText(path)
  if (found !== null) return parseKey(path, found)
  const made = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, made, { mode: 0o600 })
  // When two runners start together, one writes its key and the other uses it.
  placeFirst(draft, path)
  return parseKey(path, readFileSync(path, 'utf8'))
}

function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new OxbowError('bad_config', `${path} is not a signing key`, {
      hint: 'Restore it from a backup. Without it, older signed heads cannot be checked; removing the file makes a new key.',
      cause,
    })
  }
}

/** The last line may be torn after a power loss, so it is ignored unless it is a head. */
function wholeLines(text: string): readonly string[] {
  const lines = text.split('\n')
  const rest = lines.pop() ?? ''
  return (parseHead(rest) === null ? lines : [...lines, rest]).filter((line) => line !== '')
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
