/**
 * From ranked candidates to results: merges near-duplicates, fits texts into the token budget, joins neighbouring passages and finds the
 * matching sentence.
 */
import { mayRecall, mayShare } from '../keep/provenance.ts'
import type { FoundPassage, MemoryEntry, MemoryFilter } from '../../store/index.ts'
import type { AskedTerms, TextEngine } from '../text/text-engine.ts'
import type { Candidate } from './fuse-lists.ts'
import { duplicateShare, duplicateWords } from './recall-limits.ts'

/**
 * @param list in order: the first of several duplicates stays
 * @param enough maximum number of results
 */
export function collapse(list: readonly Candidate[], enough: number): Candidate[] {
  const kept: { candidate: Candidate; shingles: ReadonlySet<string>; standsFor: string[] }[] = []
  for (const candidate of list) {
    const { entry, text } = candidate.passage
    // One passage per entry: the others are joined as neighbours.
    if (kept.some((each) => each.candidate.passage.entry.id === entry.id)) continue
    const shingles = shinglesOf(text)
    const same = kept.find((each) => isDuplicate(each.candidate, each.shingles, candidate, shingles))
    if (same !== undefined) same.standsFor.push(entry.id)
    else if (kept.length < enough) kept.push({ candidate, shingles, standsFor: [] })
    else break
  }
  return kept.map(({ candidate, standsFor }) => ({ ...candidate, standsFor }))
}

function isDuplicate(a: Candidate, ofA: ReadonlySet<string>, b: Candidate, ofB: ReadonlySet<string>): boolean {
  // Ended entries and entries with other labels are never merged.
  if (a.holds !== b.holds || a.passage.entry.labels.join() !== b.passage.entry.labels.join()) return false
  if (!mayShare(a.passage.entry.author, b.passage.entry.author)) return false
  if (a.passage.text === b.passage.text) return true
  if (Math.min(ofA.size, ofB.size) < duplicateWords) return false
  return overlap(ofA, ofB) >= duplicateShare
}

/** Runs of three words, or of three characters where words have no spaces. A number or a name that differs makes three of them differ. */
function shinglesOf(text: string): ReadonlySet<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
  const pieces = words.length * 8 < text.length ? Array.from(text.toLowerCase()) : words
  const shingles = new Set<string>()
  for (let i = 0; i + 2 < pieces.length; i++) shingles.add(`${pieces[i]} ${pieces[i + 1]} ${pieces[i + 2]}`)
  return shingles
}

/** Jaccard similarity. */
function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let both = 0
  for (const each of a) if (b.has(each)) both += 1
  return both / (a.size + b.size - both)
}

/** @returns the tokens of a text for the model that will read it */
export type CountTokens = (text: string) => number

export interface Fitted {
  readonly candidate: Candidate
  readonly text: string
}

/**
 * Upper estimate of the tokens of a text: letters and spaces a third each, other ASCII one each, other characters one and a half.
 */
export function boundTokens(text: string): number {
  let thirds = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const isLetter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 32
    thirds += isLetter ? 1 : code < 128 ? 3 : 4.5
  }
  return Math.ceil(thirds / 3)
}

/**
 * The first result is truncated if it is too long by itself; later ones that do not fit are left out, while shorter ones after them may fit.
 * @returns at most `tokens` of text together
 */
export function fitBudget(list: readonly Candidate[], tokens: number, count: CountTokens): readonly Fitted[] {
  const fitted: Fitted[] = []
  let left = tokens
  for (const candidate of list) {
    if (left <= 0) break
    const { text } = candidate.passage
    const fits = count(text) <= left
    const shown = fits ? text : fitted.length === 0 ? cutTo(text, left, count) : ''
    if (shown === '') continue
    fitted.push({ candidate, text: shown })
    left -= count(shown)
  }
  return fitted
}

/** Truncates to the longest beginning that fits, by binary search, preferably at a space. */
export function cutTo(text: string, tokens: number, count: CountTokens): string {
  let fits = 0
  let over = text.length
  while (fits < over) {
    const middle = Math.ceil((fits + over) / 2)
    if (count(`${text.slice(0, middle)}…`) <= tokens) fits = middle
    else over = middle - 1
  }
  if (fits === 0) return ''
  if (fits === text.length) return text
  const cut = text
    .slice(0, fits)
    .toWellFormed()
    .replace(/\uFFFD$/u, '')
  const space = cut.lastIndexOf(' ')
  return `${space > fits / 2 ? cut.slice(0, space) : cut}…`
}

export interface Joined {
  readonly text: string
  /** Other entries that a part of the text is of. */
  readonly joined: readonly string[]
  /** Tokens. */
  readonly used: number
  readonly chosen: readonly FoundPassage[]
}

