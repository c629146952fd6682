/** ICU segmenters: creating the first takes up to ten milliseconds, so each is created once, when a text needs it. They are stateless. */
export const graphemes: () => Intl.Segmenter = segmenter('grapheme')
const words = segmenter('word')
export const sentences: () => Intl.Segmenter = segmenter('sentence')

function segmenter(granularity: NonNullable<Intl.SegmenterOptions['granularity']>): () => Intl.Segmenter {
  let made: Intl.Segmenter | undefined
  return () => (made ??= new Intl.Segmenter('und', { granularity }))
}

/**
 * Terms of scripts without spaces between words, or with other borders too. A dictionary segments the same word differently in different
 * sentences, so pairs of adjacent characters are indexed as well: the pairs of any word are always found.
 *
 * - Chinese, Japanese: pairs of characters, also across scripts (食べ); single Chinese characters; katakana words whole.
 * - Korean: the word, the word without its particle, and pairs of syllables.
 * - Thai, Lao, Khmer, Burmese: words of ICU's dictionaries, and pairs of grapheme clusters.
 */

/** Questions and stored texts differ: a question is not searched by every single character of its words. */
export type Side = 'kept' | 'asked'

const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const runs =
  /(?<cjk>[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}ー々〆]+)|(?<hangul>\p{Script=Hangul}+)|(?<dictionary>(?:[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]\p{M}*)+)/gu
const han = /\p{Script=Han}/u
const lone = /^\p{Script=Han}$/u
const stems = /(?<!\p{Script=Han})\p{Script=Han}(?!\p{Script=Han})/gu
/** Stop characters. */
const saysLittle: ReadonlySet<string> = new Set(
  '的了在是我你您他她它们這这那有和与與或也都不没沒就還还很吗嗎呢吧啊呀哪谁誰几幾啥么个個到去来來从從对對把被给給跟让讓向为為于以及而但又再才只要会會能可想说說叫做用上下里裡裏中前后後内外时時年月日号號着著过過得地人事物何今私僕君方様',
)
const katakanaWords = /[\p{Script=Katakana}ー]{3,}/gu

/** Particles after a Korean noun, longest first. One syllable must remain; the word itself is indexed too, so cutting too much is harmless. */
const particle =
  /(?<=.)(?:으로부터|에서부터|이라고|에게서|한테서|에서는|으로는|에게는|이랑은|까지는|부터는|이라는|께서는|에서|에게|한테|부터|까지|으로|처럼|보다|만큼|이랑|하고|이나|라도|마다|조차|마저|밖에|께서|에는|에도|로는|이고|이며|이다|입니다|은|는|이|가|을|를|에|의|로|와|과|도|만|랑|께|야|아)$/u

export function isUnspaced(word: string): boolean {
  return unspaced.test(word)
}

/** Adds the terms of a run of letters that has some of such a script. Runs of other scripts go to `other`. */
export function addScriptTerms(word: string, side: Side, terms: string[], other: (rest: string) => void): void {
  let end = 0
  for (const match of word.matchAll(runs)) {
    if (match.index > end) other(word.slice(end, match.index))
    end = match.index + match[0].length
    const { cjk, hangul, dictionary } = match.groups ?? {}
    if (cjk !== undefined) cjkTerms(cjk, side, terms)
    else if (hangul !== undefined) hangulTerms(hangul, side, terms)
    else if (dictionary !== undefined) dictionaryTerms(dictionary, terms)
  }
  if (end < word.length) other(word.slice(end))
}

function cjkTerms(run: string, side: Side, terms: string[]): void {
  const characters = Array.from(run)
  if (characters.length === 1) terms.push(run)
  else if (side === 'kept') for (const character of characters) if (han.test(character)) terms.push(character)
  pairs(characters, terms)
  if (side === 'asked' && characters.length > 1) terms.push(...loneHan(run))
  for (const [katakana] of run.matchAll(katakanaWords)) terms.push(katakana)
}

/** Single characters of a question that are words (猫 of 猫在哪里) or stems (見 of 見た). */
function loneHan(run: string): readonly string[] {
  const cut = Array.from(words().segment(run), ({ segment }) => segment).filter((segment) => lone.test(segment))
  const betweenKana = Array.from(run.matchAll(stems), ([character]) => character)
  return [...new Set([...cut, ...betweenKana])].filter((character) => !saysLittle.has(character))
}

function hangulTerms(word: string, side: Side, terms: string[]): void {
  const bare = word.replace(particle, '')
  if (bare !== word) terms.push(bare)
  terms.push(word)
  const paired = Array.from(side === 'kept' ? word : bare)
  // A word of two syllables is its own pair.
  if (paired.length > 2) pairs(paired, terms)
}

function dictionaryTerms(run: string, terms: string[]): void {
  for (const { segment } of words().segment(run)) terms.push(segment)
  pairs(
    Array.from(graphemes().segment(run), ({ segment }) => segment),
    terms,
  )
}

function pairs(characters: readonly string[], terms: string[]): void {
  for (let place = 1; place < characters.length; place += 1) terms.push(`${characters[place - 1]}${characters[place]}`)
}
