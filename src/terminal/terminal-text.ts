/**
 * Text of models and tools is hostile to a terminal: control characters move the cursor, rewrite what was shown, set titles and
 * clipboards; bidirectional overrides change the visible order of text. Everything that is printed passes through these functions.
 */
import { codeOf, exactText, isDerived, OxbowError, ownValue, withoutSequences } from '../base/index.ts'
import type { SentMedia, SessionInfo } from '../protocol/index.ts'
import { beginningChars, maxReasonChars, maxScreenChars, minIdChars } from './limits.ts'

// C0 except tab and newline, DEL, C1, the marks and overrides of text direction, and what has no width but in emoji and letters that join.
const hostile = '[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]'

/** @returns the text without escape sequences and control characters, except newline and tab. */
export function plainText(text: string): string {
  return withoutSequences(text).replace(new RegExp(hostile, 'g'), '')
}

/** @returns the same on one line, truncated to `maxChars`. */
export function plainLine(text: string, maxChars: number): string {
  const line = plainText(text.slice(0, maxChars * 4))
    .replace(/\s+/g, ' ')
    .trim()
  const points = Array.from(line)
  return points.length > maxChars ? `${points.slice(0, maxChars - 1).join('')}…` : line
}

/** @returns the text with these characters escaped as in JSON (`\u001b`), so that JSON keeps its meaning. */
export function writtenOut(text: string): string {
  return text.replace(new RegExp(hostile, 'g'), codeOf)
}

/** The same for an input that waits for approval. The beginning of a long one has scrolled away, so it is repeated at the end. */
export function exactInput(input: string): string {
  const exact = exactText(input)
  if (exact.length <= maxScreenChars) return exact
  return `${exact}\n… ${exact.length} characters in all, beginning with: ${exact.slice(0, beginningChars)}…`
}

/** The reason for asking, on a line after the input, where a long input cannot push it off the screen. Empty without a reason. */
export function whyAsked(reason: unknown): string {
  return typeof reason === 'string' && reason !== '' ? `\n    why: ${plainLine(reason, maxReasonChars)}` : ''
}

// Times, amounts and tables.

export function formatMs(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
}

/** @returns a size in decimal units, such as `1.5 kB` */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** @returns dollars with two decimals, or six for less than a cent: `$0.000120` */
export function formatMoney(microDollars: number): string {
  return `$${(microDollars / 1_000_000).toFixed(microDollars !== 0 && microDollars < 10_000 ? 6 : 2)}`
}

/** @returns aligned columns, without trailing spaces. */
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

/** @returns the shortest unambiguous prefix of an id in the list. */
export function shortId(id: string, all: readonly string[]): string {
  for (let length = minIdChars; length < id.length; length++) {
    const prefix = id.slice(0, length)
    if (!prefix.endsWith('-') && !all.some((other) => other !== id && other.startsWith(prefix))) return prefix
  }
  return id
}

/** Programs that connect begin sessions for what they read, and editors for each window: lists leave out those in which nothing was said. */
export const isUsed = ({ turns, busy, parent }: SessionInfo): boolean => turns > 0 || busy || parent !== undefined

/**
 * The conversation that was used last, which `--continue` goes on with. Agents, schedules and graphs work in sessions of their own, whose ids
 * follow from the run: a person who started one in between still means their own conversation.
 * @param listed newest first
 */
export const newestConversation = (listed: readonly SessionInfo[]): SessionInfo | undefined =>
  listed.find(({ id, turns, busy }) => !isDerived(id) && (turns > 0 || busy))

/**
 * @param listed all sessions that may be meant
 * @param prefix what the id begins with
 * @param hint what else to do, behind the verb that lists sessions
 * @throws OxbowError `not_found`, or `bad_input` when it is ambiguous
 */
export function sessionNamed(listed: readonly SessionInfo[], prefix: string, hint = ''): SessionInfo {
  const wanted = prefix.trim().toLowerCase()
  const found = wanted === '' ? [] : listed.filter(({ id }) => id.startsWith(wanted))
  if (found.length === 1) return found[0]!
  if (found.length === 0)
    throw new OxbowError('not_found', `no session begins with ${JSON.stringify(prefix)}`, {
      hint: `\`oxbow sessions --archived\` lists them all.${hint}`,
    })
  const ids = listed.map(({ id }) => id)
  const some = found.slice(0, 5).map(({ id }) => shortId(id, ids))
  throw new OxbowError('bad_input', `${found.length} sessions begin with ${prefix}: ${some.join(', ')}`, {
    hint: 'Give more characters of the id.',
  })
}

/** @param at Unix milliseconds @returns `2026-11-21 07:05`, in the machine's time zone */
export function formatTime(at: number): string {
  const date = new Date(at)
  const two = (number: number): string => String(number).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}

const maxFieldChars = 100

/** A file that an agent sent, in a line. */
export function mediaLine({ kind, name, media_type: type, bytes, caption }: SentMedia): string {
  const plain = (text: string): string => plainLine(text, maxFieldChars)
  return `${plain(name)}  ${plain(kind)}, ${plain(type)}, ${formatBytes(bytes)}${caption === '' ? '' : `  “${plain(caption)}”`}`
}

/** @returns the fields of the input of a call, as JSON text; none where it is no object */
export function fieldsIn(input: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(input)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** The fields that tell what a call is about; the first that it has. */
const subjects = ['command', 'pattern', 'path', 'query', 'url', 'from', 'program', 'name', 'task', 'text', 'content']

/** @returns the command, path or pattern; else the input, in one line */
export function subjectOf(input: string, maxChars: number): string {
  const fields = fieldsIn(input)
  const subject = subjects.map((name) => ownValue(fields, name)).find((value) => typeof value === 'string' && value !== '')
  if (typeof subject === 'string') return plainLine(subject, maxChars)
  return input === '{}' || input === '' ? '' : plainLine(input, maxChars)
}
