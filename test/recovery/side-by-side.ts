import type { TestContext } from 'node:test'
import { givenSeed } from '../support/scale.ts'

/** Two cores: two guests at a time. */
const lanes = 2

/** Repeats work in each lane until it returns false. Waits for both lanes, then throws the first failure. */
export async function sideBySide(work: () => Promise<boolean>): Promise<void> {
  const lane = async (): Promise<void> => {
    while (await work());
  }
  const ended = await Promise.allSettled(Array.from({ length: lanes }, lane))
  for (const end of ended) if (end.status === 'rejected') throw end.reason
}

export interface Ordeals<Result> {
  /** So many. */
  readonly count: number
  /** None begins after this long: on a busy machine a few fewer are better than an hour. Default: no bound. */
  readonly boundMs?: number
  /** Draws everything from its seed, so that a failure can be repeated. */
  ordeal(seed: number): Promise<Result>
}

/** Runs ordeals side by side, each with a seed of its own, and names the seed of one that fails. @returns what they returned */
export async function overSeeds<Result>(
  t: TestContext,
  { count, boundMs = Infinity, ordeal }: Ordeals<Result>,
): Promise<readonly Result[]> {
  const first = givenSeed(process.env) ?? Math.floor(Date.now() % 1_000_000)
  t.diagnostic(`seeds from ${first} (OXBOW_SEED=${first} repeats them)`)
  const results: Result[] = []
  const began = performance.now()
  let begun = 0
  await sideBySide(async () => {
    if (begun >= count || performance.now() - began > boundMs) return false
    const seed = first + begun++
    const result = await ordeal(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}`, { cause: error })
    })
    results.push(result)
    return true
  })
  return results
}

/** Numerical Recipes' linear congruential generator. @returns numbers from 0 to below 1, the same for a seed */
export function createChance(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
