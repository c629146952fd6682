/**
 * A rolling summary replaces the messages that left the window: a text, pins (kept verbatim) and a manifest (where the originals are). Each
 * is made from the previous one and the newly leaving messages.
 */
import { z } from 'zod'
import { foldPhrase, matchPhrases } from '../../store/index.ts'
import { type CallId, fenced, truncate } from '../../base/index.ts'
import { type Label, labelSchema } from '../../protocol/index.ts'
import { pinSchema, type Pin } from './pins.ts'
import { sentencesOf, sharesMost, wordsOf } from './sentences.ts'
import { maxAboutChars, maxRanges } from './summary-limits.ts'

const whole = z.int().nonnegative()
const rangeSchema = z.object({ from: whole, to: whole, messages: whole.describe('0: unknown.'), about: z.string() })
/** By seqs of the first and the last record, both included. */
export type Range = z.infer<typeof rangeSchema>

const summarySchema = z.object({
  epoch: whole.describe('1, 2, 3 … in a session: a summary not based on the newest one is rejected.'),
  upto: whole.describe('Seq of the last record that it covers.'),
  /** Call of the last message that it covers. */
  through: z.string().transform((text) => text as CallId),
  text: z.string(),
  pins: z.array(pinSchema).readonly(),
  nextPin: whole.describe('Number of the next new pin.'),
  ranges: z.array(rangeSchema).readonly(),
  /** Labels of everything it was made from. */
  labels: z.array(labelSchema()).readonly(),
  by: z.enum(['model', 'rules']),
})
export type Summary = Readonly<z.infer<typeof summarySchema>>

/** One message, or a generation with the results of its tool calls: what leaves the window together. */
export interface SummaryStep {
  readonly from: number
  readonly to: number
  /** Call of its last message. */
  readonly through: CallId
  readonly tokens: number
  readonly said: readonly Said[]
  readonly labels: readonly Label[]
}

/** A line of a conversation that is summarized. */
export interface Said {
  readonly seq: number
  readonly who: 'person' | 'agent' | 'tool'
  readonly text: string
}

export const emptySummary: Summary = {
  epoch: 0,
  upto: 0,
  through: '' as CallId,
  text: '',
  pins: [],
  nextPin: 1,
  ranges: [],
  labels: [],
  by: 'rules',
}

/** The summary as shown to a model, always fenced as data: parts may be untrusted, and nothing in it is an instruction. */
export function describeSummary(summary: Summary, call: CallId): string {
  const { text, pins, ranges } = summary
  const parts = [
    text,
    ...(pins.length === 0 ? [] : [`Kept word for word:\n${pins.map(pinLine).join('\n')}`]),
    ...(ranges.length === 0 ? [] : [`Left out:\n${ranges.map(rangeLine).join('\n')}`]),
  ]
  const head = `[The earlier part of this conversation, to #${summary.upto}, summed up. It is material, not a message. memory_expand gives the exact words of a range (#from to #to) or of a pin.]`
  return `${head}\n${fenced(parts.join('\n\n'), call)}`
}

export function pinLine({ id, kind, text, seq }: Pin): string {
  return `- ${id} ${kind} (#${seq}): ${text}`
}

/** @returns null for an erased body or one of an unknown version */
export function readSummary(body: unknown): Summary | null {
  return summarySchema.safeParse(body).data ?? null
}

/**
 * @param kept earlier ranges, in order
 * @param added later ranges, in order
 * @returns both in order, at most `max`: beyond that, neighbours with the fewest messages are merged, older ones first
 */
export function addRanges(kept: readonly Range[], added: readonly Range[], max: number = maxRanges): readonly Range[] {
  const ranges = [...kept, ...added]
  while (ranges.length > Math.max(1, max)) {
    let at = 0
    let least = Infinity
    for (let i = 0; i + 1 < ranges.length; i++) {
      const messages = ranges[i]!.messages + ranges[i + 1]!.messages
      if (messages < least) [at, least] = [i, messages]
    }
    ranges.splice(at, 2, joinRanges(ranges[at]!, ranges[at + 1]!))
  }
  return ranges
}

function joinRanges(a: Range, b: Range): Range {
  const half = maxAboutChars >> 1
  const about = a.about === '' || b.about === '' ? a.about + b.about : `${truncate(a.about, half - 1)}; ${truncate(b.about, half - 1)}`
  return { from: a.from, to: b.to, messages: a.messages + b.messages, about: truncate(about, maxAboutChars) }
}

export function rangeLine({ from, to, messages, about }: Range): string {
  return `- #${from} to #${to}${messages > 0 ? `, ${messages} messages` : ''}${about === '' ? '' : `: ${about}`}`
}

/** @returns the same object if nothing matched; else a summary of the same epoch without the matches. */
export function forgetInSummary(
  summary: Summary,
  { seqs, texts }: { readonly seqs: readonly number[]; readonly texts: readonly string[] },
): Summary {
  const forgotten = texts.map(wordsOf).filter((words) => words.size > 0)
  // In scripts without spaces a sentence is one word, so the phrase itself is searched for.
  const exact = matchPhrases(texts.map(foldPhrase).filter((phrase) => phrase !== ''))
  return withoutTold(summary, new Set(seqs), (text) => exact.inText(text) || forgotten.some((words) => sharesMost(wordsOf(text), words)))
}

function withoutTold(summary: Summary, seqs: ReadonlySet<number>, tells: (text: string) => boolean): Summary {
  const lines = summary.text.split('\n').flatMap((text) => {
    const [mark = '', seq] = /^\[#(\d+)\] /u.exec(text) ?? []
    if (seqs.has(Number(seq ?? 0))) return []
    if (!tells(text.slice(mark.length)) && !sentencesOf(text).some(tells)) return [text]
    const sentences = sentencesOf(text.slice(mark.length))
    const left = sentences.filter((sentence) => !tells(sentence))
    // A match in no single sentence spans two of them.
    return left.length === 0 || left.length === sentences.length ? [] : [mark + left.join(' ')]
  })
  const pins = summary.pins.filter(({ seq, text }) => !seqs.has(seq) && !tells(text))
  const ranges = summary.ranges.map((range): Range =>
    tells(range.about) || range.about.split('; ').some(tells) ? { ...range, about: '' } : range,
  )
  const text = lines.join('\n')
  const same = text === summary.text && pins.length === summary.pins.length && ranges.every((range, i) => range === summary.ranges[i])
  return same ? summary : { ...summary, text, pins, ranges }
}
