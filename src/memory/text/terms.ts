/**
 * Terms of a text: what the index of words has, and what a question is looked up by. One reading for both, so that what was
 * written is found. A word's terms depend on the word alone. Names (paths, addresses, versions, codes, dates) are kept whole
 * and in their parts.
 *
 * A term has 1 to 64 UTF-16 units, no white space, no control character, no capital, and is well-formed; it may be
 * punctuated inside (`src/main.ts`) and may be an emoji.
 */
import { cleanText } from './clean.ts'
import { takeEmoji } from './emoji.ts'
import type { Side } from './script-words.ts'
import { maxNameParts, maxTermUnits } from './text-limits.ts'
import { addWordTerms, cutTerm } from './word-terms.ts'

/**
 * Words, and names made of words with signs between them; a comma only between digits. No two parts of it can begin with the
 * same character, so it never goes back over what it has read.
 */
const chunks = /[\p{L}\p{M}\p{N}]+(?:(?:[_./\\:@+=&?%#~$'-]+|(?<=\p{Nd}),(?=\p{Nd}))[\p{L}\p{M}\p{N}]+)*(?:\+\+|#)?/gu
const signs = /[^\p{L}\p{M}\p{N}]+/u
/** What makes several words one name: a sign that no sentence has between letters, or a digit beside any sign. */
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
