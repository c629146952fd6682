/**
 * How many cells of a terminal a text takes. Terminals differ over emoji that are joined or coloured by what follows them: for
 * those it is an estimate, so nothing that moves the cursor back may depend on it.
 */

const unseen = /^[\p{Mn}\p{Me}\p{Cf}]$/u
const hangul = '\\u1100-\\u115f\\ua960-\\ua97f\\uac00-\\ud7a3'
const ideographs =
  '\\u2e80-\\u303e\\u3041-\\u33ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\ua000-\\ua4cf\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6\\u{20000}-\\u{3fffd}'
const wide = new RegExp(`^[${hangul}${ideographs}\\p{Emoji_Presentation}]$`, 'u')
/** Written without spaces, so that a line may end beside any of them. Hangul has spaces. */
const spaceless = new RegExp(`^[${ideographs}\\p{Emoji_Presentation}]$`, 'u')
const closing =
  /^[\p{Pe}\p{Pf}\p{Po}\u3005\u30fc\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7]$/u
const opening = /^[\p{Ps}\p{Pi}]$/u
const joiner = '\u200d'

/** @param char one code point */
export function charWidth(char: string): 0 | 1 | 2 {
  if (char < '\u0300') return 1
  if (unseen.test(char)) return 0
  return wide.test(char) ? 2 : 1
}

export function textWidth(text: string): number {
  let width = 0
  for (const char of text) width += charWidth(char)
  return width
}

/** @returns whether a line may end between these two code points, neither of which is a space. */
export function breaksBetween(before: string, after: string): boolean {
  if (before < '\u0300' && after < '\u0300') return false
  if (before === joiner || charWidth(after) === 0) return false
  return (spaceless.test(before) || spaceless.test(after)) && !closing.test(after) && !opening.test(before)
}
