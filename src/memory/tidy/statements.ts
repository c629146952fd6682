/**
 * Statements: subject, attribute and value of a sentence, matched by phrase patterns in English and Korean. The patterns are few and
 * precise: a sentence that matches none states nothing.
 */
import { truncate } from '../../base/index.ts'
import type { MemoryType } from '../../store/index.ts'
import { sentencesOf } from '../summary/sentences.ts'
import { maxFactChars, maxFactsEach } from './tidy-limits.ts'

export interface Statement {
  readonly type: MemoryType
  /** Lower case; `me` is the user. */
  readonly subject: string
  readonly attribute: string
  readonly value: string
  /** Only one value can be valid at a time: a later one ends the earlier one. */
  readonly single: boolean
  /** The sentence. */
  readonly text: string
}

interface Pattern {
  readonly words: RegExp
  readonly type: MemoryType
  readonly attribute: string
  readonly single: boolean
}

const single = true
const many = false
const pattern = (type: MemoryType, attribute: string, isSingle: boolean, words: RegExp): Pattern => ({
  words,
  type,
  attribute,
  single: isSingle,
})

/** Subject `(?<s>…)`: a name or a relative. A value ends at a clause or the end of the sentence. */
const who = String.raw`(?<s>\bI|[Mm]y (?:wife|husband|partner|son|daughter|mother|father|mum|mom|dad|brother|sister|boss|friend|dog|cat|car|company|team|project|office|birthday|phone|address|email)|\p{Lu}\p{L}+(?: \p{Lu}\p{L}+)?)`
const value = String.raw`(?<v>[^,.;!?\n]{1,120}?)`
const end = String.raw`(?= (?:now|today|anymore|any more|these days|since|because|but|and I|so)\b|[,;!?]|\.(?:\s|$)|$)`
const words = (middle: string): RegExp => new RegExp(`${who}${middle}${value}${end}`, 'u')

