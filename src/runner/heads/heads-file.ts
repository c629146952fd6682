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
import { type UserId, writeWhole } from '../../base/index.ts'
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
} from '../../protocol/index.ts'
import { asOwner, readText } from '../file-owner.ts'
import type { Home } from '../home.ts'
import { headCountDelayMs, maxSignedHeads } from '../limits.ts'
import { signingKey } from '../signing-key.ts'

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
  const file = openLines(path)
  let fault: string | null = null
  const last = (): SignedHead | undefined => parseHead(file.lines().at(-1) ?? '') ?? undefined
  const base = (before: readonly string[], head: ChainHead, at: number, restore?: RestoreFact): string => {
    const n = Math.max(newestOf(before) ?? before.length, restore === undefined ? 0 : count.n()) + 1
    const { seq, hash } = head
    const own = { n, seq, hash, at, previous: linkHash(...before), covers: before.length }
    return signedLine(user, key, { ...own, ...(restore !== undefined && { restore }) })
  }
  return {
    path,
    last,
    alone: (work) => asOwner(path, 'the signed heads', work),
    read() {
      // Before the heads: a count that is older says less, and nothing that is wrong.
      const counted = count.read()
      if (!file.read()) return fault
      const { faults, others } = checkHeads(user, { lines: file.lines(), count: counted }, null)
      const forged = others.some((head) => !isSignedBy(user, head, createPublicKey(key)))
      fault = faults[0]?.why ?? (forged ? 'the signature is not the runner’s' : null)
      return fault
    },
    add(head, at) {
      const lines = file.lines()
      const before = last()
      const bases = before?.n === undefined ? [base(lines, before ?? emptyChain, before === undefined ? openedAt : at)] : []
      const next = [...lines, ...bases]
      if (next.length >= maxSignedHeads) {
        const kept = thinOut(next)
        file.replace([...kept, base(kept, head, at)])
        return count.put(file.lines().at(-1))
      }
      const { seq, hash } = head
      const line = signedLine(user, key, { n: (newestOf(next) ?? 0) + 1, seq, hash, at, previous: linkHash(next.at(-1) ?? '') })
      file.append([...bases, line])
      count.put(bases[0])
      count.put(file.lines().findLast((older) => (parseHead(older)?.at ?? 0) <= at - headCountDelayMs))
    },
    addRestore: (head, at, restore) => file.replace([...file.lines(), base(file.lines(), head, at, restore)]),
    isUncounted: () => (last()?.n ?? 0) > count.n(),
    countNewest() {
      count.read()
      if ((last()?.n ?? 0) <= count.n()) return
      flush(path)
      count.put(file.lines().at(-1))
    },
  }
}

function newestOf(lines: readonly string[]): number | undefined {
  return parseHead(lines.findLast((line) => parseHead(line)?.n !== undefined) ?? '')?.n
}

/** The lines in the file, as this process knows them. */
function openLines(path: string) {
  let lines: readonly string[] = []
  let mark = ''
  /** The file ends with a line that a power loss or a full disk tore. */
  let isTorn = false
  /** What is in memory is on the disk. */
  let isWhole = true
  const write = (next: readonly string[], work: () => void): void => {
    try {
      work()
    } catch (error) {
      isWhole = false
      throw error
    }
    ;[lines, mark, isTorn, isWhole] = [next, markOf(path), false, true]
  }
  const replace = (next: readonly string[]): void => write(next, () => writeWhole(path, textOf(next)))
  return {
    lines: () => lines,
    replace,
    append(added: readonly string[]): void {
      if (isTorn || !isWhole) return replace([...lines, ...added])
      write([...lines, ...added], () => appendFileSync(path, textOf(added), { mode: 0o600 }))
    },
    /** @returns whether another process has changed the file since, whose lines are these now */
    read(): boolean {
      const now = markOf(path)
      if (now === mark) return false
      let text = ''
      try {
        text = readText(path) ?? ''
      } catch (error) {
        isWhole = false
        throw error
      }
      const found = wholeLines(text)
      isTorn = text !== '' && !text.endsWith('\n')
      // What could not be written is written with the next head.
      if (!isWhole && found.length <= lines.length && found.every((line, at) => line === lines[at])) return false
      ;[lines, mark, isWhole] = [found, now, true]
      return true
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

/** Keeps the newest half, every second head of the older half, and always the first head and the heads of restores. */
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
