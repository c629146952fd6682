/**
 * How likely a message needs each of the memories that were found for it: boosted trees over numbers. These tell memories that are needed from
 * those that are merely near: how well each matches the message's words, names and parts, how it stands among the others, and whether a newer
 * one replaces it. scripts/train-turn-scorer.ts makes the table from messages whose needs are known; docs/recall.md has what it gains.
 *
 * Scores and cosines count only compared with each other, since every embedder has its own.
 */
import { termsOf } from '../text/terms.ts'
import { wordPart } from '../text/text-engine.ts'
import { isStopWord } from '../text/english-words.ts'
import { namesInside, type TurnNeed, type Wanted } from './message-cues.ts'
import { namePairs } from './other-names.ts'
import type { Recalled } from './recalled.ts'
import table from './turn-scorer.json' with { type: 'json' }

/** @param found best first @returns for each how likely the message needs it, 0 to 1 */
export function likelihoods(found: readonly Recalled[], need: TurnNeed): readonly number[] {
  return featuresOf(found, need).map((row) => likelihood(table, row))
}

/** A tree of `treeDepth` levels: 2^depth − 1 pairs of feature and bound, then 2^depth values. Above the bound goes right. */
export interface BoostedTrees {
  readonly base: number
  readonly depth: number
  readonly trees: readonly (readonly number[])[]
}

/** @returns 0 to 1 */
export function likelihood({ base, depth, trees }: BoostedTrees, row: readonly number[]): number {
  const inner = 2 ** depth - 1
  let sum = base
  for (const tree of trees) {
    let node = 0
    for (let level = 0; level < depth; level++) node = 2 * node + ((row[tree[2 * node] ?? 0] ?? 0) > (tree[2 * node + 1] ?? 0) ? 2 : 1)
    sum += tree[2 * inner + node - inner] ?? 0
  }
  return 1 / (1 + Math.exp(-sum))
}

interface Known {
  readonly terms: ReadonlySet<string>
  readonly telling: readonly string[]
  readonly text: string
}

const matters: Readonly<Record<TurnNeed['kind'], number>> = { nothing: 0, impersonal: 0, plain: 1, speaker: 2, personal: 3 }
/** A misspelled word counts for so much of one. */
const misspelledShare = 0.8
/** Another name of the same person, or of what is called so. */
const aliasShare = 0.9

const share = (count: number, of: number): number => (of === 0 ? 0 : count / of)

/** @param found best first @returns a row of numbers for each */
export function featuresOf(found: readonly Recalled[], need: TurnNeed): readonly (readonly number[])[] {
  const known = found.map(({ passage: { terms, text } }): Known => {
    const distinct = new Set(wordPart(terms).split(' '))
    return { terms: distinct, telling: [...distinct].filter((term) => term.length > 1 && !isStopWord(term)), text }
  })
  const aliases = aliasesIn(known.map(({ text }) => text))
  const match = matcher(known, aliases)
  const parts = [
    standingOf(found),
    matchesOf(known, need, aliases, match),
    pointsOf(found, known, need),
    changesOf(found, known),
    kindsOf(found, known, need),
  ]
  const bestClose = Math.max(0, ...found.map(({ why }) => why.closeness ?? 0))
  const near = found.filter(({ why }) => (why.closeness ?? 0) >= bestClose * 0.8).length
  const anywhere = need.telling.filter(match.isAnywhere).length
  const message = [
    matters[need.kind],
    need.isQuestion ? 1 : 0,
    need.telling.length,
    need.words,
    bestClose,
    near,
    share(anywhere, need.telling.length),
  ]
  return found.map((_, i) => [...parts.flatMap((each) => each[i]!), ...message])
}

/** How each stands among the others: score, distance to the best other one, place; closeness and how far it is behind the best; likeness of vectors and of words. */
function standingOf(found: readonly Recalled[]): readonly (readonly number[])[] {
  const best = (of: (each: Recalled) => number): number => Math.max(0, ...found.map(of))
  const [score, close] = [best((each) => each.score), best(({ why }) => why.closeness ?? 0)]
  const [near, text] = [best(({ why }) => why.vectorScore ?? 0), best(({ why }) => why.textScore ?? 0)]
  return found.map(({ score: own, why }, i) => {
    const others = Math.max(0, ...found.filter((_, j) => j !== i).map((each) => each.score))
    const standing = [share(own, score), share(own - others, score), i, why.closeness ?? -1, (why.closeness ?? 0) - close]
    return [...standing, share(why.vectorScore ?? 0, near), share(why.textScore ?? 0, text)]
  })
}

