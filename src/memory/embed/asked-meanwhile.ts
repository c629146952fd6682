/**
 * The text engine as recall asks it. While vectors of another model are being made, questions become vectors of the one that is
 * complete, where that can still be had. And where no vector can be had for a question, because a service is away or a budget is used
 * up, it is asked by its words alone, and for a while no service is asked in vain.
 */
import { isOxbowError, OxbowError } from '../../types/index.ts'
import type { Embedder, TextEngine } from '../text-engine.ts'
import { questionPatienceMs, vectorRestMs } from './embed-limits.ts'

export interface AskedEngine extends TextEngine {
  /** Why the newest question had no vector; null when it had. */
  fault(): unknown
}

export interface AskedDeps {
  /** Id of the model that is complete while another is being made; null when the configured one is. */
  readonly meanwhile: () => string | null
  readonly monotonicMs: () => number
  /** For tests. */
  readonly patienceMs?: number | undefined
}

/** Its vectors are empty where none can be had. @throws OxbowError `bad_config` still: a mistake is said and not hidden */
export function askedMeanwhile(text: TextEngine, deps: AskedDeps): AskedEngine {
  const { meanwhile, monotonicMs, patienceMs = questionPatienceMs } = deps
  let fault: unknown = null
  let restUntil = 0
  /** An answer that nobody waits for any more has not come yet: no other question waits for the same. */
  let late = false
  const complete = async (): Promise<Embedder | null> => {
    const model = meanwhile()
    return model === null ? null : text.embedderOf(model)
  }
  /** @returns null when it fails, or takes longer than a person who waits for an answer should wait for this */
  const tried = async <Value>(ask: () => Promise<Value>): Promise<Value | null> => {
    if (late || monotonicMs() < restUntil) return null
    const asked = ask()
    const settled = asked.then(
      () => (fault = null),
      (error: unknown) => {
        fault = error
        if (!isOxbowError(error, 'bad_config')) restUntil = monotonicMs() + vectorRestMs
      },
    )
    try {
      return await inTime(asked, patienceMs)
    } catch (error) {
      if (isOxbowError(error, 'bad_config')) throw error
      if (error !== tooLate) return null
      late = true
      fault = new OxbowError('model_stalled', `no vector of a question within ${patienceMs} ms`, {
        hint: 'It is asked again with a later question.',
      })
      void settled.then(() => (late = false))
      return null
    }
  }
  return {
    ...text,
    async embedder() {
      const other = await complete()
      if (other === null) return tried(() => text.embedder())
      const { id, dims, weights } = other
      return { id, dims, weights }
    },
    async embed(texts, purpose) {
      const other = await complete()
      if (other !== null) return other.embed(texts, purpose)
      return (await tried(() => text.embed(texts, purpose))) ?? texts.map(() => new Float32Array(0))
    },
    fault: () => fault,
  }
}

const tooLate = Symbol('too late')

/** @throws `tooLate`, or as what was asked fails */
async function inTime<Value>(asked: Promise<Value>, patienceMs: number): Promise<Value> {
  const end = Promise.withResolvers<never>()
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a mark, told apart by its identity and never shown
  const timer = setTimeout(() => end.reject(tooLate), patienceMs)
  try {
    return await Promise.race([asked, end.promise])
  } finally {
    clearTimeout(timer)
  }
}
