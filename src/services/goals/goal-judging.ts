/**
 * What only a model can judge: one review, then judges by themselves, each an agent with another prompt and budget, with rights that change
 * nothing. They see the goal, its checks and what was made, and nothing of how. What they say counts by a quorum of all that were asked: one that
 * does not answer has not agreed.
 */
import type { Json, JsonObject } from '../../base/index.ts'
import { passScore } from './limits.ts'
import type { CheckResult } from './goal-checks.ts'
import type { GenerationView } from './goal-view.ts'

export type Review = NonNullable<GenerationView['review']>
export type Verdict = NonNullable<Review['review']>

/** JSON Schema of a verdict. */
export const verdictForm: JsonObject = {
  type: 'object',
  properties: {
    passed: { type: 'boolean' },
    score: { type: 'number', minimum: 0, maximum: 1 },
    notes: { type: 'array', items: { type: 'string', maxLength: 500 }, maxItems: 10 },
  },
  required: ['passed', 'score', 'notes'],
  additionalProperties: false,
}

/** @param value of a delegation, which has the form if it succeeded @returns null for anything else */
export function verdictIn(value: Json): Verdict | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
  const { passed, score, notes } = value as JsonObject
  if (typeof passed !== 'boolean' || typeof score !== 'number' || !(score >= 0 && score <= 1)) return null
  const said = Array.isArray(notes) ? notes.filter((note) => typeof note === 'string') : []
  return { passed, score, notes: said.slice(0, 10).map((note) => note.slice(0, 500)) }
}

export const quorumOf = (judges: number): number => Math.floor(judges / 2) + 1

/** Votes of the judges. */
export interface Votes {
  readonly passed: number
  readonly failed: number
  readonly silent: number
}

export function votesOf({ judges }: Pick<Review, 'judges'>): Votes {
  const passed = judges.filter((judge) => judge?.passed === true).length
  const silent = judges.filter((judge) => judge === null).length
  return { passed, silent, failed: judges.length - passed - silent }
}

/** @returns what they did not agree about, in a sentence; empty: they agree */
export function disagreement(review: Review): string {
  const { passed, failed, silent } = votesOf(review)
  if (review.judges.length === 0 || (silent === 0 && (passed === 0 || failed === 0))) return ''
  return `The judges disagree: ${passed} passed it, ${failed} did not${silent === 0 ? '' : `, ${silent} gave no verdict`}; ${review.quorum} had to.`
}

/**
 * Checks come first: where one fails, nobody's opinion makes it pass, and the score stays below what passes.
 * @param review null: nothing had to be judged
 */
export function evaluate(checks: readonly CheckResult[], review: Review | null): Verdict {
  const failed = checks.filter(({ status }) => status !== 'passed')
  const notes = failed.map(({ text, status, evidence }) => `${text}: ${status}. ${evidence}`.trim())
  for (const { text, wrote } of checks) if (wrote.length > 0) notes.push(`The check “${text}” changed ${wrote.slice(0, 5).join(', ')}.`)
  const share = checks.length === 0 ? 1 : (checks.length - failed.length) / checks.length
  if (failed.length > 0) return { passed: false, score: round(share * (passScore - 0.01)), notes }
  if (review === null) return { passed: true, score: 1, notes }
  const { review: first, judges, quorum } = review
  if (first === null) return { passed: false, score: 0.7, notes: [...notes, 'The reviewer gave no verdict that could be read.'] }
  notes.push(...first.notes)
  const said = judges.filter((judge) => judge !== null)
  for (const { notes: more } of said) notes.push(...more)
  const disagree = disagreement(review)
  if (disagree !== '') notes.push(disagree)
  const isCarried = judges.length === 0 || votesOf(review).passed >= quorum
  const scores = [first.score, ...said.map(({ score }) => score)]
  const mean = round(scores.reduce((sum, score) => sum + score, 0) / scores.length)
  const passed = first.passed && isCarried
  return { passed, score: passed ? mean : Math.min(mean, passScore - 0.01), notes: [...new Set(notes)] }
}

const round = (score: number): number => Math.round(score * 1_000) / 1_000
