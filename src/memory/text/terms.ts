/**
 * Terms of a text: what the index of words has, and what a question is looked up by. One reading for both, so that what was
 * written is found. A word's terms depend on the word alone. Names (paths, addresses, versions, codes, dates) are kept whole
 * and in their parts.
 *
 * A term has 1 to 64 UTF-16 units, no white space, no control character, no capital, and is well-formed; it may be
 * punctuated inside (`src/main.ts`) and may be an emoji.
 */
import { stemmer as arabic } from '@orama/stemmers/arabic'
import { stemmer as english } from '@orama/stemmers/english'
import { stemmer as greek } from '@orama/stemmers/greek'
import { stemmer as russian } from '@orama/stemmers/russian'
import { regular } from './english-words.ts'
import { addScriptTerms, isUnspaced, type Side } from './script-words.ts'
import { maxNameParts, maxTermLength, maxTermUnits } from './text-limits.ts'
import { ownValue } from '../../base/index.ts'

/**
 * Words, and names made of words with signs between them; a comma only between digits. No two parts of it can begin with the
 * same character, so it never goes back over what it has read.
 */
const chunks = /[\p{L}\p{M}\p{N}]+(?:(?:[_./\\:@+=&?%#~$'-]+|(?<=\p{Nd}),(?=\p{Nd}))[\p{L}\p{M}\p{N}]+)*(?:\+\+|#)?/gu
const signs = /[^\p{L}\p{M}\p{N}]+/u
/** What makes several words one name: a sign that no sentence has between letters, or a digit next to any sign. */
const nameSign = /[_/\\@=&?%#~$+]|[\p{L}\p{N}][.:]+\p{L}/u
const initials = /^(?:\p{L}\.)+\p{L}$/u
const groupedNumber = /^\d{1,3}(?:[.,']\d{3})+(?:[.,]\d+)?$/
/** Endings behind an apostrophe, and the short words before one in French and Italian. */
const clitic = /'(?:s|ll|re|ve|d|m)$|^(?:[cdjlmnst]|qu|dell?|nell?|all?|un)'(?=\p{L}{3})/giu

/** In the order of the text, as often as they stand in it; emoji behind the words. */
export function termsOf(text: string, side: Side = 'kept'): string[] {
  const { rest, terms: emoji } = takeEmoji(text.length > maxTermUnits ? text.slice(0, maxTermUnits) : text)
  const terms: string[] = []
  for (const [chunk] of cleanText(rest).matchAll(chunks)) addChunk(chunk, side, terms)
  for (const each of emoji) terms.push(each)
  return terms.length < 2 ? terms : terms.filter((term) => term !== '')
}

/** Is it one name, rather than words with a sign between them? */
export function isName(chunk: string): boolean {
  return signs.test(chunk) && (nameSign.test(chunk) || /\p{N}/u.test(chunk)) && !initials.test(chunk)
}

function addChunk(chunk: string, side: Side, into: string[]): void {
  if (!signs.test(chunk)) {
    addWordTerms(chunk, side, into)
    return
  }
  // U.S. is us, p.m. is pm.
  if (initials.test(chunk)) {
    into.push(chunk.replaceAll('.', '').toLowerCase())
    return
  }
  if (/^\p{L}{1,2}(?:\+\+|#)$/u.test(chunk)) {
    into.push(chunk.toLowerCase())
    return
  }
  if (isName(chunk)) into.push(cutTerm(chunk.toLowerCase()))
  // C++ of C++11, and of C++로.
  for (const [named] of chunk.matchAll(/(?<![\p{L}\p{M}\p{N}])\p{L}{1,2}(?:\+\+|#)(?!\+)/gu)) into.push(named.toLowerCase())
  if (groupedNumber.test(chunk)) into.push(chunk.replace(/[.,]\d{1,2}$/, '').replace(/[.,']/g, ''))
  const parts = chunk.split(/[^\p{L}\p{M}\p{N}']+/u)
  for (const part of parts.length > maxNameParts ? parts.slice(0, maxNameParts) : parts) {
    if (part.includes("'")) addApostrophe(part, side, into)
    else if (part !== '') addWordTerms(part, side, into)
  }
}

/** `don't` is dont, `ox's` is ox, `l'homme` is homme, `O'Brien` is obrien and brien. */
function addApostrophe(part: string, side: Side, into: string[]): void {
  const bare = part.replace(clitic, '')
  const pieces = bare.split("'").filter((piece) => piece !== '')
  if (pieces.length > 1) addWordTerms(pieces.join(''), side, into)
  if (/n't$/i.test(bare)) return
  const own = pieces.length > 1 ? pieces.filter((piece) => piece.length > 2) : pieces
  for (const piece of own) addWordTerms(piece, side, into)
}

/** Humps of camelCase, runs of capitals before one, digits, and what is left. Each step takes a character, so it ends. */
const humps = /\p{Lu}+(?!\p{Ll})|\p{Lu}?[\p{Ll}\p{Lo}\p{Lm}\p{Lt}\p{M}]+|\p{Lu}|\p{N}+|\p{M}+/gu
const latinWord = /^[a-z]{3,}$/
const cyrillicWord = /^[а-я]{4,}$/
const greekWord = /^[α-ω]{4,}$/
const arabicWord = /^[\u0621-\u064a]{4,}$/

/** By script alone, so that one word is one term whatever stands around it, in a text of years and in a question of two words. */
export function stem(word: string): string {
  if (latinWord.test(word)) return english(regular(word))
  if (cyrillicWord.test(word)) return russian(word) || word
  if (greekWord.test(word)) return greek(word) || word
  // The stemmer leaves the ه that ة has become behind an article, and takes it where no article stands.
  if (arabicWord.test(word)) return (arabic(word) || word).replace(/(?<=...)ه$/u, '')
  return word
}

/** At most `maxTermLength` units, never half a pair. */
function cutTerm(term: string): string {
  if (term.length <= maxTermLength) return term
  const cut = term.slice(0, maxTermLength)
  return cut.isWellFormed() ? cut : cut.slice(0, -1)
}

/**
 * @param word letters, marks and digits of a cleaned text
 * @param into terms are added here, also of the parts of a word in pieces (camelCase, sha256)
 */
function addWordTerms(word: string, side: Side, into: string[]): void {
  if (isUnspaced(word)) {
    addScriptTerms(word, side, into, (rest) => addWordTerms(rest, side, into))
    return
  }
  const lower = word.toLowerCase()
  // Longer than any word: data. Only its beginning is kept, and no parts.
  if (word.length > maxTermLength) {
    into.push(cutTerm(lower))
    return
  }
  into.push(stem(lower))
  if (lower === word && !/\p{N}/u.test(word)) return
  const parts = word.match(humps) ?? []
  if (parts.length < 2) return
  for (const part of parts) if (part.length > 1 || /\p{N}/u.test(part)) into.push(stem(part.toLowerCase()))
}

const maybe = /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u
/**
 * Flags, keycaps, and signs with their tone, their tags and what is joined to them: the grammar of UTS 51 with bounds. The list
 * of sequences that Unicode recommends (`RGI_Emoji`) is a tenth as fast, and new ones are not in it.
 */
const sequence =
  /\p{Regional_Indicator}{2}|[#*0-9]\ufe0f?\u20e3|[\p{Extended_Pictographic}--[©®™]](?:\ufe0f|\p{Emoji_Modifier})?(?:[\u{e0020}-\u{e007f}]{1,8})?(?:\u200d\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?){0,8}/gv
const skinTone = /\p{Emoji_Modifier}/gu
const selector = /[\ufe0e\ufe0f\u{e0020}-\u{e007f}]/gu
const joiner = '\u200d'

/**
 * Takes the emoji out of a text. One with a tone of skin is the one without; one that is made of others (👩‍💻) is also found by
 * each of them.
 * @returns the text with a space for each, and their terms in order
 */
function takeEmoji(text: string): { readonly rest: string; readonly terms: readonly string[] } {
  if (!maybe.test(text)) return { rest: text, terms: [] }
  const terms: string[] = []
  const rest = text.replace(sequence, (emoji) => {
    const bare = emoji.replace(selector, '').replace(skinTone, '') || emoji
    const parts = bare.split(joiner).filter((part) => part !== '')
    if (parts.length > 1) terms.push(parts.join(''))
    terms.push(...parts)
    return ' '
  })
  return { rest, terms }
}

/**
 * One spelling for what reads the same: Unicode NFKC, no characters that nobody sees, no marks over letters where people leave
 * them out. Case stays, because it splits names.
 *
 * Marks go from Latin, Greek, Hebrew and Arabic letters (é = e, α = ά, points and harakat), and ё = е, because readers of these
 * scripts type them or not as they like. They stay where they make another letter: й, Japanese か and が, Korean syllables (which
 * NFKC composes), vowel signs of Thai, Hindi and others.
 */

/** Zero-width, bidirectional and other format characters, variation selectors, fillers, tags: nothing of them is seen. */
const unseen = /\p{Default_Ignorable_Code_Point}/gu
const markedLetter = /([\p{Script=Latin}\p{Script=Greek}\p{Script=Hebrew}\p{Script=Arabic}])\p{Mn}+/gu
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const control = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f]/g
// oxlint-disable-next-line no-control-regex -- plain ASCII needs nothing
const plain = /^[\t\n\r\u0020-\u007e]*$/

/** Letters that have no decomposition, as people without the key type them. */
const spelled: Readonly<Record<string, string>> = {
  ß: 'ss',
  ẞ: 'SS',
  æ: 'ae',
  Æ: 'AE',
  œ: 'oe',
  Œ: 'OE',
  ø: 'o',
  Ø: 'O',
  đ: 'd',
  Đ: 'D',
  ł: 'l',
  Ł: 'L',
  ı: 'i',
  þ: 'th',
  Þ: 'Th',
  ð: 'd',
  Ð: 'D',
  ё: 'е',
  Ё: 'Е',
  ς: 'σ',
  ى: 'ي',
  ة: 'ه',
  ـ: '',
  '’': "'",
  '‘': "'",
  '‛': "'",
  ʼ: "'",
  ʻ: "'",
}
const spelledLetter = new RegExp(`[${Object.keys(spelled).join('')}]`, 'gu')

/** Never throws, whatever the text is; a lone half of a pair becomes U+FFFD. */
export function cleanText(text: string): string {
  if (plain.test(text)) return text
  return text
    .toWellFormed()
    .replace(unseen, '')
    .normalize('NFKD')
    .replace(markedLetter, '$1')
    .normalize('NFKC')
    .replace(control, ' ')
    .replace(spelledLetter, (letter) => ownValue(spelled, letter) ?? letter)
}
