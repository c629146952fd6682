/**
 * Other names of those whom a message names, by what memory tells of them: "Rebecca, whom everyone calls Bex", "my sister Rosa". What memory has
 * of Rosa seldom says whose sister she is, so a message about the sister is searched for with her name as well.
 */
import { isStopWord } from '../text/english-words.ts'
import { speakerOf } from './raise.ts'

/** Behind these stands another name of somebody. */
const alsoCalled =
  /(?:\b(?:calls?|called|known(?: in \w+(?: \w+)?)? as|goes by|nicknamed?|aka|a\.k\.a\.|short for|real name(?: is)?|we (?:all |just )?(?:say|call)(?: (?:her|him|it|them))?|for (?:the |his |her )?friends|wants to be called|, or|, that's|genannt|sagen|alle nennen (?:sie|ihn)|para los amigos|dite?)\b(?: (?:her|him|them|by all of us))?|\()\s*["“]?([\p{L}\p{N}]{2,})/giu
const wordsBefore = 9

/** Words that one text takes for names of the same. */
export function namePairs(text: string): readonly (readonly [also: string, first: string])[] {
  return [...text.matchAll(alsoCalled)].flatMap(({ 1: also = '', index }) => {
    if (isStopWord(also.toLowerCase())) return []
    const before = (text.slice(0, index).match(/[\p{L}\p{N}]+/gu) ?? []).slice(-wordsBefore)
    const capitals = before.filter((word) => /^\p{Lu}\p{Ll}/u.test(word) && !isStopWord(word.toLowerCase()))
    const firsts = capitals.length > 0 ? capitals : before.filter((word) => word.length > 2 && !isStopWord(word.toLowerCase()))
    return firsts.map((first) => [also, first] as const)
  })
}

/** @param texts that were found for the message @returns names of those whom it calls otherwise: for a second search; empty: nothing to add */
export function otherNames(message: string, texts: readonly string[]): readonly string[] {
  const said = new Set(message.toLowerCase().match(/[\p{L}\p{N}]+/gu))
  const has = (word: string): boolean => said.has(word.toLowerCase())
  const isNamed = (word: string): boolean => /^\p{Lu}/u.test(word)
  const also = texts
    .flatMap(namePairs)
    .flatMap(([other, first]) => (has(other) && !has(first) ? [first] : has(first) && isNamed(first) && !has(other) ? [other] : []))
  return [...new Set([...also, ...namesOfRelatives(message, texts)])]
}

/** "my sister", "Ada's best friend": whose, and who by one word or two. */
const somebodys = /(?<!\p{L})([Mm]y|[Oo]ur|\p{Lu}\p{L}+(?=['’]s ))(?=(?:['’]s)? (\p{Ll}+)(?: (\p{Ll}+))?)/gu

/** @param texts that were found for the message @returns the names of those whom it calls somebody's, where texts tell them */
export function namesOfRelatives(message: string, texts: readonly string[]): readonly string[] {
  const names = [...message.matchAll(somebodys)].flatMap(([, owner = '', one = '', two]) => {
    const called = two === undefined ? [one] : [`${one} ${two}`, one]
    return called.map((who) => nameOf(owner, who, texts)).find((name) => name !== '') ?? []
  })
  return [...new Set(names)].filter((name) => !message.includes(name))
}

/** @param owner a name, or "my" @param who "sister" @returns what the owner's sister is called; empty: no text tells it */
function nameOf(owner: string, who: string, texts: readonly string[]): string {
  // Most texts do not speak of any sister.
  const told = texts.filter((text) => text.includes(who)).map((text) => ({ speaker: speakerOf(text), text }))
  const isOwner = (whose: string, speaker: string): boolean =>
    ownWord.test(whose) ? ownWord.test(owner) || speaker === owner : whose === owner
  for (const pattern of [namedBehind, namedBefore]) {
    for (const { speaker, text } of told) {
      for (const { groups: { whose = '', called = '', name = '' } = {} } of text.slice(speaker.length).matchAll(pattern)) {
        if (` ${called} `.includes(` ${who} `) && isOwner(whose, speaker) && name !== owner && !isStopWord(name.toLowerCase())) return name
      }
    }
  }
  return ''
}

const ownWord = /^(?:my|our)$/iu
/** "My sister Rosa", "my sister is called Rosa". */
const namedBehind =
  /(?<!\p{L})(?<whose>[Mm]y|[Oo]ur|\p{Lu}\p{L}+(?=['’]s ))(?:['’]s)? (?<called>\p{Ll}+(?: \p{Ll}+)?)(?:,| is called| is named|['’]s name is)? (?<name>\p{Lu}[\p{L}\p{M}]+)/gu
/** "Rosa is my sister", "Rosa dropped by, my sister". */
const namedBefore =
  /(?<name>\p{Lu}[\p{L}\p{M}]+)[^.!?\p{Lu}]{0,30}(?:,| is| was) (?<whose>my|our|\p{Lu}\p{L}+(?=['’]s ))(?:['’]s)? (?<called>\p{Ll}+(?: \p{Ll}+)?)/gu
