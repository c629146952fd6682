/**
 * What a message may need of memory, by itself: most messages need nothing. A greeting, a command about files, a question that anybody could
 * ask is read as such before anything is searched.
 */
import { isStopWord } from '../text/english-words.ts'
import { isLightTerm } from '../embed/word-table.ts'
import { stem, termsOf } from '../text/terms.ts'
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

/** What stands for a secret says nothing of what a message is about. */
const secretHandle = /\[secret:[^\]\s]*\]/g

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

export function isTelling(term: string): boolean {
  return !isStopWord(term) && isContent(term)
}

/** For a word that is not a stop word: its term may equal a stop word's by chance ("Ines"). */
function isContent(term: string): boolean {
  return !small.has(term) && !isLightTerm(term)
}