/** The first match wins. */
const patterns: readonly Pattern[] = [
  pattern('user_profile', 'name', single, /\b(?:my name is|call me|people call me) (?<v>\p{Lu}[\p{L}'-]+(?: \p{Lu}[\p{L}'-]+){0,2})/iu),
  pattern(
    'user_profile',
    'lives in',
    single,
    words(String.raw`(?:'m| am| is|'s)? ?(?:(?:now |just |recently )?(?:live|lives|living|moved|relocated)) (?:in|to|near) `),
  ),
  pattern(
    'user_profile',
    'works at',
    single,
    words(
      String.raw`(?:'m| am| is|'s| now| have| has)* (?:work|works|working|employed|started|joined)(?: (?:at|for|with))? (?=(?:at |for )?\p{Lu})(?:at |for )?`,
    ),
  ),
  pattern(
    'user_profile',
    'works as',
    single,
    words(String.raw`(?:'m| am| is|'s) (?:an?) (?=[\p{L} -]*(?:er|or|ist|ian|ant|ect|eer|nurse|chef|pilot|judge|clerk)\b)`),
  ),
  pattern('user_profile', 'birthday', single, /\b(?<s>[Mm]y|\p{Lu}\p{L}+'s) birthday is (?:on )?(?<v>[^,.;!?\n]{1,40}?)(?=[,.;!?]|$)/u),
  pattern('user_profile', 'allergic to', many, words(String.raw`(?:'m| am| is|'s) allergic to `)),
  pattern(
    'user_profile',
    'contact',
    single,
    /\b(?<s>[Mm]y|\p{Lu}\p{L}+'s) (?<a>phone number|email(?: address)?|address) is (?<v>\S[^,;!?\n]{2,80}?)(?=[,;!?]|\.(?:\s|$)|$)/u,
  ),
  pattern(
    'preference',
    'favourite',
    single,
    /\b(?<s>[Mm]y|\p{Lu}\p{L}+'s) favou?rite (?<a>[\p{L} ]{2,30}?) is (?<v>[^,.;!?\n]{1,80}?)(?=[,.;!?]|$)/u,
  ),
  pattern('preference', 'prefers', many, words(String.raw`(?:'d| would)?(?: \p{Ll}+ly)? prefers? `)),
  pattern(
    'preference',
    'does not like',
    many,
    words(String.raw`(?: really)? (?:(?:don't|do not|doesn't|does not) (?:really )?(?:like|eat|drink|want)|hate|hates|can't stand) `),
  ),
  pattern('preference', 'likes', many, words(String.raw`(?: really| also)? (?:like|likes|love|loves|enjoy|enjoys) `)),
  pattern(
    'preference',
    'always',
    many,
    /\b(?<v>(?:[Pp]lease )?(?:always|never) (?:use|write|answer|reply|show|ask|call|speak|send|keep) [^.;!?\n]{2,120}?)(?=[.;!?]|$)/u,
  ),
  pattern(
    'decision',
    'decided',
    many,
    /\b(?:we|I) (?:have |'ve )?(?:decided|agreed|chose) (?:to |that |on )?(?<v>[^.;!?\n]{3,160}?)(?=[.;!?]|$)/iu,
  ),
  pattern('fact', 'has', many, words(String.raw` (?:have|has|own|owns|bought|got|adopted) (?=an? |two |three |four |new )`)),
  pattern('user_profile', 'name', single, /(?:내|제) 이름은 (?<v>[\p{Script=Hangul}A-Za-z ]{1,20}?)(?:이야|야|입니다|이에요|예요|이다)/u),
  pattern(
    'user_profile',
    'lives in',
    single,
    /(?:나는|저는|난|전) (?<v>[\p{Script=Hangul}A-Za-z ]{1,20}?)에(?:서)? (?:살아|삽니다|살고|산다)/u,
  ),
  pattern(
    'user_profile',
    'works at',
    single,
    /(?:나는|저는|난|전) (?<v>[\p{Script=Hangul}A-Za-z ]{1,20}?)에서 (?:일해|일합니다|일하고|근무)/u,
  ),
  pattern('preference', 'likes', many, /(?:나는|저는|난|전) (?<v>[\p{Script=Hangul}A-Za-z ]{1,30}?)(?:을|를|이|가) (?:좋아|선호)/u),
  pattern('preference', 'does not like', many, /(?:나는|저는|난|전) (?<v>[\p{Script=Hangul}A-Za-z ]{1,30}?)(?:을|를|이|가) (?:싫어)/u),
  pattern('preference', 'always', many, /(?<v>(?:항상|절대) [\p{Script=Hangul}A-Za-z0-9 ]{2,60})/u),
  pattern('decision', 'decided', many, /(?<v>[\p{Script=Hangul}A-Za-z0-9 ]{2,60}?)(?:기로 결정|기로 했|로 결정)/u),
]

/** @returns the statements of a text. Questions and suppositions have none. */
export function statementsOf(text: string): readonly Statement[] {
  return sentencesOf(text)
    .flatMap((sentence) => statementOf(sentence) ?? [])
    .slice(0, maxFactsEach)
}

const supposed = /^(?:if|suppose|imagine|what if|maybe|perhaps|would)\b|\b(?:might|could) be\b|만약|[?？]$/iu

function statementOf(sentence: string): Statement | null {
  if (supposed.test(sentence)) return null
  // Phones write a typographic apostrophe.
  const plain = sentence.replaceAll('’', "'")
  for (const { words: expression, type, attribute, single: isSingle } of patterns) {
    const groups = expression.exec(plain)?.groups
    const found = groups?.['v']?.trim()
    if (found === undefined || found === '') continue
    const exact = groups?.['a'] === undefined ? attribute : `${attribute} ${groups['a'].toLowerCase().trim()}`
    const subject = subjectOf(groups?.['s'])
    if (subject === null) return null
    return {
      type: subject === 'me' || type !== 'user_profile' ? type : 'fact',
      subject,
      attribute: exact,
      value: found,
      single: isSingle,
      text: truncate(sentence, maxFactChars),
    }
  }
  return null
}

/** Capitalized first words that are not names. */
const nobody = new Set(
  'it this that there here what he she they we you the a an his her their our its everybody everyone nobody somebody which who'.split(' '),
)

function subjectOf(said: string | undefined): string | null {
  const subject = (said ?? 'I').toLowerCase().replace(/'s$/u, '')
  if (subject === 'i' || subject === 'my') return 'me'
  return nobody.has(subject.split(' ')[0] ?? '') ? null : subject
}

/** Key of statements about the same attribute. */
export function topicOf({ subject, attribute }: Pick<Statement, 'subject' | 'attribute'>): string {
  return `${subject}\n${attribute}`
}

export function sameValue(a: string, b: string): boolean {
  const plain = (text: string): string =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\d]+/gu, ' ')
      .replace(/^(?:an?|the) /u, '')
      .trim()
  return plain(a) === plain(b)
}
