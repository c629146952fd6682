/** Truncating text without splitting a surrogate pair: half a character is shown as damage, and services that validate refuse it. */

/** @param maxChars in UTF-16 units @returns the beginning of `text`, without a trailing half of a surrogate pair */
export function headOf(text: string, maxChars: number): string {
  return text.slice(0, maxChars).replace(/[\ud800-\udbff]$/, '')
}

/** @param maxChars in UTF-16 units @returns the end of `text`, without a leading half of a surrogate pair */
export function tailOf(text: string, maxChars: number): string {
  return maxChars <= 0 ? '' : text.slice(-maxChars).replace(/^[\udc00-\udfff]/, '')
}

/** @param maxChars in UTF-16 units, the ellipsis included @returns `text` itself, or its beginning followed by `…` */
export function truncate(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${headOf(text, maxChars - 1)}…`
}
