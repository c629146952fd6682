/**
 * What the next request of a conversation will take, from what the service reported for the ones before it: reservations then lie
 * close to what a call costs, and a small budget is not taken up by calls that use a fraction of it.
 *
 * Input: the loop counts bytes, an upper bound several times too large. A request that goes on from the one before it costs what was
 * reported for that, and at most the bytes that are new. Output: the model's limit is what a runaway answer takes, hundreds of times a
 * usual one. A few times the longest of the latest answers is reserved instead, and more as the answer grows (`generation.ts`).
 * Reasoning may stay unseen until it is billed, so a reasoning model has its whole limit reserved until it has reported.
 */
import { createRecentMap, type ModelFacts, type Usage } from '../../types/index.ts'
import { firstOutputTokens, maxExpectedUsages, minReservedTokens, outputMargin, rememberedAnswers } from '../limits.ts'
import type { ReservedTokens } from './generation.ts'

export interface ExpectedUsage {
  /** @param conversation any key @param bound upper bounds @returns at most the bounds */
  expect(conversation: string, bound: ReservedTokens, facts: Pick<ModelFacts, 'reasoning'>): ReservedTokens
  /** @param bound as it was given for the request that was answered */
  learn(conversation: string, bound: ReservedTokens, usage: Usage): void
}

interface Known {
  /** Upper bound of the newest request's input, and what was reported for it. */
  readonly bound: number
  readonly reported: number
  /** Newest last. */
  readonly outputs: readonly number[]
}

export function createExpectedUsage(): ExpectedUsage {
  const all = createRecentMap<string, Known>(maxExpectedUsages)
  return {
    expect(conversation, { inputTokens, outputTokens }, { reasoning }) {
      const known = all.get(conversation)
      if (known === undefined) return { inputTokens, outputTokens: reasoning ? outputTokens : Math.min(outputTokens, firstOutputTokens) }
      const usual = Math.max(minReservedTokens, outputMargin * Math.max(...known.outputs))
      const grown = inputTokens >= known.bound ? known.reported + (inputTokens - known.bound) : inputTokens
      return { inputTokens: Math.min(inputTokens, grown), outputTokens: Math.min(outputTokens, usual) }
    },
    learn(conversation, { inputTokens }, usage) {
      if (usage.estimated) return
      const outputs = [...(all.get(conversation)?.outputs ?? []), usage.outputTokens].slice(-rememberedAnswers)
      all.put(conversation, { bound: inputTokens, reported: usage.inputTokens, outputs })
    },
  }
}
