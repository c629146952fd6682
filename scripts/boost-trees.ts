/** Gradient boosting with logistic loss over small data: complete trees of one depth, each split found by trying the quantiles of each column. */
import { seededNumbers } from '../src/base/random-fixture.ts'
import type { BoostedTrees } from '../src/memory/recall/turn-scorer.ts'

export interface Example {
  readonly row: readonly number[]
  readonly isNeeded: boolean
  readonly weight: number
}

export interface BoostOptions {
  readonly trees: number
  readonly depth: number
  /** Share of each tree's values that is added. */
  readonly rate: number
  /** Least sum of weights of a leaf. */
  readonly leastLeaf: number
  /** Added to the curvature of a leaf, which keeps values of small leaves small. */
  readonly shrink: number
  /** Each tree sees this share of the examples and of the columns, drawn by a seed. */
  readonly share: number
}

const mostBounds = 24

/** Deterministic. */
export function boostTrees(
  examples: readonly Example[],
  { trees, depth, rate, leastLeaf, shrink, share: drawn }: BoostOptions,
): BoostedTrees {
  const columns = examples[0]?.row.length ?? 0
  const bounds = Array.from({ length: columns }, (_, column) => boundsOf(examples.map(({ row }) => row[column] ?? 0)))
  // The number of bounds below each value.
  const bins = examples.map(({ row }) =>
    Uint8Array.from(bounds, (each, column) => each.filter((bound) => (row[column] ?? 0) > bound).length),
  )
  const sumOf = (of: (each: Example) => number): number => examples.reduce((sum, each) => sum + of(each), 0)
  const share = sumOf(({ isNeeded, weight }) => (isNeeded ? weight : 0)) / sumOf(({ weight }) => weight)
  const base = Math.log(share / (1 - share))
  const sums = examples.map(() => base)
  const made: number[][] = []
  const chance = seededNumbers(7)
  for (let n = 0; n < trees; n++) {
    const slopes = examples.map(({ isNeeded, weight }, i) => weight * ((isNeeded ? 1 : 0) - 1 / (1 + Math.exp(-sums[i]!))))
    const curves = examples.map(({ weight }, i) => weight / (2 + Math.exp(sums[i]!) + Math.exp(-sums[i]!)))
    const splits: number[] = []
    const seen = Array.from({ length: columns }, (_, column) => column).filter(() => chance() < drawn)
    const isDrawn = examples.map(() => chance() < drawn)
    // Leaves hold all examples: those that are not drawn are moved along, and only the others decide.
    let leaves: number[][] = [examples.map((_, i) => i)]
    for (let level = 0; level < depth; level++) {
      leaves = leaves.flatMap((members) => {
        const { column, bin } = bestSplit(members.filter((i) => isDrawn[i]))
        splits.push(column, bin < 0 ? Infinity : bounds[column]![bin]!)
        return bin < 0 ? [members, []] : [members.filter((i) => bins[i]![column]! <= bin), members.filter((i) => bins[i]![column]! > bin)]
      })
    }
    const values = leaves.map((members) => {
      const deciding = members.filter((i) => isDrawn[i])
      const value = (rate * total(deciding, slopes)) / (total(deciding, curves) + shrink)
      for (const i of members) sums[i]! += value
      return Math.round(value * 1e4) / 1e4
    })
    made.push([...splits.map((each, i) => (i % 2 === 0 ? each : Number.isFinite(each) ? each : 1e9)), ...values])

    function bestSplit(members: readonly number[]): { column: number; bin: number } {
      let best = { column: 0, bin: -1, gain: 1e-6 }
      const [slope, curve] = [total(members, slopes), total(members, curves)]
      const whole = slope ** 2 / (curve + shrink)
      for (const column of seen) {
        const count = bounds[column]!.length + 1
        const [s, c, w] = [new Float64Array(count), new Float64Array(count), new Float64Array(count)]
        for (const i of members) {
          const bin = bins[i]![column]!
          s[bin]! += slopes[i]!
          c[bin]! += curves[i]!
          w[bin]! += examples[i]!.weight
        }
        const all = w.reduce((sum, each) => sum + each, 0)
        let [left, leftCurve, leftWeight] = [0, 0, 0]
        for (let bin = 0; bin + 1 < count; bin++) {
          left += s[bin]!
          leftCurve += c[bin]!
          leftWeight += w[bin]!
          if (leftWeight < leastLeaf || all - leftWeight < leastLeaf) continue
          const gain = left ** 2 / (leftCurve + shrink) + (slope - left) ** 2 / (curve - leftCurve + shrink) - whole
          if (gain > best.gain) best = { column, bin, gain }
        }
      }
      return best
    }
  }
  return { base: Math.round(base * 1e4) / 1e4, depth, trees: made }
}

function total(members: readonly number[], of: readonly number[]): number {
  return members.reduce((sum, i) => sum + of[i]!, 0)
}

/** Between values, at most `mostBounds` of them, at even shares of the distinct ones. */
function boundsOf(values: readonly number[]): readonly number[] {
  const distinct = [...new Set(values)].sort((a, b) => a - b)
  const between = distinct.slice(1).map((value, i) => Math.round(((value + distinct[i]!) / 2) * 1e3) / 1e3)
  const step = Math.max(1, between.length / mostBounds)
  return [...new Set(Array.from({ length: Math.min(mostBounds, between.length) }, (_, i) => between[Math.floor(i * step)]!))]
}
