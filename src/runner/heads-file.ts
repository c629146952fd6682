/**
 * The files of a user's signed heads: the heads themselves, a line each, and their count. One process at a time changes them: runners of
 * guests that end and begin at the same moment both have heads to sign. Each reads what the others have written before it signs.
 *
 * A head is appended without a flush: a power loss may lose the newest ones, as it may lose the newest records. The count must never be
 * ahead of the heads on disk, so it covers heads that are a minute old, and all of them when a guest has ended.
 */
import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import { appendFileSync, closeSync, fdatasyncSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ChainHead,
  checkHeads,
  emptyChain,
  type HeadCount,
  headCountText,
  headFormat,
  isSignedBy,
  linkHash,
  parseHead,
  parseHeadCount,
  type RestoreFact,
  type SignedHead,
  signedHeadText,
  type UserId,
  writeWhole,
} from '../types/index.ts'
import { asOwner, readText } from './file-owner.ts'
import type { Home } from './home.ts'
import { headCountDelayMs, maxSignedHeads } from './limits.ts'
import { signingKey } from './signing-key.ts'

export interface HeadsFile {
  readonly path: string
  last(): SignedHead | undefined
  /** Runs `work` while no other process changes the files. @throws as `asOwner` */
  alone<Result>(work: () => Result): Result
  /** Reads what others have written. @returns what is wrong with the heads, or null */
  read(): string | null
  /** Signs a head; the first one, and one behind heads of another version, are preceded by a base. Within `alone`, after `read`. */
  add(head: ChainHead, at: number): void
  addRestore(head: ChainHead, at: number, restore: RestoreFact): void
  /** Whether the newest head is not counted. */
  isUncounted(): boolean
  countNewest(): void
}

/** @param openedAt when the guest whose heads these are was started: no record of its journal is older than its first head */
export function openHeads(home: Home, user: UserId, openedAt: number): HeadsFile {
  const key = signingKey(home)
  const { heads: path, count: countPath } = headPaths(home, user)
  const count = openCount(user, key, countPath)
  let lines: readonly string[] = []
  let mark = ''
  let fault: string | null = null
  /** The file ends with a line that a power loss or a full disk tore. */
  let isTorn = false
  /** What is in memory is on the disk. */
  let isWhole = true
  const last = (): SignedHead | undefined => parseHead(lines.at(-1) ?? '') ?? undefined
  const newest = (before: readonly string[]): number | undefined =>
    parseHead(before.findLast((line) => parseHead(line)?.n !== undefined) ?? '')?.n
  const base = (before: readonly string[], head: ChainHead, at: number, restore?: RestoreFact): string => {
    const n = Math.max(newest(before) ?? before.length, restore === undefined ? 0 : count.n()) + 1
    const { seq, hash } = head
    const own = { n, seq, hash, at, previous: linkHash(...before), covers: before.length }
    return signedLine(user, key, { ...own, ...(restore !== undefined && { restore }) })
  }
  const written = (next: readonly string[]): void => {
    lines = next
    mark = markOf(path)
    ;[isTorn, isWhole] = [false, true]
  }
  const replace = (next: readonly string[]): void => {
    writeWhole(path, textOf(next))
    written(next)
  }
  const write = (next: readonly string[], added: readonly string[], mustReplace: boolean): void => {
    try {
      if (mustReplace || isTorn || !isWhole) return replace([...next, ...added])
      appendFileSync(path, textOf(added), { mode: 0o600 })
      written([...next, ...added])
    } catch (error) {
      isWhole = false
      throw error
    }
  }
  /** What cannot be read cannot be trusted to have what is in memory. */
  const readLines = (): string => {
    try {
      return readText(path) ?? ''
    } catch (error) {
      isWhole = false
      throw error
    }
  }
  return {
    path,
    last,
    alone: (work) => asOwner(path, 'the signed heads', work),
    read() {
      const now = markOf(path)
      if (now === mark) return fault
      // Before the heads: a count that is older says less, and nothing that is wrong.
      const counted = count.read()
      const text = readLines()
      const found = wholeLines(text)
      isTorn = text !== '' && !text.endsWith('\n')
      // What could not be written is written with the next head.
      if (!isWhole && found.length <= lines.length && found.every((line, at) => line === lines[at])) return fault
      ;[lines, mark, isWhole] = [found, now, true]
      const { faults, others } = checkHeads(user, { lines, count: counted }, null)
      const forged = others.some((head) => !isSignedBy(user, head, createPublicKey(key)))
      fault = faults[0]?.why ?? (forged ? 'the signature is not the runner’s' : null)
      return fault
    },
    add(head, at) {
      const before = last()
      const bases = before?.n === undefined ? [base(lines, before ?? emptyChain, before === undefined ? openedAt : at)] : []
      const next = [...lines, ...bases]
      if (next.length >= maxSignedHeads) {
        const kept = thinOut(next)
        write(kept, [base(kept, head, at)], true)
        return count.put(lines.at(-1))
      }
      const { seq, hash } = head
      const line = signedLine(user, key, { n: (newest(next) ?? 0) + 1, seq, hash, at, previous: linkHash(next.at(-1) ?? '') })
      write(lines, [...bases, line], false)
      count.put(bases[0])
      count.put(lines.findLast((older) => (parseHead(older)?.at ?? 0) <= at - headCountDelayMs))
    },
    addRestore: (head, at, restore) => write(lines, [base(lines, head, at, restore)], true),
    isUncounted: () => (last()?.n ?? 0) > count.n(),
    countNewest() {
      count.read()
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

function signedLine(user: UserId, key: KeyObject, head: Omit<SignedHead, 'signature'>): string {
  const signature = sign(null, Buffer.from(signedHeadText(user, head)), key).toString('base64')
  return JSON.stringify({ format: headFormat, ...head, signature } satisfies SignedHead)
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

/** Changes whenever somebody else changes the file. */
function markOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? 'none' : [found.ino, found.size, found.mtimeMs].join()
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

/** @returns heads and count as they are now, changing nothing */
export function readHeads(home: Home, user: UserId): { readonly lines: readonly string[]; readonly count: string | null } {
  const { heads, count: countPath } = headPaths(home, user)
  // Before the heads, as in `read`.
  const count = readText(countPath)
  return { lines: wholeLines(readText(heads) ?? ''), count }
}

function headPaths(home: Home, user: UserId): { readonly heads: string; readonly count: string } {
  const path = join(home.runner, 'heads', user)
  return { heads: `${path}.jsonl`, count: `${path}.count.json` }
}

/** The last line may be torn after a power loss, so it is ignored unless it is a head. */
function wholeLines(text: string): readonly string[] {
  const lines = text.split('\n')
  const rest = lines.pop() ?? ''
  return (parseHead(rest) === null ? lines : [...lines, rest]).filter((line) => line !== '')
}
