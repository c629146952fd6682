/** @returns the beginning of a text, never half a surrogate pair at its end. @param most UTF-16 units */
export function headOf(text: string, most: number): string {
  return text.slice(0, most).replace(/[\ud800-\udbff]$/, '')
}

/** @returns the text, or its beginning with `…`; never half a surrogate pair. @param most UTF-16 units, the sign included */
export function cutShort(text: string, most: number): string {
  return text.length <= most ? text : `${headOf(text, most - 1)}…`
}
