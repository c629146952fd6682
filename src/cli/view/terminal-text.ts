/**
 * Text of models and tools is hostile to a terminal: control characters move the cursor, rewrite what was shown, set titles and
 * clipboards; bidirectional overrides show another text than the one that is there. Nothing is printed that did not come through here.
 */
import { stripVTControlCharacters } from 'node:util'

// C0 but tab and newline, DEL, C1, and the marks and overrides of text direction.
const hostile = '[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]'

/** @returns the text without escape sequences and other characters that a terminal acts on; newline and tab stay. */
export function plainText(text: string): string {
  return stripVTControlCharacters(text).replace(new RegExp(hostile, 'g'), '')
}

/** @returns the same on one line, cut to `maxChars`. */
export function plainLine(text: string, maxChars: number): string {
  const line = plainText(text.slice(0, maxChars * 4))
    .replace(/\s+/g, ' ')
    .trim()
  const points = Array.from(line)
  return points.length > maxChars ? `${points.slice(0, maxChars - 1).join('')}…` : line
}

/** @returns the text with such characters written out (`\u001b`): for what a person must judge exactly as it is. */
export function exactText(text: string): string {
  return text.replace(new RegExp(hostile, 'g'), (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