/** Adds neighbours to a text, nearest first, while they fit; overlaps are not repeated. */
export function joinNeighbours(
  { passage: own, text }: { readonly passage: FoundPassage; readonly text: string },
  beside: readonly FoundPassage[],
  tokens: number,
  count: CountTokens,
): Joined {
  const nearest = [...beside].sort((a, b) => distance(a, own) - distance(b, own))
  const chosen: FoundPassage[] = []
  let joined = text
  let used = 0
  for (const passage of nearest) {
    const attempt = together([...chosen, passage, { ...own, text }])
    const cost = count(attempt) - count(text)
    if (cost > tokens) continue
    chosen.push(passage)
    joined = attempt
    used = Math.max(0, cost)
  }
  const others = new Set(chosen.map(({ entry }) => entry.id).filter((id) => id !== own.entry.id))
  return { text: joined, joined: [...others], used, chosen }
}

function distance(a: FoundPassage, b: FoundPassage): number {
  const places = Math.abs(a.entry.place - b.entry.place)
  return places * 1_000 + Math.abs(a.part - b.part)
}

/**
 * Joins passages, oldest first. Overlaps between passages of one entry are removed. If several people speak, each entry begins with its
 * speaker, so that the result is not attributed to one of them.
 */
function together(passages: readonly FoundPassage[]): string {
  const ordered = [...passages].sort((a, b) => a.entry.place - b.entry.place || a.part - b.part)
  const isTalk = passages.some(({ entry }) => entry.kind === 'message' && entry.author !== passages[0]!.entry.author)
  let whole = ''
  let before: FoundPassage | null = null
  for (const passage of ordered) {
    const inside =
      before !== null && before.entry.id === passage.entry.id && before.part === passage.part - 1
        ? before.start + before.text.length - passage.start
        : 0
    const adds =
      inside > 0 && inside < passage.text.length && whole.endsWith(passage.text.slice(0, inside)) ? passage.text.slice(inside) : null
    const begins = isTalk && before?.entry.id !== passage.entry.id
    const line = begins ? `${passage.entry.author === 'user' ? 'person' : 'agent'}: ${passage.text}` : passage.text
    whole = adds === null ? (whole === '' ? line : `${whole}\n${line}`) : whole + adds
    before = passage
  }
  return whole
}

export function passesFilter(entry: MemoryEntry, filter: MemoryFilter): boolean {
  const { kinds, types, tiers, sessions, tags, withoutLabels, before } = filter
  if (kinds !== undefined && !kinds.includes(entry.kind)) return false
  if (types !== undefined && !types.includes(entry.type)) return false
  if (tiers !== undefined && !tiers.includes(entry.tier)) return false
  if (sessions !== undefined && !sessions.some((session) => session === entry.session)) return false
  if (filter.notSession !== undefined && entry.session === filter.notSession) return false
  if (tags !== undefined && !tags.every((tag) => entry.tags.includes(tag))) return false
  if (withoutLabels !== undefined && withoutLabels.some((label) => entry.labels.includes(label))) return false
  if (filter.createdAfter !== undefined && entry.createdAt <= filter.createdAfter) return false
  if (filter.createdBefore !== undefined && entry.createdAt >= filter.createdBefore) return false
  if (!mayRecall(entry.author, filter.persona)) return false
  return before === undefined || entry.stream !== before.stream || entry.place <= before.place
}

/** Ends of sentences and lines. */
const sentenceEnd = /(?<=[.!?…]["')\]]?)\s+|(?<=[。！？])|\n+/u

/** @returns the best matching sentence of each text, by shared words and closeness; the first of equals */
export async function matchingSentences(
  engine: Pick<TextEngine, 'terms' | 'closeness'>,
  question: AskedTerms,
  texts: readonly string[],
): Promise<readonly string[]> {
  const sentences = texts.flatMap((text, of) =>
    text.split(sentenceEnd).flatMap((each) => (each.trim() === '' ? [] : [{ of, text: each.trim() }])),
  )
  const terms = await Promise.all(sentences.map((each) => engine.terms(each.text)))
  const closeness = await engine.closeness(
    question,
    terms.map((each) => ({ terms: each, context: '' })),
  )
  const wanted = new Set(question.terms)
  const best = texts.map(() => ({ text: '', fits: -1 }))
  for (const [i, { of, text }] of sentences.entries()) {
    const shared = new Set((terms[i] ?? '').split(' ').filter((term) => wanted.has(term))).size
    const fits = shared / Math.max(1, wanted.size) + (closeness?.[i] ?? 0)
    if (fits > best[of]!.fits) best[of] = { text, fits }
  }
  return best.map(({ text }) => text)
}
