/**
 * The signed heads of a journal: the lines of one file, oldest first, written and signed by the runner.
 *
 * Each head has a number and the SHA-256 of the previous line, so none can be removed, inserted or reordered. A base has the hash of all
 * previous lines instead; bases are the first head of the chain, the first one after older lines were thinned out, and the first one after
 * heads of a version that did not chain them. A signed count next to the file says how many heads there were: without it, the newest heads
 * could be removed together with the records that they cover.
 *
 * Heads without a number are in the first format, of versions without the chain. Such a version may be used after this one: its heads follow
 * the chain until this version signs a base over them. An unknown format is reported as another version's.
 */
import type { ChainHead } from './head-schema.ts'
import { createHash, verify, type KeyObject } from 'node:crypto'
import { isObject, ownValue } from '../../base/index.ts'

/** The format in which heads are signed. */
export const headFormat = 2

/** A chain head that the runner signed and stores where the guest cannot change it. */
export interface SignedHead extends ChainHead {
  /** When the runner signed, Unix milliseconds. */
  readonly at: number
  /** Ed25519 over `signedHeadText`, base64. */
  readonly signature: string
  /** Absent in heads of versions before it was recorded: 2 for those that have a number, else 1. */
  readonly format?: number
  /** Number of this head, counted from 1; absent in heads of a version without the chain. */
  readonly n?: number
  /** SHA-256 of the previous line or, for a base, of all previous lines joined by line feeds. Lower-case hex. */
  readonly previous?: string
  /** Set in a base: the number of previous lines. */
  readonly covers?: number
  /** Set if the head comes from a restored backup. */
  readonly restore?: RestoreFact
}

/** Name of the call that records a restore in the restored journal. */
export const restoreCall = 'store.restore'

export interface RestoreFact {
  /** Id of the call that records the restore in the journal, right after this head. */
  readonly call: string
  /** Head of the replaced journal. */
  readonly from: ChainHead
  /** Account of the person who restored it. */
  readonly by: string
  /** What was wrong with the signed heads before the restore; empty if nothing. */
  readonly fault: string
}

/** What `audit verify` checks the journal against. */
export interface HeadSeal {
  readonly lines: readonly string[]
  /** Content of the count file; null if it does not exist. */
  readonly count: string | null
  /** PEM. */
  readonly publicKey: string
}

/** @returns the text that the runner signs for a head; it contains user and time, so that no head can pass for another */
export function signedHeadText(user: string, head: Omit<SignedHead, 'signature'>): string {
  const { seq, hash, at, n, previous, covers = null, restore } = head
  if (n === undefined) return JSON.stringify(['oxbow-head-1', user, seq, hash, at])
  const restored = restore === undefined ? null : [restore.call, restore.from.seq, restore.from.hash, restore.by, restore.fault]
  return JSON.stringify(['oxbow-head-2', user, n, seq, hash, at, previous, covers, restored])
}

export interface HeadCount {
  readonly n: number
  /** `linkHash` of the line of the head with this number. */
  readonly last: string
  /** Ed25519 over `headCountText`, base64. */
  readonly signature: string
}

/** What a runner tells its guest of the heads that it has signed: the guest itself cannot reach them. */
export function headCountText(user: string, { n, last }: Pick<HeadCount, 'n' | 'last'>): string {
  return JSON.stringify(['oxbow-head-count-1', user, n, last])
}

