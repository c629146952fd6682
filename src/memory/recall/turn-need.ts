/**
 * What of a search a turn is given. Something is always near: what was found is given by how likely the message needs it, as a table learned
 * from messages says (turn-scorer.ts), for somebody's own matter ("my sister", "did we decide") sooner.
 *
 * docs/recall.md, "When a turn recalls nothing", has the measurements.
 */
import { wordPart } from '../text/text-engine.ts'
import {
  leastCoverage,
  leastNearness,
  leastOwn,
  leastPersonalCloseness,
  leastPersonalCoverage,
  leastPlain,
  leastShare,
  leastSpeakerCloseness,
  leastWhenUnsure,
  mostWhenUnsure,
  surelyNeeded,
} from './recall-limits.ts'
import { isRequest, isTheirs, type TurnNeed } from './message-cues.ts'
import { isTelling } from './read-need.ts'
import type { Recall, Recalled, RecallQuestion } from './recalled.ts'
import { likelihoods } from './turn-scorer.ts'
import { otherNames } from './other-names.ts'

/**
 * Where memory tells another name of somebody whom the question names, what it has of that name is found as well.
 * @param namesIn which names count
 */
export async function searchByNames(engine: Recall, question: RecallQuestion, namesIn = otherNames): Promise<readonly Recalled[]> {
  const found = await engine.recall(question)
  const texts = found.map(({ passage }) => passage.text)
  const names = namesIn(question.text, texts)
  return names.length === 0 ? found : engine.recall({ ...question, text: [question.text, ...names].join(' ') })
}

/** @returns those that tell something beyond the message */
export function tellingOf(found: readonly Recalled[], need: TurnNeed): readonly Recalled[] {
  return found.filter((each) => saysSomething(each) && saysMore(each.passage.terms, need))
}

/**
 * What the turn is given: what it likely needs. Where nothing is surely needed for somebody's own matter, the likeliest as well, since one
 * memory too many costs some 35 tokens and one too few the answer.
 *
 * @param found best first @returns a part of it, in order
 */
export function fitting(found: readonly Recalled[], need: TurnNeed): readonly Recalled[] {
  if (need.kind === 'nothing') return []
  const tells = tellingOf(found, need)
  const likely = likelihoods(tells, need)
  const best = Math.max(0, ...likely)
  const isTheirMatter = need.kind === 'personal' || (need.kind === 'speaker' && need.isQuestion)
  const least = need.kind === 'personal' ? leastPersonalCloseness : leastSpeakerCloseness
  const isUnsure = isTheirMatter && best < surelyNeeded && tells.some((each) => isNear(each, need, least))
  const bound = isUnsure ? Math.max(best * leastWhenUnsure, likely.toSorted((a, b) => b - a)[mostWhenUnsure - 1] ?? 0) : 1
  const bar = need.kind === 'personal' || need.kind === 'speaker' ? leastOwn : leastPlain
  // The nearest as a whole is often another one than the nearest word by word.
  const nearness = ({ why }: Recalled): number => why.vectorScore ?? 0
  const nearest = isUnsure ? tells.toSorted((a, b) => nearness(b) - nearness(a))[0] : undefined
  const isLikely = (i: number): boolean => need.kind !== 'impersonal' && likely[i]! >= Math.min(bar, bound)
  return tells.filter((each, i) => isCertain(each, need, tells[0]!) || isLikely(i) || each === nearest)
}

/** An exact name, a document that is near, since it was put there to be consulted; and where words cannot be compared, words in common. */
function isCertain(each: Recalled, need: TurnNeed, { score }: Recalled): boolean {
  const { why, passage } = each
  if (why.exact.some((name) => !isPlace(name))) return true
  if (passage.entry.kind === 'document') return isNear(each, need, leastPersonalCloseness) && each.score >= score * leastShare
  return why.closeness === null && need.kind !== 'impersonal' && each.score >= score * leastShare && isNear(each, need, 0)
}

/** By words one by one, or where these cannot be compared by the words in common. */
function isNear({ why: { closeness, vectorScore }, passage: { terms } }: Recalled, { telling, kind }: TurnNeed, least: number): boolean {
  if (closeness !== null) return closeness >= least
  const has = new Set(wordPart(terms).split(' '))
  const covered = telling.filter((term) => has.has(term)).length / telling.length
  if (kind === 'plain' && !unspaced.test(telling.join(''))) return covered >= leastCoverage
  return covered >= leastPersonalCoverage || (kind === 'personal' && (vectorScore ?? 0) >= leastNearness)
}

/** Scripts that split a word into several terms. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u

/** A question of the person says nothing, and neither does an answer such as "Noted.". */
function saysSomething({ passage: { entry, text, terms } }: Recalled): boolean {
  if (entry.author === 'user') return !onlyAsks(text)
  return entry.kind !== 'message' || wordPart(terms).split(' ').filter(isTelling).length > 1
}

/** What the message says itself is no help, unless it asks whether that is so. */
function saysMore(terms: string, { telling, isQuestion: asks }: TurnNeed): boolean {
  const said = new Set(telling)
  return (
    asks ||
    wordPart(terms)
      .split(' ')
      .some((term) => !said.has(term) && isTelling(term))
  )
}

/** A question tells nothing, and a command nothing of a person, unless it says what to keep in mind, or says more than itself. */
function onlyAsks(text: string): boolean {
  return isRequest(text) && (/[?？؟]\s*$/u.test(text) || !isTheirs(text) || !(keeps.test(text) || saysMoreThanOnce.test(text)))
}

const keeps = /\b(?:remember|remind|note|save|keep|put|add|store|write down|from now on|always|never|because|since)\b/iu
const saysMoreThanOnce = /[.!;:]\s+\S|\b(?:it|he|she|they|which|who|that|I|we)\s+(?:is|are|was|were|has|have|had|am)\b/iu

/** A file or an address: what it holds is there, and many messages of one work name it. */
function isPlace(name: string): boolean {
  return /[/\\]|\.\p{L}\w{0,4}$/u.test(name)
}
