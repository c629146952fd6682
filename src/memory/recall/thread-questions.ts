/** What the thread that reads texts is asked besides: it also recalls, and reads memory for that. */
import type { MemorySource, MemoryStore } from '../../store/index.ts'
import type { Failure } from '../../base/index.ts'
import type { EmbedderFacts, TextEngine, TextQuestions } from '../text/text-engine.ts'
import type { Recalled, RecallQuestion } from './recalled.ts'

/** A text engine whose thread also recalls, and reads memory for that. */
export interface ThreadEngine extends TextEngine {
  /** A service makes the vectors: a question brings its own. */
  readonly hasService: boolean
  recall(ask: ThreadQuestions['recall']['ask']): Promise<ThreadQuestions['recall']['answer']>
  /** As `MemoryStore.withoutVector`, which looks at all of memory. */
  withoutVector(source: MemorySource, model: string, limit: number): Promise<ThreadQuestions['memory']['answer']>
}

/** What the thread of memory is asked. */
export interface ThreadQuestions extends TextQuestions {
  recall: {
    readonly ask: {
      readonly question: RecallQuestion
      readonly source: MemorySource
      /** Id of the complete model while another is built. */
      readonly meanwhile: string | null
      readonly now: number
      /** Made elsewhere: the vectors of the question and of its parts. */
      readonly made?: {
        readonly embedder: EmbedderFacts | null
        readonly vectors: readonly (readonly [string, Float32Array<ArrayBuffer>])[]
      }
    }
    readonly answer: { readonly found: readonly Recalled[]; readonly fault: Failure | null }
  }
  /** Asked before the thread ends. */
  leave: { readonly ask: object; readonly answer: void }
  memory: {
    readonly ask: { readonly source: MemorySource; readonly model: string; readonly limit: number }
    readonly answer: Awaited<ReturnType<MemoryStore['withoutVector']>>
  }
}

export type ThreadAsk = { [Name in keyof ThreadQuestions]: { readonly name: Name } & ThreadQuestions[Name]['ask'] }[keyof ThreadQuestions]