export function linkHash(...lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

/** @returns the head in a line, or null if it is not valid */
export function parseHead(line: string): SignedHead | null {
  const value = parseObject(line)
  const holds =
    value !== null && ['seq', 'at'].every((key) => Number.isSafeInteger(ownValue(value, key))) && typeof value['hash'] === 'string'
  return holds && typeof value['signature'] === 'string' ? (value as unknown as SignedHead) : null
}

export function parseHeadCount(text: string | null): HeadCount | null {
  const value = text === null ? null : parseObject(text)
  const holds = value !== null && Number.isSafeInteger(value['n']) && typeof value['last'] === 'string'
  return holds && typeof value['signature'] === 'string' ? (value as unknown as HeadCount) : null
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

interface HeadFault {
  /** Index of the line; Infinity for a fault of the whole file. */
  readonly index: number
  readonly seq: number
  readonly why: string
}

export interface CheckedHeads {
  /** One for each line; null for a line that is not valid. */
  readonly heads: readonly (SignedHead | null)[]
  readonly faults: readonly HeadFault[]
  /** The newest heads, in the format of a version without the chain, after this version's. */
  readonly others: readonly SignedHead[]
}

/** Checks lines and count by themselves, not against a journal. @param key null to skip the signatures */
export function checkHeads(user: string, { lines, count }: Pick<HeadSeal, 'lines' | 'count'>, key: KeyObject | null): CheckedHeads {
  const heads = lines.map(parseHead)
  const faults = heads.flatMap((head, index): HeadFault[] => {
    if (head === null) return [{ index, seq: heads[index - 1]?.seq ?? 0, why: 'the line of a signed head cannot be read' }]
    if (head.format !== undefined && head.format !== headFormat)
      return [
        { index, seq: head.seq, why: `it is in format ${head.format}, of another version of Oxbow: use that version, or a newer one` },
      ]
    return key === null || isSignedBy(user, head, key) ? [] : [{ index, seq: head.seq, why: 'the signature is not the runner’s' }]
  })
  const others = othersOf(heads)
  const last = heads.at(-1)
  const whole = (why: string): HeadFault => ({ index: Infinity, seq: last?.seq ?? 0, why })
  const chained = heads.slice(0, heads.length - others.length)
  return { heads, faults: [...faults, ...linkFaults(lines, chained), ...countFaults(user, lines, chained, count, key).map(whole)], others }
}

export function isSignedBy(user: string, head: SignedHead, key: KeyObject): boolean {
  return verify(null, Buffer.from(signedHeadText(user, head)), key, Buffer.from(head.signature, 'base64'))
}

function othersOf(heads: readonly (SignedHead | null)[]): readonly SignedHead[] {
  const isOther = (head: SignedHead | null): head is SignedHead => head !== null && head.n === undefined && head.format === undefined
  const chained = heads.findLastIndex((head) => !isOther(head))
  return chained < 0 ? [] : heads.slice(chained + 1).filter(isOther)
}

function linkFaults(lines: readonly string[], heads: readonly (SignedHead | null)[]): readonly HeadFault[] {
  const base = heads.findLastIndex((head) => head?.covers !== undefined)
  const first = heads[base]
  if (first === undefined || first === null) {
    const index = heads.findIndex((head) => head?.n !== undefined)
    return index < 0 ? [] : [{ index, seq: heads[index]?.seq ?? 0, why: 'signed heads before it were removed' }]
  }
  const before = heads[base - 1]
  const holds =
    first.covers === base &&
    first.previous === linkHash(...lines.slice(0, base)) &&
    (before?.n === undefined || before.n === (first.n ?? 0) - 1 || first.restore !== undefined)
  if (!holds) return [{ index: base, seq: first.seq, why: 'signed heads before it were changed or removed' }]
  return heads.slice(base + 1).flatMap((head, at): HeadFault[] => {
    const index = base + 1 + at
    const isNext = head?.n === (heads[index - 1]?.n ?? 0) + 1 && head.previous === linkHash(lines[index - 1] ?? '')
    return isNext ? [] : [{ index, seq: head?.seq ?? 0, why: 'it does not follow the signed head before it: one was changed or removed' }]
  })
}

function countFaults(
  user: string,
  lines: readonly string[],
  heads: readonly (SignedHead | null)[],
  text: string | null,
  key: KeyObject | null,
): readonly string[] {
  const isChained = heads.some((head) => head?.n !== undefined)
  if (text === null) return isChained ? ['the count of signed heads was removed'] : []
  const count = parseHeadCount(text)
  if (count === null) return ['the count of signed heads cannot be read']
  if (key !== null && !verify(null, Buffer.from(headCountText(user, count)), key, Buffer.from(count.signature, 'base64')))
    return ['the count of signed heads is not the runner’s']
  const newest = heads.at(-1)?.n ?? 0
  if (newest < count.n) return [`the runner has signed ${count.n} heads, and the newest here is number ${newest}: heads were removed`]
  const counted = heads.findIndex((head) => head?.n === count.n)
  return linkHash(lines[counted] ?? '') === count.last ? [] : [`signed head ${count.n} is not the one that was counted`]
}