/**
 * How each matches the words: share of them, by rarity and misspelled ones too, how many misspelled; of one of the parts, of how many it is the first, how many
 * there are; whether it has the rarest word; names that it has, that it has not, that none has; whether by another name.
 */
function matchesOf(
  known: readonly Known[],
  { telling, names, parts }: TurnNeed,
  aliases: Aliases,
  match: Matcher,
): readonly (readonly number[])[] {
  const rarities = new Map(telling.map((term) => [term, match.rarity(term)]))
  const weighed = (terms: readonly string[], i: number): number => {
    const all = terms.reduce((sum, term) => sum + (rarities.get(term) ?? 0), 0)
    return share(
      terms.reduce((sum, term) => sum + (rarities.get(term) ?? 0) * match.has(i, term), 0),
      all,
    )
  }
  const byParts = parts.map((part) => known.map((_, i) => weighed(part, i)))
  const rarest = telling.toSorted((a, b) => (rarities.get(b) ?? 0) - (rarities.get(a) ?? 0)).find(match.isAnywhere)
  const missing = names.filter((name) => !match.isAnywhere(name)).length
  return known.map(({ terms }, i) => {
    const exact = telling.filter((term) => terms.has(term)).length
    const misspelled = telling.filter((term) => !terms.has(term) && match.has(i, term) > 0).length
    const firsts = byParts.filter((of) => of[i]! > 0 && of[i]! >= Math.max(...of)).length
    const named = names.filter((name) => match.has(i, name) > 0).length
    const words = [share(exact, telling.length), weighed(telling, i), misspelled]
    const ofParts = [Math.max(0, ...byParts.map((of) => of[i] ?? 0)), firsts, parts.length]
    const hasRarest = rarest !== undefined && match.has(i, rarest) > 0
    const byAlias = telling.some((term) => !terms.has(term) && (aliases.get(term) ?? []).some((other) => terms.has(other)))
    return [...words, ...ofParts, hasRarest ? 1 : 0, named, names.length - named, missing, byAlias ? 1 : 0]
  })
}

/** What points at each: an owner, what stands behind "the", phrases and exact names. */
function pointsOf(
  found: readonly Recalled[],
  known: readonly Known[],
  { owners, pointed, phrases }: TurnNeed,
): readonly (readonly number[])[] {
  return found.map(({ why, passage: { text } }, i) => {
    const { terms } = known[i]!
    const owned = owners.some((owner) => terms.has(owner)) ? 1 : 0
    const pointing = pointed === null ? -1 : pointed.filter((term) => terms.has(term)).length
    return [owned, pointing, phrases.some((phrase) => text.toLowerCase().includes(phrase)) ? 1 : 0, why.exact.length]
  })
}

/** What each is: source, length, and whether it has what is asked for. */
function kindsOf(found: readonly Recalled[], known: readonly Known[], need: TurnNeed): readonly (readonly number[])[] {
  return found.map(({ passage: { entry, text } }, i) => {
    const source = entry.kind === 'message' ? (entry.author === 'user' ? 0 : 1) : entry.kind === 'document' ? 3 : 2
    return [source, known[i]!.terms.size, fits(text, need.wants)]
  })
}

/** Other names of the same, by term. */
type Aliases = ReadonlyMap<string, readonly string[]>

interface Matcher {
  /** 1 for a term of the memory, less for one that is a misspelling away. */
  has(memory: number, term: string): number
  /** Whether any memory has it so. */
  isAnywhere(term: string): boolean
  rarity(term: string): number
}

function matcher(known: readonly Known[], aliases: Aliases): Matcher {
  const held = new Map<string, readonly number[]>()
  const row = (term: string): readonly number[] => {
    const there = held.get(term)
    if (there !== undefined) return there
    const others = aliases.get(term) ?? []
    const exact = known.map(({ terms }): number => (terms.has(term) ? 1 : others.some((other) => terms.has(other)) ? aliasShare : 0))
    // A word that memory has is spelled right.
    const made =
      exact.some((each) => each > 0) || term.length < 4 || /\d/.test(term)
        ? exact
        : known.map(({ telling }) => (telling.some((each) => isMisspelled(term, each)) ? misspelledShare : 0))
    held.set(term, made)
    return made
  }
  return {
    has: (memory, term) => row(term)[memory] ?? 0,
    isAnywhere: (term) => row(term).some((each) => each > 0),
    rarity(term) {
      const having = row(term).filter((each) => each > 0).length
      return Math.log(1 + (known.length - having + 0.5) / (having + 0.5))
    },
  }
}

