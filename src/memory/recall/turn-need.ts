/**
 * Whether a turn needs anything of memory, and what of a search it is given. Something is always near, and most messages need nothing: a
 * greeting, a command about files, a question that anybody could ask. So a message is read first, and what was found for it is given by how
 * likely it is needed, as a table learned from messages says (turn-scorer.ts): for somebody's own matter ("my sister", "did we decide") sooner.
 *
 * docs/recall.md, "When a turn recalls nothing", has the measurements.
 */
import { isStopWord } from '../text/english-words.ts'
import { isLightTerm } from '../embed/word-table.ts'
import { stem, termsOf } from '../text/terms.ts'
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
import {
  asksInEnglish,
  commandOf,
  definitePhrases,
  isQuestion,
  isRequest,
  isTheirs,
  namesInside,
  pointedAt,
  type TurnNeed,
  wantedBy,
  whoseMatter,
  withoutMaterial,
} from './message-cues.ts'
import type { Recalled } from './recalled.ts'
import { likelihoods } from './turn-scorer.ts'

/** Words of talk itself, of time and of number: that a memory has them too says nothing. */
const small: ReadonlySet<string> = new Set(
  (
    'hi hello hey hiya yo howdy greetings welcome bye goodbye cheers thanks thank thx ta sorry pardon ok okay k yes yeah yep no nope sure fine ' +
    'great perfect awesome cool nice super wonderful excellent amazing brilliant lovely lol haha hm hmm oh wow hooray ' +
    'morning afternoon evening night noon day today tomorrow tonight yesterday date hour minute second week month year moment ' +
    'one two three four five six seven eight nine ten first last next other another same different new old many few number ' +
    'wrong correct true false sense idea example detail word thing stuff rest continue stop wait repeat again try redo undo ' +
    'helpful mind clear simple short long quick better more less back here there sound talk chat answer question message ' +
    'hallo danke bitte tschüss guten hola gracias adiós buenos buenas días favor merci bonjour salut ciao grazie prego obrigado olá ' +
    '你好 您好 好的 谢谢 谢你 再见 早上 上好 こんにちは ありがとう 안녕 안녕하세요 감사합니다'
  )
    .split(' ')
    .flatMap((word) => termsOf(word)),
)

const contraction = /^(?:what|where|who|when|how|that|it|there|here|let|she|he|everything|nothing)$/iu

export function readNeed(message: string): TurnNeed {
  const text = withoutMaterial(message).replaceAll(secretHandle, ' ')
  const verb = commandOf(text)
  const telling = wordsOf(text).filter((term) => term !== verb)
  const owners = [...text.matchAll(/(\p{L}{2,})['’]s\b/gu)].flatMap(([, word = '']) =>
    contraction.test(word) ? [] : [stem(word.toLowerCase())],
  )
  const kind = telling.length === 0 ? 'nothing' : isRequest(text) ? whoseMatter(text) : 'plain'
  const asks = isQuestion(text)
  const pointed = asks && asksInEnglish(text) ? pointedAt(text).flatMap((word) => termsOf(word, 'asked')) : null
  const names = [...new Set([...namesInside(text).flatMap((name) => termsOf(name, 'asked')), ...owners])].filter((term) =>
    telling.includes(term),
  )
  const parts = text
    .split(border)
    .map((part) => tellingTerms(part, true))
    .filter((part) => part.length > 0)
  const words = text.split(/\s+/).length
  return { kind, telling, owners, pointed, phrases: definitePhrases(text), isQuestion: asks, names, parts, words, wants: wantedBy(text) }
}

/** Where another thing is asked. */
const border = /[?;]\s+|,?\s+(?:and|y|und|et)\s+/iu

/** Of a question about what is theirs that has no telling word ("where do I work?") also those that many questions have. */
function wordsOf(text: string): readonly string[] {
  const own = isTheirs(text)
  const telling = tellingTerms(text, own)
  return telling.length === 0 && own && isQuestion(text) ? tellingTerms(text, own, isLightTerm) : telling
}

/** @param withNumbers of two digits or more: "when do I turn 42?" */
function tellingTerms(text: string, withNumbers: boolean, tells = isContent): readonly string[] {
  const plain = text.replaceAll(/[\p{L}\p{M}\p{N}']+/gu, (word) => (isStopWord(word.replaceAll("'", '').toLowerCase()) ? ' ' : word))
  return [...new Set(termsOf(plain, 'asked'))].filter((term) => tells(term) && (!/^\d+$/u.test(term) || (withNumbers && term.length > 1)))
}

function isTelling(term: string): boolean {
  return !isStopWord(term) && isContent(term)
}

/** For a word that is not a stop word: its term may equal a stop word's by chance ("Ines"). */
function isContent(term: string): boolean {
  return !small.has(term) && !isLightTerm(term)
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

/** What stands for a secret says nothing of what a message is about. */
const secretHandle = /\[secret:[^\]\s]*\]/g

/** A file or an address: what it holds is there, and many messages of one work name it. */
function isPlace(name: string): boolean {
  return /[/\\]|\.\p{L}\w{0,4}$/u.test(name)
}
