/**
 * Score changes after fusion: word-by-word closeness, speakers and days that the question asks for, uninformative turns, turns near a good
 * match, exact phrases, recency and importance.
 */
import { type Apart, foldPhrase, type FoundPassage, type MemoryEntry } from '../../store/index.ts'
import { isStopWord, regular } from '../text/english-words.ts'
import { holdsAt } from '../keep/memory-item.ts'
import { type AskedTerms, type TextEngine, wordPart } from '../text/text-engine.ts'
import type { Candidate } from './fuse-lists.ts'
import {
  askingCost,
  dayBonus,
  deedBonus,
  exactBonus,
  fitsFrom,
  importanceBonus,
  nearShare,
  reactionCost,
  recencyBonus,
  recencyHalfLifeMs,
  sameTalk,
  speakerBonus,
  tellingWords,
} from './recall-limits.ts'

/** @param share weight of closeness, from the embedder. Scores stay 0 to 1; unchanged if closeness is not available. @throws as the text engine */
export async function addCloseness(
  list: readonly Candidate[],
  question: AskedTerms,
  engine: Pick<TextEngine, 'closeness'>,
  share: number,
): Promise<readonly Candidate[]> {
  if (list.length === 0) return list
  const closeness = await engine.closeness(
    question,
    list.map(({ passage }) => passage),
  )
  if (closeness === null) return list
  return list.map((candidate, i) => ({
    ...candidate,
    score: (1 - share - nearShare) * candidate.score + share * (closeness[i] ?? 0) + nearShare * candidate.near,
    closeness: closeness[i] ?? 0,
  }))
}

/** Speaker prefix in a transcript: `Ada:`, `Mrs. Tran:`. */
const speaker = /^(\p{Lu}[\p{L}\p{M}'’.-]{1,30}(?: \p{Lu}[\p{L}\p{M}'’.-]{0,30}){0,2}): /u

/** @returns who speaks in a transcript; empty: not known */
export function speakerOf(text: string): string {
  return speaker.exec(text)?.[1] ?? ''
}

const asksWhen = /\b(?:when|what day|which day|what date|what month|which month|what year|which year)\b/i
const dayTerm = /^[dmy]\d{4,8}$/
/** Terms of the turn's own day, which every turn has. */
const ownDayTerms = 3

/** `What have both done`, `Which sports has she tried`: for all of something that somebody did. */
const asksForDeeds = /\bboth\b|\b(?:has|have|had)\b.{1,60}\bdone\b|^which (?:\w+ )?\w+s (?:has|have|had|did)\b/iu
const firstPerson = /\bI (?:\w+ly |also |just |even )?([a-z]{2,})/gu
/** Past tenses that tell a state and no deed. */
const states: ReadonlySet<string> = new Set(
  'am was were been had felt thought knew wanted loved liked needed could would should might must'.split(' '),
)
/** A turn tells what happened first, and how it was afterwards. */
const deedSentences = 2
const deedUnits = 400

/**
 * Raises turns by speakers that the question names; if it asks when, turns that name a day; if it asks for all that somebody did, turns
 * that begin with a deed.
 */
export function raiseAskedAbout(
  list: readonly Candidate[],
  question: string,
  readsOf: (passage: FoundPassage) => Speech = speechOf,
): Candidate[] {
  const questionWords = ` ${question.toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, ' ')} `
  const when = asksWhen.test(question)
  const deeds = asksForDeeds.test(question)
  return list.map((candidate) => {
    const { passage } = candidate
    const bonus =
      (readsOf(passage).names.some((name) => questionWords.includes(name)) ? speakerBonus : 0) +
      (when && namesDay(passage.context) ? dayBonus : 0) +
      (deeds && tellsDeed(passage.text) ? deedBonus : 0)
    return bonus === 0 ? candidate : { ...candidate, score: candidate.score + bonus }
  })
}

/** `I went`, `I signed up` near the beginning. */
function tellsDeed(text: string): boolean {
  const begin = [...text.slice(0, deedUnits).replace(speaker, '').matchAll(sentence)].slice(0, deedSentences).join(' ')
  return [...begin.matchAll(firstPerson)].some(([, verb = '']) => !states.has(verb) && (verb.endsWith('ed') || regular(verb) !== verb))
}

/** What a passage is by itself, whatever is asked. */
export interface Speech {
  /** Full and first name of its speaker, with spaces around them. */
  readonly names: readonly string[]
  /** How little it says: at most `askingCost + reactionCost`. */
  readonly cost: number
}

function speechOf({ entry, text, terms }: FoundPassage): Speech {
  const plain = speakerOf(text)
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
  const names = plain === '' ? [] : [` ${plain} `, ` ${plain.split(' ')[0]} `]
  return { names, cost: entry.kind === 'message' ? askingCost * askingShare(text) + reactionCost * (1 - tellingShare(terms)) : 0 }
}

/** @returns `speechOf`, which remembers passages that are still used */
export function speechReader(): (passage: FoundPassage) => Speech {
  const read = new WeakMap<FoundPassage, Speech>()
  return (passage) => {
    const speech = read.get(passage) ?? speechOf(passage)
    read.set(passage, speech)
    return speech
  }
}

function namesDay(context: string): boolean {
  return context.split(' ').filter((term) => dayTerm.test(term)).length > ownDayTerms
}

/**
 * Turns that only ask or only react answer no question but share the words of the topic: `Wow, pottery!`. Notes and documents are exempt: a
 * short note is informative.
 */