/** One letter more, less, another, or two that changed places. */
function isMisspelled(one: string, other: string): boolean {
  if (one === other || Math.abs(one.length - other.length) > 1 || Math.min(one.length, other.length) < 3) return false
  let from = 0
  while (from < one.length && one[from] === other[from]) from += 1
  const rest = (text: string, skipped: number): string => text.slice(from + skipped)
  return (
    rest(one, 1) === rest(other, 1) ||
    rest(one, 1) === rest(other, 0) ||
    rest(one, 0) === rest(other, 1) ||
    (one[from] === other[from + 1] && one[from + 1] === other[from] && rest(one, 2) === rest(other, 2))
  )
}

/** @returns for each term the other names of the same that these texts tell, both ways, as terms */
function aliasesIn(texts: readonly string[]): Aliases {
  const found = new Map<string, string[]>()
  const link = (one: string, other: string): void => void found.set(one, [...(found.get(one) ?? []), other])
  for (const [also, first] of texts.flatMap(namePairs)) {
    for (const one of termsOf(also)) {
      for (const other of termsOf(first)) {
        link(one, other)
        link(other, one)
      }
    }
  }
  return found
}

/** What tells that something is not any more as it was. */
const tellsChange =
  /\b(?:now|new|moved?|chang(?:e|ed|es)|switched|instead|no longer|not any ?more|any ?more|from now on|since|these days|raised?|left|quit|retired|replaced|relisted|vacated|cancell?ed|extension|gone to|went away|sold|migrated|putting|up to|dropped out|finished up|packing it in|jacked|pushed|had to up|is dead|aufgehört|jetzt|seit|neue[rs]?|ahora|désormais|maintenant|plus)\b/iu
/** Memories with so much in common are about one matter. */
const sameMatter = 0.2

/**
 * @returns for each how much of it a newer one with a word of change has, how much of an older one it has itself, whether it has such words,
 * how many are newer, and the best score of those that it replaces
 */
function changesOf(found: readonly Recalled[], known: readonly Known[]): readonly (readonly number[])[] {
  const changes = known.map(({ text }) => tellsChange.test(text))
  const at = found.map(({ passage }) => passage.entry.createdAt)
  const alike = (one: Known, other: Known): number => {
    const both = one.telling.filter((term) => other.terms.has(term)).length
    const shared = both / Math.max(1, Math.min(one.telling.length, other.telling.length))
    return shared >= sameMatter ? shared : 0
  }
  const best = Math.max(0.001, ...found.map(({ score }) => score))
  return found.map((_, i) => {
    let [by, of, inherited] = [0, 0, 0]
    for (const [j, other] of known.entries()) {
      if (j === i || at[j] === at[i]) continue
      const shared = alike(known[i]!, other)
      if (at[j]! > at[i]! && changes[j]) by = Math.max(by, shared)
      if (at[j]! < at[i]! && changes[i] && shared > 0) {
        of = Math.max(of, shared)
        inherited = Math.max(inherited, found[j]!.score / best)
      }
    }
    return [by, of, changes[i] ? 1 : 0, at.filter((each) => each > at[i]!).length, inherited]
  })
}

const timeWords =
  /\d|\b(?:mon|tues?|wednes|wed|thurs?|fri|satur|sat|sun)(?:days?)?\b|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\p{Ll}*\b|\b(?:day|week|month|morning|evening|night|noon|summer|winter|spring|autumn)s?\b/iu

/** Whether a text has what is asked for: 1 or -1, and 0 where nothing particular is. */
function fits(text: string, kind: Wanted): number {
  if (kind === '') return 0
  if (kind === 'time') return timeWords.test(text) ? 1 : -1
  if (kind === 'number') return /\d/.test(text) ? 1 : -1
  return namesInside(text).length > 0 ? 1 : -1
}
