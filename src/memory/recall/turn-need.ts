/**
 * Whether a turn needs anything of memory, and what of a search it is given. Something is always near, and most messages need nothing: a
 * greeting, a command about files, a question that anybody could ask. So a message is read first. Who speaks of what is theirs ("my
 * sister", "did we decide") gets what is near it; anybody else only what has nearly all the words of the message.
 *
 * docs/recall.md, "When a turn recalls nothing", has the measurements.
 */
import { isStopWord } from '../text/english-words.ts'
import { isLightTerm } from '../embed/word-table.ts'
import { stem, termsOf } from '../text/terms.ts'
import { wordPart } from '../text/text-engine.ts'
import {
  aloneBy,
  leastAloneCloseness,
  leastCoverage,
  leastCoverageAlone,
  leastPersonalCloseness,
  leastPlainCloseness,
  leastSpeakerCloseness,
  leastPersonalCoverage,
  leastNearness,
  sameAsBest,
  leastGap,
  fewestForFloor,
  bestWhenUnsure,
  leastWhenUnsure,
  nearestWhenUnsure,
  standsOut,
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
  whoseMatter,
  withoutMaterial,
} from './message-cues.ts'
import type { Recalled } from './recalled.ts'

export interface TurnNeed {
  /** `nothing`: no search can bring anything that the message needs. */
  readonly kind: 'nothing' | 'impersonal' | 'plain' | 'speaker' | 'personal'
  /** Terms of the message that say what it is about. */
  readonly telling: readonly string[]
  /** Of them those whose something is asked for: `Clara's`. */
  readonly owners: readonly string[]
  /** Of a question in English, terms that point at something both know of: names, and what stands behind "the". Null for all else. */
  readonly pointed: readonly string[] | null
  /** What it calls "the best man". */
  readonly phrases: readonly string[]
  readonly isQuestion: boolean
}

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
  return { kind, telling, owners, pointed, phrases: definitePhrases(text), isQuestion: asks }
}

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

/** @param found best first @returns those that the turn is given */
export function fitting(found: readonly Recalled[], need: TurnNeed): readonly Recalled[] {
  if (need.kind === 'nothing') return []
  const tells = found.filter((each) => saysSomething(each) && saysMore(each.passage.terms, need))
  const closeEnough = standsAlone(tells) ? leastAloneCloseness : leastPlainCloseness
  return tells.some((each) => opens(each, need, closeEnough)) ? nearBest(tells, need) : []
}

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

/** @param closeEnough for a turn that is about nobody's own */
function opens(
  { why: { closeness, exact, vectorScore }, passage: { terms, text, entry } }: Recalled,
  need: TurnNeed,
  closeEnough: number,
): boolean {
  if (exact.some((name) => !isPlace(name))) return true
  const { kind, telling, owners } = need
  const has = new Set(wordPart(terms).split(' '))
  const covered = telling.filter((term) => has.has(term)).length / telling.length
  // A document was put there to be consulted.
  if (kind === 'impersonal' && entry.kind !== 'document') return false
  if (kind === 'speaker' && closeness !== null && closeness >= leastSpeakerCloseness) return true
  if (kind === 'personal' || entry.kind === 'document' || owners.some((owner) => has.has(owner))) {
    if (closeness !== null) return closeness >= leastPersonalCloseness
    return covered >= leastPersonalCoverage || (vectorScore ?? 0) >= leastNearness
  }
  // What was done once on a like command is no reason to tell of it, and one word in common with a command is a coincidence.
  if (!need.isQuestion && (telling.length < 2 || (entry.kind === 'message' && entry.author === 'agent'))) return false
  if (closeness === null) return covered >= (unspaced.test(telling.join('')) ? leastPersonalCoverage : leastCoverageAlone)
  if (covered < leastCoverage || closeness < closeEnough) return false
  return (
    need.pointed === null ||
    (telling.length > 1 && covered === 1) ||
    need.pointed.some((term) => has.has(term)) ||
    need.phrases.some((phrase) => text.toLowerCase().includes(phrase)) ||
    namesAnyOf(text, telling)
  )
}

function standsAlone(found: readonly Recalled[]): boolean {
  const [best = 0, next = 0] = found.map(({ score }) => score).sort((a, b) => b - a)
  return best - next >= best * aloneBy
}

/** A name that the person wrote as one, when they told of it. */
function namesAnyOf(text: string, telling: readonly string[]): boolean {
  return namesInside(text).some((name) => termsOf(name, 'asked').some((term) => telling.includes(term)))
}

/** What stands for a secret says nothing of what a message is about. */
const secretHandle = /\[secret:[^\]\s]*\]/g

/** Scripts that split a word into several terms. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u

/** A file or an address: what it holds is there, and many messages of one work name it. */
function isPlace(name: string): boolean {
  return /[/\\]|\.\p{L}\w{0,4}$/u.test(name)
}

/**
 * A sure search gives what stands out. Words asked in another way compare badly, so an unsure search gives more: the best, and what
 * is nearest as a whole, which finds other memories than words one by one.
 */
function nearBest(found: readonly Recalled[], need: TurnNeed): readonly Recalled[] {
  const certain = untilGap(found)
  const best = Math.max(...found.map(({ score }) => score))
  if (best >= standsOut || !isTheirMatter(need)) return certain
  const nearness = ({ why }: Recalled): number => why.vectorScore ?? 0
  const nearest = found
    .filter((each) => nearness(each) > 0)
    .sort((a, b) => nearness(b) - nearness(a))
    .slice(0, nearestWhenUnsure)
  const behind = found.slice(0, bestWhenUnsure).filter(({ score }) => score >= best * leastWhenUnsure)
  return found.filter((each) => certain.includes(each) || nearest.includes(each) || behind.includes(each))
}

function isTheirMatter({ kind, isQuestion: asks }: TurnNeed): boolean {
  return kind === 'personal' || (kind === 'speaker' && asks)
}

/** @returns those that are nearer to the best than to the last, and of these those before the widest gap, if it is wide */
function untilGap(found: readonly Recalled[]): readonly Recalled[] {
  const scores = found.map(({ score }) => score).sort((a, b) => b - a)
  const best = scores[0] ?? 0
  const last = scores.length < fewestForFloor ? 0 : (scores.at(-1) ?? 0)
  let bound = best - (best - last) * sameAsBest
  const above = scores.filter((score) => score >= bound)
  let widest = best * leastGap
  for (let i = 1; i < above.length; i++) {
    const gap = above[i - 1]! - above[i]!
    if (gap > widest) [widest, bound] = [gap, above[i - 1]!]
  }
  return found.filter(({ score }) => score >= bound)
}