/** One sentence; each character is read once. */
const sentence = /[^.!?？؟。！…]+[.!?？؟。！…]*/gu
const asks = /[?？؟]["'”’)*_]*\s*$/u

/** Lowers each score by the cost of its passage, and not below 0. */
export function lowerUninformative(list: readonly Candidate[], readsOf: (passage: FoundPassage) => Speech = speechOf): Candidate[] {
  return list.map((candidate) => {
    const { cost } = readsOf(candidate.passage)
    return cost === 0 ? candidate : { ...candidate, score: Math.max(0, candidate.score - cost) }
  })
}

/** Share of the characters that belong to questions. */
function askingShare(text: string): number {
  if (!/[?？؟]/u.test(text)) return 0
  let all = 0
  let asking = 0
  for (const [each] of text.matchAll(sentence)) {
    all += each.length
    if (asks.test(each)) asking += each.length
  }
  return all === 0 ? 0 : asking / all
}

/** Distinct informative words, as a share of `tellingWords`. */
function tellingShare(terms: string): number {
  const distinct = new Set<string>()
  for (const term of wordPart(terms).split(' ')) {
    if (term !== '' && !isStopWord(term)) distinct.add(term)
    if (distinct.size >= tellingWords) return 1
  }
  return distinct.size / tellingWords
}

/**
 * A conversation stays on a topic for some turns and alternates between speakers: turns two and four places from a good match are often
 * about the same topic even if their words do not show it ("I was there with my sister"). Adjacent turns are not raised: each is already
 * indexed with the one before it, and a turn between two of the same speaker is the other's reaction.
 */

/** Raises each turn by a share of the scores of turns near it. @param apart distances between entries of the list */
export function raiseSameTalk(list: readonly Candidate[], apart: readonly Apart[]): Candidate[] {
  const turns = list.filter(({ passage }) => passage.entry.kind === 'message')
  const turnOf = new Map(turns.map(({ passage }) => [passage.id, passage.entry.id]))
  // The best passage of a long turn counts.
  const fits = new Map<string, number>()
  for (const { passage, score } of turns) fits.set(passage.entry.id, Math.max(score - fitsFrom, fits.get(passage.entry.id) ?? 0))
  const raises = new Map<string, number>()
  for (const [earlier, later, entries] of apart) {
    const [one, other, share] = [turnOf.get(earlier), turnOf.get(later), sameTalk.get(entries)]
    if (one === undefined || other === undefined || share === undefined) continue
    raises.set(one, (raises.get(one) ?? 0) + share * (fits.get(other) ?? 0))
    raises.set(other, (raises.get(other) ?? 0) + share * (fits.get(one) ?? 0))
  }
  return list.map((candidate) => {
    const raise = raises.get(candidate.passage.entry.id) ?? 0
    return raise === 0 ? candidate : { ...candidate, score: candidate.score + raise }
  })
}

/**
 * Raises passages that contain the quoted phrases and identifiers of the question, each for its share of the bonus. Case, white space and
 * invisible characters are ignored; a name must match whole, so that `v1.2` does not match `v1.20`.
 */
export function raiseExact(list: readonly Candidate[], exact: readonly string[]): Candidate[] {
  const wanted = exact.map((phrase) => ({ phrase, plain: foldPhrase(phrase) })).filter(({ plain }) => plain !== '')
  if (wanted.length === 0) return [...list]
  return list.map((candidate) => {
    const text = foldPhrase(candidate.passage.text)
    const stand = wanted.filter(({ plain }) => standsIn(text, plain)).map(({ phrase }) => phrase)
    return stand.length === 0
      ? candidate
      : { ...candidate, exact: stand, score: candidate.score + (exactBonus * stand.length) / wanted.length }
  })
}

const wordSign = /[\p{L}\p{M}\p{N}]/u
/** Scripts without spaces: a match needs no word border. */
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Khmer}\p{Script=Lao}\p{Script=Hangul}]/u

/** Joins parts of one name, unlike the separators of a path or of a place in a file (`main.ts:12`). */
const joint = /[._@-]/u

function standsIn(text: string, phrase: string): boolean {
  for (let at = text.indexOf(phrase); at >= 0; at = text.indexOf(phrase, at + 1)) {
    const end = at + phrase.length
    const before = endsThere(text.charAt(at - 1), phrase.charAt(0), text.charAt(at - 2))
    if (before && endsThere(text.charAt(end), phrase.charAt(phrase.length - 1), text.charAt(end + 1))) return true
  }
  return false
}

/** @param beyond the character after `outside` */
function endsThere(outside: string, inside: string, beyond: string): boolean {
  if (!wordSign.test(inside) || unspaced.test(outside) || unspaced.test(inside)) return true
  return !wordSign.test(outside) && !(joint.test(outside) && wordSign.test(beyond))
}

/** @param at the time of the query */
export function addPriors(list: readonly Candidate[], at: number): Candidate[] {
  return list.map((candidate) => {
    const { entry } = candidate.passage
    const prior = priorOf(entry, at)
    return { ...candidate, prior, score: candidate.score + prior, holds: holdsAt(entry, at) }
  })
}

/** 0 to `recencyBonus + importanceBonus`. */
export function priorOf(entry: MemoryEntry, at: number): number {
  const age = Math.max(0, at - entry.createdAt)
  return recencyBonus * 2 ** (-age / recencyHalfLifeMs) + importanceBonus * effectiveImportance(entry)
}

/** Importance grows with accesses: importance × (1 + ln(1 + accesses)), at most 1. */
function effectiveImportance({ importance, accesses }: Pick<MemoryEntry, 'importance' | 'accesses'>): number {
  return Math.min(1, Math.max(0, importance) * (1 + Math.log1p(Math.max(0, accesses))))
}
