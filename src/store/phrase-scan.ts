/**
 * Finds phrases in the bodies of the journal, ignoring case, letter width and white space. The store's thread scans in slices: each
 * answer has the matching records and how far the scan has come, and the caller continues from there. Between two slices the thread
 * serves other reads.
 */
import { parseErased } from './chain.ts'
import { marksCall } from './memory/memory-marks.ts'
import { scanPage, scanSliceMs } from './limits.ts'
import { recordColumns, type ScanAnswer } from './store-message.ts'
import type { ScanQuery } from './store.ts'

/** How deep nested JSON is searched: arguments of a tool call within a message within an exchange. */
const maxDepth = 12

// oxlint-disable-next-line no-control-regex -- most texts are ASCII, and need the least of it
const plain = /^[\u0000-\u007f]*$/

/** Folds case, width, invisible characters and white space, so that a phrase is found however it is written. */
export function foldPhrase(text: string): string {
  const lower = plain.test(text) ? text.toLowerCase() : foldLetters(text)
  return lower.replace(/\s+/g, ' ').trim()
}

/** Drops invisible characters (soft hyphens, zero width); ß becomes ss, ς becomes σ, and dotted and dotless i are one, as in upper case. */
function foldLetters(text: string): string {
  const visible = text.replace(/\p{Default_Ignorable_Code_Point}/gu, '').normalize('NFKC')
  const lower = visible.toLowerCase().toUpperCase().toLowerCase()
  return lower.replaceAll('ς', 'σ').replaceAll('i\u0307', 'i').normalize('NFKC')
}

export interface PhraseMatch {
  /** As they were given. */
  readonly phrases: readonly string[]
  inText(text: string): boolean
  /** @param body JSON as in the journal. Strings that are JSON themselves are searched too, and so are the events of a stream. */
  inBody(body: string): boolean
}

/** @param phrases folded already */
export function matchPhrases(phrases: readonly string[]): PhraseMatch {
  const inText = (text: string): boolean => {
    const folded = foldPhrase(text)
    return phrases.some((phrase) => folded.includes(phrase))
  }
  const inValue = (value: unknown, depth: number): boolean => {
    if (depth > maxDepth) return false
    if (typeof value === 'string') return inText(value) || inner(value, depth)
    if (Array.isArray(value)) return value.some((each) => inValue(each, depth + 1)) || inValue(pieces(value), depth + 1)
    return typeof value === 'object' && value !== null && Object.values(value).some((each) => inValue(each, depth + 1))
  }
  /** Each line of a stream is JSON, and its text is split over several lines. */
  const inner = (text: string, depth: number): boolean => {
    const whole = parsed(text)
    if (whole !== undefined) return inValue(whole, depth + 1)
    if (!/^(?:data:|event:|\{)/m.test(text)) return false
    const events = text.split('\n').map((line) => parsed(line.replace(/^data: ?/, '')))
    return events.some((event) => event !== undefined && inValue(event, depth + 1)) || inText(events.map(eventText).join(''))
  }
  return {
    phrases,
    inText,
    inBody: (body) => {
      const value = parsed(body)
      return value === undefined ? inText(body) : inValue(value, 0)
    },
  }
}

function parsed(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Joins the parts of a message: a phrase may span them. */
function pieces(values: readonly unknown[]): string {
  return values.map((value) => (typeof value === 'object' && value !== null && 'text' in value ? String(value.text) : '')).join('')
}

/** The text that one event of a stream adds, e.g. to an answer. */
function eventText(event: unknown): string {
  if (typeof event !== 'object' || event === null) return ''
  return Object.entries(event)
    .map(([key, value]) =>
      typeof value === 'string'
        ? /^(?:content|text|delta|arguments|partial_json|reasoning\w*)$/.test(key)
          ? value
          : ''
        : eventText(value),
    )
    .join('')
}

type Row = readonly (string | number)[]
const nameColumn = recordColumns.indexOf('name')

interface ScanSlice {
  /** Where the next page begins; null when the slice is over. */
  next(): { readonly after: number; readonly limit: number } | null
  /** @param bodies hydrated, one for each row */
  take(rows: readonly Row[], bodies: (at: number) => string): void
  answer(): ScanAnswer
}

/** @param now a monotonic clock in milliseconds */
export function openScanSlice({ after, before, phrases }: ScanQuery, now: () => number = () => performance.now()): ScanSlice {
  const match: PhraseMatch = matchPhrases(phrases)
  const until = now() + scanSliceMs
  const fields: (string | number)[] = []
  let upto = after
  let over = false
  return {
    next: () => (over ? null : { after: upto, limit: scanPage }),
    take(rows, bodies) {
      for (const [at, row] of rows.entries()) {
        upto = row[0] as number
        // Marks are no words, whatever they look like.
        const body = row[nameColumn] === marksCall ? null : bodies(at)
        if (body !== null && parseErased(body) === null && match.inBody(body)) fields.push(...row)
        over = now() >= until
        if (over) return
      }
      if (rows.length >= scanPage) return
      over = true
      upto = before - 1
    },
    answer: () => ({ fields, upto }),
  }
}
