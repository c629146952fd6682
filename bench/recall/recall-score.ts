/** Quality of a ranking: recall at several depths, and the rank of the first evidence. */
import type { Question } from './dialogue.ts'

export const depths = [1, 5, 10, 20] as const

export interface RecallScore {
  readonly questions: number
  /** Means, in the order of `depths`. */
  readonly recall: readonly number[]
  readonly mrr: number
  /** Standard error of recall at 10. */
  readonly error: number
}

export interface Tally {
  add(question: Question, ranked: readonly string[]): void
  score(kind?: Question['kind']): RecallScore
}

export function createTally(): Tally {
  const seen: { readonly kind: Question['kind']; readonly recall: readonly number[]; readonly reciprocal: number }[] = []
  return {
    add({ kind, evidence }, ranked) {
      const wanted = new Set(evidence)
      const recall = depths.map((depth) => ranked.slice(0, depth).filter((id) => wanted.has(id)).length / wanted.size)
      const first = ranked.findIndex((id) => wanted.has(id))
      seen.push({ kind, recall, reciprocal: first < 0 ? 0 : 1 / (first + 1) })
    },
    score(kind) {
      const of = kind === undefined ? seen : seen.filter((each) => each.kind === kind)
      const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
      const atTen = of.map(({ recall }) => recall[2] ?? 0)
      const middle = mean(atTen)
      const error = Math.sqrt(mean(atTen.map((value) => (value - middle) ** 2)) / Math.max(1, of.length))
      return {
        questions: of.length,
        recall: depths.map((_, i) => mean(of.map((each) => each.recall[i] ?? 0))),
        mrr: mean(of.map(({ reciprocal }) => reciprocal)),
        error,
      }
    },
  }
}
