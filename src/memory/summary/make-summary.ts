/**
 * Makes the next summary of a session: chooses what leaves the window, asks a model where there is one, and falls back to the
 * rules when it fails or says nothing usable. Never throws for what was said, or for what a model answers.
 */
import { truncate } from '../../base/index.ts'
import { joinedLabels } from '../keep/provenance.ts'
import { sentencesOf, weightOf } from './sentences.ts'
import { addRanges, pinLine, type Range, rangeLine, type Said, type Summary, type SummaryStep } from './summary.ts'
import { readModelSummary, summaryInstructions, summaryRequest, withoutResolved } from './model-summary.ts'
import { boundPins, findPins, mergePins } from './pins.ts'
import { bytesPerToken, maxAboutChars, maxSummaryChars, messagesPerRange, minSummaryTokens, summaryPart } from './summary-limits.ts'

/** Asks a model for a text; null without a model, on failure, or when the budget is used up. */
export type AskModel = (question: { readonly system: string; readonly text: string }) => Promise<string | null>

export interface SummaryDeps {
  readonly ask: AskModel
  /** Marks a text as data, for a model. */
  readonly fence: (text: string) => string
}

/** Tokens that a summary may take in a window of `room`. */
export function summaryTokens(room: number): number {
  return Math.max(minSummaryTokens, Math.floor(room * summaryPart))
}

/**
 * @param steps what stands behind the summary now, oldest first
 * @param kept tokens that what stays may take
 * @returns how many steps leave the window: the oldest ones, and never the newest
 */
export function stepsToLeave(steps: readonly SummaryStep[], kept: number): number {
  let tokens = 0
  let from = steps.length
  while (from > 0 && (from === steps.length || tokens + steps[from - 1]!.tokens <= kept)) tokens += steps[--from]!.tokens
  return from
}

/** @param leaving steps that leave the window, oldest first; at least one */
export async function makeSummary(before: Summary, leaving: readonly SummaryStep[], room: number, deps: SummaryDeps): Promise<Summary> {
  const last = leaving.at(-1)!
  const said = leaving.flatMap((step) => step.said)
  const maxBytes = summaryTokens(room) * bytesPerToken

  // Pins: by rules first, so that no model can keep them out.
  const found = said.filter(({ who }) => who !== 'tool').flatMap(({ text, seq }) => findPins(text, seq))
  const answer = await deps.ask({ system: summaryInstructions, text: summaryRequest(before, said, deps.fence) })
  const byModel = answer === null ? null : readModelSummary(answer, before, said, maxSummaryChars)
  const kept = withoutResolved(before.pins, byModel?.resolved ?? [])
  const merged = mergePins(kept, [...found, ...(byModel?.pins ?? [])], before.nextPin)
  // Half of the room for pins, a fifth for the manifest, the rest for the text.
  const pins = boundPins(merged.pins, Math.floor(maxBytes / 2 / bytesPerChar(merged.pins.map(({ text }) => text).join(''))))
  const ranges = fitRanges(addRanges(before.ranges, rangesOf(leaving)), maxBytes / 5)

  const used = Buffer.byteLength([...pins.map(pinLine), ...ranges.map(rangeLine)].join('\n'))
  const room4text = Math.max(0, maxBytes - used - frameBytes)
  const maxChars = Math.min(
    maxSummaryChars,
    Math.floor(
      room4text /
        bytesPerChar(
          said
            .map(({ text }) => text)
            .join('')
            .slice(0, 10_000),
        ),
    ),
  )
  const text = byModel === null ? extractSummary(before.text, said, maxChars) : truncate(byModel.text, Math.max(1, maxChars))
  return {
    epoch: before.epoch + 1,
    upto: last.to,
    through: last.through,
    text,
    pins,
    nextPin: merged.next,
    ranges,
    labels: joinedLabels(before.labels, ...leaving.map(({ labels }) => labels)),
    by: byModel === null ? 'rules' : 'model',
  }
}

