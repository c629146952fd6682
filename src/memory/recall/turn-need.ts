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
  leastCoverage,
  leastCoverageAlone,
  leastPersonalCloseness,
  leastPlainCloseness,
  leastPersonalCoverage,
  leastNearness,
  sameAsBest,
  leastGap,
  fewestForFloor,
} from './recall-limits.ts'
import type { Recalled } from './recalled.ts'

export interface TurnNeed {
  /** `nothing`: no search can bring anything that the message needs. */
  readonly kind: 'nothing' | 'plain' | 'personal'
  /** Terms of the message that say what it is about. */
  readonly telling: readonly string[]
  /** Of them those whose something is asked for: `Clara's`. */
  readonly owners: readonly string[]
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

/** In the message stands material, and before it what is to be done with it. */
const material =
  /^[^:\n]*\b(?:this|these|following|below|summari[sz]e|translate|proofread|correct|rewrite|rephrase|shorten|improve|fix|explain|review)\b[^:\n]*:\s/iu
/** What a person brings along and works at: it is in the message or in a file, and not in memory. */
const brought =
  'code|script|program|function|query|regex|file|files|folder|text|essay|sentence|grammar|paragraph|draft|letter|message|question|answer|list|table|input|output|error|bug|test|tests|build|repo|branch|commit|changes|math|homework|mistake|own'
/** English, and the commonest words for it in some other languages. */
const theirs = [
  new RegExp(`\\b(?:my|our)\\b(?!\\s+(?:\\p{L}+\\s+)?(?:${brought})\\b)|\\b(?:ours|mine|we|us|usual|usually)\\b`, 'iu'),
  /\b(?:remember|remind me of|about me|mentioned|talked|last time|mom|mum|dad|grandma|grandpa|granny|auntie)\b/iu,
  /\b(?:told|did) you\b|\byou (?:said|told|suggested|recommended|wrote|gave)\b|\bwho(?:'s| is| was) \p{Lu}/u,
  /^(?!\W*(?:how (?:do|can|could|would)|can|could|may|should|do)\s+I\b).*\b(?:did|am|was|have|had|do|will|should|may|can)\s+I\b/iu,
  /(?<!\p{L})(?:mein\p{L}{0,2}|unser\p{L}{0,2}|ich|wir|mi|mis|nuestr[oa]s?|soy|mon|mes|notre|nos|je|nous|mia|mio|meu|minha)(?!\p{L})/iu,
  /[我咱]|私|僕|俺|우리|내(?=\s)/u,
]
const contraction = /^(?:what|where|who|when|how|that|it|there|here|let|she|he|everything|nothing)$/iu

export function readNeed(message: string): TurnNeed {
  const text = (material.exec(message)?.[0] ?? message).replaceAll(secretHandle, ' ')
  const telling = tellingTerms(text)
  const owners = [...text.matchAll(/(\p{L}{2,})['’]s\b/gu)].flatMap(([, word = '']) =>
    contraction.test(word) ? [] : [stem(word.toLowerCase())],
  )
  const kind = telling.length === 0 ? 'nothing' : isTheirs(text) && isRequest(text) ? 'personal' : 'plain'
  return { kind, telling, owners, isQuestion: isQuestion(text) }
}

function isTheirs(text: string): boolean {
  return theirs.some((each) => each.test(text))
}

function tellingTerms(text: string): readonly string[] {
  const plain = text.replaceAll(/[\p{L}\p{M}\p{N}']+/gu, (word) => (isStopWord(word.replaceAll("'", '').toLowerCase()) ? ' ' : word))
  return [...new Set(termsOf(plain, 'asked'))].filter((term) => isTelling(term) && !/^\d+$/u.test(term))
}

function isTelling(term: string): boolean {
  return !isStopWord(term) && !small.has(term) && !isLightTerm(term)
}

const asking = 'who whom whose what when where which why how is are was were do does did has have had can could should would will am'
const verbs = [
  'add append ask book build bump calculate call change check clean close commit compare compile compose compress continue convert copy correct count',
  'create debug delete deploy describe design document download draft edit explain extract fetch find fix format generate get give go grep',
  'help implement import improve install list log look make merge move open optimi[sz]e parse pick plan prepare print proofread push put read recommend',
  'redo refactor remind remove rename reorder replace reply rephrase research revert review rewrite roll run save say schedule search send set',
  'shorten show solve sort split start stop suggest sum summari[sz]e switch tail tell test text translate try turn undo unzip update upload use verify',
  'walk watch write',
].join(' ')
/** How people begin what they want. */
const beginsWith = (words: string): RegExp =>
  new RegExp(
    `^\\W*(?:(?:please|now|then|and|so|ok|okay|hey|hi|hello|quick|question|just|also|(?:can|could|would|will) you)\\W+)*(?:${words.replaceAll(' ', '|')})\\b`,
    'iu',
  )
const command = beginsWith(verbs)
const question = beginsWith(asking)
const questionMark = /[?？؟]\s*["'”’)]*\s*$/u

function isQuestion(text: string): boolean {
  return !command.test(text) && (question.test(text) || questionMark.test(text))
}

/** A question or a command. What is neither tells something. */
function isRequest(text: string): boolean {
  return command.test(text) || isQuestion(text)
}

/** @param found best first @returns those that the turn is given */
export function fitting(found: readonly Recalled[], need: TurnNeed): readonly Recalled[] {
  if (need.kind === 'nothing') return []
  const tells = found.filter(({ passage: { entry, text, terms } }) => (entry.author !== 'user' || !onlyAsks(text)) && saysMore(terms, need))
  return tells.some((each) => opens(each, need)) ? untilGap(tells) : []
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

/** A question tells nothing, and a command nothing of a person, unless it says so. */
function onlyAsks(text: string): boolean {
  return isRequest(text) && (/[?？؟]\s*$/u.test(text) || !isTheirs(text))
}

function opens({ why: { closeness, exact, vectorScore }, passage: { terms, entry } }: Recalled, need: TurnNeed): boolean {
  if (exact.some((name) => !isPlace(name))) return true
  const { kind, telling, owners } = need
  const has = new Set(wordPart(terms).split(' '))
  const covered = telling.filter((term) => has.has(term)).length / telling.length
  // A document was put there to be consulted.
  if (kind === 'personal' || entry.kind === 'document' || owners.some((owner) => has.has(owner))) {
    if (closeness !== null) return closeness >= leastPersonalCloseness
    return covered >= leastPersonalCoverage || (vectorScore ?? 0) >= leastNearness
  }
  // What was done once on a like command is no reason to tell of it, and one word in common with a command is a coincidence.
  if (!need.isQuestion && (telling.length < 2 || (entry.kind === 'message' && entry.author === 'agent'))) return false
  if (closeness === null) return covered >= (unspaced.test(telling.join('')) ? leastPersonalCoverage : leastCoverageAlone)
  return covered >= leastCoverage && closeness >= leastPlainCloseness
}

/** What stands for a secret says nothing of what a message is about. */
const secretHandle = /\[secret:[^\]\s]*\]/g

/** Scripts of which a word has several terms. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u

/** A file or an address: what it holds is there, and many messages of one work name it. */
function isPlace(name: string): boolean {
  return /[/\\]|\.\p{L}\w{0,4}$/u.test(name)
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
