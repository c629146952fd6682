/**
 * The runner's seal on a guest's journal. A guest that is taken over can rewrite its own chain; it cannot rewrite the heads
 * that were signed before, because key and heads stand in `runner/`, which no guest is given.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError, signedHeadText } from '../types/index.ts'
import type { ChainHead, Clock, SignedHead, UserId } from '../types/index.ts'
import { hostFiles, placeFirst } from './home.ts'
import type { Home } from './home.ts'
import { maxSignedHeads } from './limits.ts'

export interface HeadSigner {
  /**
   * Signs a head and appends it to the user's file. A head that is already signed is left alone.
   * @returns what is wrong when the chain went back or changed under a signed head (nothing is signed then), or, once, when it cannot
   * be written; else null
   */
  sign(head: ChainHead): string | null
}

/** The same file for reading, by `audit verify`. */
export interface Seal {
  readonly heads: readonly SignedHead[]
  /** PEM. */
  readonly publicKey: string
}

export function openHeadSigner(home: Home, user: UserId, clock: Clock): HeadSigner {
  const { key, path, kept } = hostFiles(() => openSeal(home, user))
  let heads = kept
  /** The file has these heads, and no half of another one. */
  let isWhole = true
  return {
    sign(head) {
      const last = heads.at(-1)
      if (last !== undefined && last.seq === head.seq && last.hash === head.hash) return null
      if (last !== undefined && head.seq <= last.seq) {
        return `the journal of ${user} says its head is record ${head.seq}, but the runner has signed another record ${last.seq}; run \`oxbow audit verify\``
      }
      const at = clock.now()
      const signature = sign(null, Buffer.from(signedHeadText(user, { ...head, at })), key).toString('base64')
      const signed: SignedHead = { seq: head.seq, hash: head.hash, at, signature }
      const next = heads.length < maxSignedHeads ? [...heads, signed] : thinOut([...heads, signed])
      try {
        if (isWhole && next.length > heads.length) appendFileSync(path, toLine(signed), { mode: 0o600 })
        else replaceFile(path, next.map(toLine).join(''))
      } catch (error) {
        // A guest that can still be read is not ended for it: the next head seals this one too.
        const isNews = isWhole
        isWhole = false
        return isNews ? `the head of the journal of ${user} cannot be kept in ${path}: ${(error as Error).message}` : null
      }
      heads = next
      isWhole = true
      return null
    },
  }
}

export function readSeal(home: Home, user: UserId): Seal {
  return hostFiles(() => {
    const publicKey = createPublicKey(signingKey(home)).export({ type: 'spki', format: 'pem' }).toString()
    return { heads: readHeads(headsPath(home, user)), publicKey }
  })
}

function openSeal(home: Home, user: UserId): { key: KeyObject; path: string; kept: readonly SignedHead[] } {
  const key = signingKey(home)
  const path = headsPath(home, user)
  const kept = readHeads(path)
  // A line that a power loss tore would swallow the next one.
  if (!(readText(path) ?? '\n').endsWith('\n')) replaceFile(path, kept.map(toLine).join(''))
  return { key, path, kept }
}

/** Keeps the newest half and every second one of the older half. The first head always stays. */
export function thinOut(heads: readonly SignedHead[]): readonly SignedHead[] {
  const middle = heads.length >> 1
  return heads.filter((_, index) => index >= middle || index % 2 === 0)
}

function headsPath(home: Home, user: UserId): string {
  const folder = join(home.runner, 'heads')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return join(folder, `${user}.jsonl`)
}

/** The key pair of this runner, made at first need. */
function signingKey(home: Home): KeyObject {
  const path = join(home.runner, 'signing-key.pem')
  const found = readText(path)
  if (found !== null) return parseKey(path, found)
  const made = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, made, { mode: 0o600 })
  // Of two runners that start together one keeps its key; the other uses it.
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

/** Lines that do not parse are left out: a torn last line after a power loss, never a reason to stop. */
function readHeads(path: string): readonly SignedHead[] {
  return (readText(path) ?? '').split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as SignedHead]
    } catch {
      return []
    }
  })
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function toLine(head: SignedHead): string {
  return `${JSON.stringify(head)}\n`
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