/** Words around the parts of a summary. */
const frameBytes = 360

function bytesPerChar(text: string): number {
  return text.length === 0 ? 1 : Math.max(1, Buffer.byteLength(text) / text.length)
}

function fitRanges(ranges: readonly Range[], maxBytes: number): readonly Range[] {
  let fitted = ranges
  while (fitted.length > 1 && Buffer.byteLength(fitted.map(rangeLine).join('\n')) > maxBytes)
    fitted = addRanges(fitted, [], fitted.length - 1)
  return fitted
}

/** Ranges of about as many messages each, cut between steps. */
function rangesOf(steps: readonly SummaryStep[]): readonly Range[] {
  const ranges: { from: number; to: number; messages: number; said: Said[] }[] = []
  for (const { from, to, said } of steps) {
    const open = ranges.at(-1)
    if (open !== undefined && open.messages + said.length <= messagesPerRange) {
      open.to = to
      open.messages += said.length
      open.said.push(...said)
    } else ranges.push({ from, to, messages: said.length, said: [...said] })
  }
  return ranges.map(({ said, ...range }) => ({ ...range, about: aboutOf(said) }))
}

/** What a person said first in it, else what was said first. */
function aboutOf(said: readonly Said[]): string {
  const first = said.find(({ who }) => who === 'person') ?? said[0]
  return truncate(sentencesOf(first?.text ?? '')[0] ?? '', maxAboutChars)
}

interface Sentence {
  /** Of the journal record that it was said in; 0 when that is not known any more. */
  readonly seq: number
  readonly text: string
  readonly weight: number
}

const line = /^\[#(\d+)\] (.*)$/su
/** What was in a summary before weighs less each time, so that it makes room for what is new unless it matters. */
const fading = 0.9
/** How much more the newest sentence weighs than the oldest. */
const recency = 0.5

/**
 * A summary without a model: the sentences that weigh most, word for word, each with the record it stands in.
 * @param before text of the summary before, by whomever it was made
 * @returns at most `maxChars`, in the order in which it was said
 */
export function extractSummary(before: string, said: readonly Said[], maxChars: number): string {
  const candidates = distinct([...sentencesBefore(before), ...sentencesSaid(said)])
  const chosen = new Set<Sentence>()
  let chars = 0
  for (const sentence of candidates.toSorted((a, b) => b.weight - a.weight)) {
    const length = lineOf(sentence).length + 1
    if (chars + length > maxChars) continue
    chars += length
    chosen.add(sentence)
  }
  return candidates
    .filter((sentence) => chosen.has(sentence))
    .map(lineOf)
    .join('\n')
}

function lineOf({ seq, text }: Sentence): string {
  return seq === 0 ? text : `[#${seq}] ${text}`
}

function sentencesBefore(before: string): readonly Sentence[] {
  return before.split('\n').flatMap((text) => {
    const [, seq, words] = line.exec(text) ?? []
    const sentences = words === undefined ? sentencesOf(text) : [words]
    return sentences.map((each) => ({ seq: Number(seq ?? 0), text: each, weight: (weightOf(each) + 1) * fading }))
  })
}

/** What tools brought in is long and can be asked for again: only what people and the agent said is taken. */
function sentencesSaid(said: readonly Said[]): readonly Sentence[] {
  const words = said.filter(({ who }) => who !== 'tool')
  return words.flatMap(({ seq, who, text }, i) =>
    sentencesOf(text).map((each) => ({
      seq,
      text: each,
      weight: weightOf(each) + (who === 'person' ? 0.5 : 0) + (recency * i) / words.length,
    })),
  )
}

function distinct(sentences: readonly Sentence[]): readonly Sentence[] {
  const seen = new Set<string>()
  return sentences.filter(({ text }) => {
    const key = text.toLowerCase()
    return !seen.has(key) && seen.add(key)
  })
}
