/**
 * Makes the next summary of a session: chooses what leaves the window, asks a model where there is one, and falls back to the
 * rules when it fails or says nothing usable. Never throws for what was said, or for what a model answers.
 */
import { truncate } from '../../types/index.ts'
import { joinedLabels } from '../keep/provenance-record.ts'
import { extractSummary } from './extract-summary.ts'
import { addRanges, rangeLine, type Range } from './manifest.ts'
import { readModelSummary, summaryInstructions, summaryRequest, withoutResolved } from './model-summary.ts'
import { boundPins, findPins, mergePins } from './pins.ts'
import { sentencesOf } from './sentences.ts'
import { pinLine, type Said, type Summary, type SummaryStep } from './summary.ts'
import { bytesPerToken, maxAboutChars, maxSummaryChars, messagesPerRange, minSummaryTokens, summaryPart } from './summary-limits.ts'

/** Asks a model for a text; null when there is none, or it failed, or the budget is used up. */
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
