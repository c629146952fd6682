/**
 * What decides without a model whether a message states something lasting, and whether a model's statement was really said. Both are
 * cheap and strict: small talk costs no request, and what a model adds of its own is not kept.
 */
import { sentencesOf } from '../summary/sentences.ts'
import { type Statement, statementsOf } from './statements.ts'
import { maxWeighedSentences } from './tidy-limits.ts'

/** First words of requests, and of what is said without stating anything. */
const request =
  /^(?:please|can you|could you|would you|will you|let's|let us|show|list|write|fix|run|make|create|open|read|summari[sz]e|explain|tell|give|add|remove|delete|try|check|find|help|what|who|when|where|why|how|which|do|does|did|is|are|if|suppose|imagine|maybe|perhaps|thanks?|hello|hi|hey)\b/iu
const mood =
  /^(?:and |but |oh,? |well,? )?(?:i'm|i am|we're|we are) (?:fine|good|ok(?:ay)?|back|ready|done|sorry|here|sure|happy|glad|afraid|curious|not sure)\b/iu
const passing =
  /\b(?:I|we)(?:'ll|'d)?\s+(?:want|need|think|guess|hope|see|mean|understand|wonder|know|don't|do not|can|can't|cannot|could|should|will|would|asked|said|meant|tried|just)\b/iu

const states: readonly RegExp[] = [
  /\b(?:I|[Ww]e)\b/u,
  /\b(?:my|our)\s+[\p{L}\d-]+(?:,?\s+[\p{L}\d-]+){0,3}?(?:,?\s+(?:is|are|was|were|has|have|lives?|works?|uses?|runs?|needs?|likes?|starts?|ends?|became|will be)\b|'s\b)/iu,
  /\b\p{Lu}\p{L}+(?:\s\p{Lu}\p{L}+)?(?:'s\s+[\p{L}-]+(?:\s[\p{L}-]+)?)?\s+(?:is|are|was|has|lives|works|uses|runs|prefers|likes|hates|moved|joined|left|married|leads|owns|plays|speaks|studies|starts|manages|knows)\b/u,
  /^(?:the|a|an|on|in|at|every|each|both|all|one|two|three)\s(?:[^\s,]+\s){0,8}?(?:is|are|was|were|has|have|had|moved|starts?|ends?|opens?|closes?|costs?|needs?|runs?|lives?|leaves?|arrives?|belongs?|takes?|goes|got)\b/iu,
  /\b(?:(?:unser|mein)(?:e|er)?|der|die|das) \p{L}+ (?:ist|hat|heißt|steht|wohnt|läuft|fährt)\b/iu,
  /\b(?:ich (?:bin|habe|wohne|arbeite|heiße|mag|lebe)|(?:mein|unser)(?:e|er|en|em)? \p{L}+ (?:ist|hat|heißt|wohnt|arbeitet)|wir (?:haben|nutzen|verwenden|sind))\b/iu,
  /\b(?:je (?:suis|m'appelle|travaille|préfère)|j'(?:ai|habite|aime)|(?:mon|ma|mes|notre|nos) \p{L}+ (?:est|sont|a|s'appelle|habite|travaille))\b/iu,
  /\b(?:(?:yo )?(?:soy|vivo|trabajo|prefiero|tengo)|me llamo|(?:mi|nuestr[oa]) \p{L}+ (?:es|vive|trabaja|se llama))\b/iu,
  /(?:나는|저는|난|전|내|제|우리)\s|(?:私|僕|俺|うち)(?:は|の)|我(?:是|的|在|住|喜欢|们|妹|姐|哥|弟|妈|爸|家|儿|女)/u,
]

/** Words that begin a sentence with a capital letter and name nobody. */
const pronoun = /^(?:it|this|that|there|here|what|everything|nothing|something|which)\b/iu

/** @returns whether a model may find a lasting fact that no rule has found */
export function isWorthReading(text: string): boolean {
  return sentencesOf(text.replaceAll('’', "'"))
    .slice(0, maxWeighedSentences)
    .some((sentence) => mayState(sentence) && statementsOf(sentence).length === 0)
}

/** @returns whether a message may state anything, to a rule or to a model */
export function mayTell(text: string): boolean {
  return statementsOf(text).length > 0 || isWorthReading(text)
}

function mayState(sentence: string): boolean {
  if (/[?？]$/u.test(sentence) || request.test(sentence) || mood.test(sentence) || pronoun.test(sentence)) return false
  return !passing.test(sentence) && states.some((form) => form.test(sentence))
}

/**
 * A model's answer is hostile input: what it states counts only as far as the message says it. The value and the subject have to stand
 * there; a sentence with a number, a name or another word that does not is replaced by the person's own.
 * @returns null where the message does not say it
 */
export function groundedIn(statement: Statement, message: string): Statement | null {
  const said = wordsIn(message)
  const plain = message.replace(/\s+/gu, ' ').toLowerCase()
  if (!plain.includes(statement.value.toLowerCase()) || wordsIn(statement.value).length === 0) return null
  if (statement.subject !== 'me' && !wordsIn(statement.subject).every((word) => said.includes(word))) return null
  const isOwn = (word: string): boolean => {
    const plainWord = word.toLowerCase()
    return framing.has(plainWord) || said.includes(plainWord) || (!exact.test(word) && said.some((other) => areForms(plainWord, other)))
  }
  if ((statement.text.normalize('NFC').match(word) ?? []).every(isOwn)) return statement
  const sentence = sentencesOf(message).find((each) => each.toLowerCase().includes(statement.value.toLowerCase()))
  return sentence === undefined ? null : { ...statement, text: sentence }
}

function wordsIn(text: string): readonly string[] {
  return text.normalize('NFC').toLowerCase().match(word) ?? []
}

const word = /[\p{L}\p{N}]+/gu

/** Names and numbers are the same or they are not. */
const exact = /^\p{Lu}|\p{N}/u

/** `plays` and `playing`: the same beginning with short endings. */
function areForms(one: string, other: string): boolean {
  let common = 0
  while (common < one.length && one[common] === other[common]) common++
  return common >= 4 && one.length - common <= 3 && other.length - common <= 3
}

/** With which a sentence of a model speaks about the person; they state nothing. */
const framing: ReadonlySet<string> = new Set(
  'the a an user person they their them he she his her is are was were be has have had i my me we our and or of to in on at for with that as by s'.split(
    ' ',
  ),
)
