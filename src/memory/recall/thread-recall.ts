/** Recall on the main thread's side: one question to the thread that reads texts, which searches, ranks and answers with the results alone. */
import type { MemorySource } from '../../store/index.ts'
import { toError } from '../../base/index.ts'
import type { QueryEngine } from '../embed/vector-index.ts'
import type { ThreadEngine, ThreadQuestions } from './thread-questions.ts'
import type { Recall } from './recalled.ts'
import { maxParts, maxQuestionUnits } from './recall-limits.ts'

interface ThreadRecallDeps {
  readonly text: ThreadEngine
  readonly source: () => Promise<MemorySource>
  /** Makes vectors of questions where a service does: they are asked for here. */
  readonly asking: QueryEngine
  readonly meanwhile: () => string | null
  /** Unix milliseconds. */
  readonly now: () => number
}

export interface ThreadRecall extends Recall {
  /** Why the latest question was searched by words alone; null if it was not. */
  fault(): unknown
}

export function createThreadRecall({ text, source, asking, meanwhile, now }: ThreadRecallDeps): ThreadRecall {
  let fault: unknown = null
  return {
    fault: () => (text.hasService ? asking.fault() : fault),
    async recall(question) {
      const sent = { ...question, text: question.text.slice(0, maxQuestionUnits).toWellFormed() }
      if (sent.text.trim() === '') return []
      const made = text.hasService ? { made: await vectorsOf(asking, sent.text) } : {}
      const answer = await text.recall({ question: sent, source: await source(), meanwhile: meanwhile(), now: now(), ...made })
      fault = answer.fault === null ? null : toError(answer.fault)
      return answer.found
    },
  }
}

/** Of a question and its parts. */
async function vectorsOf(asking: QueryEngine, question: string): Promise<NonNullable<ThreadQuestions['recall']['ask']['made']>> {
  const [embedder, { parts }] = await Promise.all([asking.embedder(), asking.read(question)])
  const texts = [question, ...(parts.length > 1 ? parts.slice(0, maxParts) : [])]
  const vectors = embedder === null ? [] : await asking.embed(texts, 'query')
  return { embedder, vectors: texts.map((text, i) => [text, vectors[i] ?? new Float32Array(0)]) }
}
