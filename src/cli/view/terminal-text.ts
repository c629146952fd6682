/**
 * Text of models and tools is hostile to a terminal: control characters move the cursor, rewrite what was shown, set titles and
 * clipboards; bidirectional overrides show another text than the one that is there. Nothing is printed that did not come through here.
 */
import { withoutSequences } from '../../types/index.ts'
import { beginningChars, maxReasonChars, maxScreenChars, minIdChars } from '../limits.ts'

// C0 but tab and newline, DEL, C1, and the marks and overrides of text direction.
const hostile = '[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]'

/** @returns the text without escape sequences and other characters that a terminal acts on; newline and tab stay. */
export function plainText(text: string): string {
  return withoutSequences(text).replace(new RegExp(hostile, 'g'), '')
}

/** @returns the same on one line, cut to `maxChars`. */
export function plainLine(text: string, maxChars: number): string {
  const line = plainText(text.slice(0, maxChars * 4))
    .replace(/\s+/g, ' ')
    .trim()
  const points = Array.from(line)
  return points.length > maxChars ? `${points.slice(0, maxChars - 1).join('')}…` : line
}

/** @returns the text with such characters written out (`\u001b`), as JSON has them too: JSON that holds them stays the same JSON. */
export function writtenOut(text: string): string {
  return text.replace(new RegExp(hostile, 'g'), codeOf)
}

/** What shows nothing, or a blank that is no space. Tab and newline stay. */
const unseen = /(?![\t\n])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu
/** Letters of these scripts look like Latin ones. */
const twins = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Coptic}\p{Script=Cherokee}\p{Script=Lisu}]/gu

/**
 * For what a person must judge exactly as it is: characters that are not seen, that turn the writing around, or that look like
 * another one are written out. A word of another script alone stays as it is.
 */
export function exactText(text: string): string {
  return text
    .replace(/[\p{L}\p{M}\p{N}_.-]+/gu, (word) => (/[a-z]/i.test(word) ? word.replace(twins, codeOf) : word))
    .replace(unseen, codeOf)
    .replace(/[\u0080-\u{10ffff}]/gu, (char) => (/^[\x21-\x7e]$/.test(char.normalize('NFKC')) ? codeOf(char) : char))
}

/** The same of an input that is asked about. What does not fit a screen has scrolled away: its beginning is shown once more. */
export function exactInput(input: string): string {
  const exact = exactText(input)
  if (exact.length <= maxScreenChars) return exact
  return `${exact}\n… these were ${exact.length} characters; they began with: ${exact.slice(0, beginningChars)}…`
}

/** Why it is asked, in a line behind the input: what a model wrote cannot push it off the screen. Empty when nobody said. */
export function whyAsked(reason: unknown): string {
  return typeof reason === 'string' && reason !== '' ? `\n    why: ${plainLine(reason, maxReasonChars)}` : ''
}

function codeOf(char: string): string {
  return Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')
}

// Times, amounts and tables.

export function formatMs(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

export function formatMoney(microDollars: number): string {
  return `$${(microDollars / 1_000_000).toFixed(microDollars !== 0 && microDollars < 10_000 ? 6 : 2)}`
}

/** @returns rows in columns as wide as their widest cell, no spaces at the end of a line. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** @returns the shortest beginning of an id that no other one of the list has. */
export function shortId(id: string, all: readonly string[]): string {
  for (let length = minIdChars; length < id.length; length++) {
    const prefix = id.slice(0, length)
    if (!prefix.endsWith('-') && !all.some((other) => other !== id && other.startsWith(prefix))) return prefix
  }
  return id
}

export function formatTime(at: number): string {
  const date = new Date(at)
  const two = (number: number): string => String(number).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}
