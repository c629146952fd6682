/** The port of recall: its question, its results, which of them are near enough to be told, and how one reads for a model. */
import type { FoundPassage, MemoryFilter } from '../../store/index.ts'
import type { SessionId } from '../../base/index.ts'
import { leastNearness } from './recall-limits.ts'
import type { RecallReason } from '../memory-schemas.ts'

export interface RecallQuestion {
  readonly text: string
  /** Without `validAt`: what holds now goes first, what no longer holds comes last and says so. */
  readonly filter: MemoryFilter
  /** A question whose words are all common finds nothing, instead of whatever is newest. */
  readonly onlyRare?: boolean
  /** In which it is asked; absent: in none, as by a person at a command line. */
  readonly session?: SessionId
  /** Most results, and most tokens of their text together. */
  readonly limit: number
  readonly tokens: number
  /** How the two lists become one. Absent: by weights of the embedder. */
  readonly fusion?: 'weights' | 'reciprocal_rank'
  /** For people who look through results: which sentence of each matches. */
  readonly withMatch?: boolean
  /** Of a message before its turn: what memory has of the same by another name is found as well, and only what the turn likely needs is returned. */
  readonly forTurn?: true
  /** Many wait for their answers: the message is searched for as a whole. */
  readonly hurried?: boolean
  /** Asked to open what a search needs: nothing counts as an access. */
  readonly warmsUp?: true
}

/** Why a result was found; every number as it was used. */
export interface Recalled {
  /** The entry's id. */
  readonly id: string
  readonly passage: FoundPassage
  /** The passage with the neighbours that were joined to it, oldest first, cut to the budget. */
  readonly text: string
  /** The sentence of the passage that fits the question best; empty unless it was asked for. */
  readonly match: string
  /** Ids of the entries that these neighbours are of. */
  readonly joined: readonly string[]
  /** 0 to 1 and a little more; comparable within one answer only. */
  readonly score: number
  readonly ageMs: number
  /** False: superseded, or past its time. */
  readonly holds: boolean
  readonly why: RecallReason
}

export interface Recall {
  /** Best first. Never throws for what a question says: a question without words finds nothing. */
  recall(question: RecallQuestion): Promise<readonly Recalled[]>
}

/**
 * What of a search is about the matter that was asked for: something is always nearest, and needs not be near. Chosen by false
 * recalls against missed ones, see docs/recall.md, "When a turn recalls nothing".
 */

/** The nearest memory must be this close to what was asked, word by word, or nothing is near; then what is not far behind the best is, too. */
const leastCloseness = 0.35
const leastScore = 0.5
/** The same where words were not compared one by one: without a table of words, and in languages that it does not know. */
const leastScoreAlone = 0.35

/** @returns the memories of one answer that are near enough, in order; empty if even the best is not */
export function nearEnough(found: readonly Recalled[]): readonly Recalled[] {
  const best = Math.max(0, ...found.map(({ score }) => score))
  const behind = (share: number): readonly Recalled[] => found.filter(({ score }) => score >= best * share)
  if (found.every(({ why }) => why.closeness === null)) return behind(leastScoreAlone).filter(isAbout)
  return found.some(({ why }) => (why.closeness ?? 0) >= leastCloseness || why.exact.length > 0) ? behind(leastScore) : []
}

/** What shares no word with what was asked must be near by itself. */
function isAbout({ why: { textRank, vectorScore } }: Recalled): boolean {
  return textRank !== null || (vectorScore !== null && vectorScore >= leastNearness)
}

/** One memory as a model reads it: what it is, how old, who said it, whether it may be trusted. */
export function describeRecalled({ id, text, passage: { entry }, holds }: Recalled, now: number): string {
  const marks = [
    sourceOf(entry),
    ageOf(now - entry.createdAt),
    ...(entry.tags.length > 0 ? [`tags: ${entry.tags.join(', ')}`] : []),
    ...(entry.labels.includes('untrusted') ? ['untrusted'] : []),
    ...(holds ? [] : [entry.supersededBy === '' ? 'holds no longer' : `superseded by ${entry.supersededBy}`]),
    ...(entry.contradicts.length > 0 ? [`contradicted by ${entry.contradicts[0]}`] : []),
  ]
  // Only what can be rewritten is named: an id costs as much as a sentence.
  const name = entry.kind === 'note' || entry.kind === 'fact' ? `[${id}] ` : ''
  return `${name}${marks.join('; ')}\n${text}`
}

function sourceOf({ kind, author }: { readonly kind: string; readonly author: string }): string {
  if (kind === 'message') return author === 'user' ? 'the person said' : 'you said'
  if (kind === 'document') return author.startsWith('space:') ? `document of ${writerOf(author)}` : `document ${author}`
  return kind === 'note' ? `note by ${writerOf(author)}` : kind
}

/** An import can name anybody. */
function writerOf(author: string): string {
  if (author === 'user') return 'the person'
  if (author === 'agent') return 'you'
  const [, kind, name] = /^(plugin|space):([\w-]{1,100})$/.exec(author) ?? []
  return kind === undefined ? 'others' : `the ${kind} ${name}`
}

const minute = 60_000
const units = [
  ['year', 365 * 24 * 60 * minute],
  ['month', 30 * 24 * 60 * minute],
  ['day', 24 * 60 * minute],
  ['hour', 60 * minute],
  ['minute', minute],
] as const

function ageOf(ms: number): string {
  for (const [name, length] of units) {
    const count = Math.floor(ms / length)
    if (count >= 1) return `${count} ${name}${count === 1 ? '' : 's'} ago`
  }
  return 'just now'
}
