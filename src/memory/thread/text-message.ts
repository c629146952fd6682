/** What passes between the main side and the thread that reads texts: numbered questions, one numbered answer each. */
import type { Failure } from '../../types/index.ts'
import type { AskedTerms, CutPassage, EmbedderFacts, EmbedPurpose, ReadQuestion, TextFormat, PassageTerms } from '../text-engine.ts'

/** Each question with what answers it. */
export interface TextQuestions {
  cut: { readonly ask: { readonly text: string; readonly format: TextFormat }; readonly answer: readonly CutPassage[] }
  terms: { readonly ask: { readonly text: string }; readonly answer: string }
  read: { readonly ask: { readonly question: string }; readonly answer: ReadQuestion }
  /** `embedder`: in place of the configured one. */
  embedder: { readonly ask: { readonly embedder?: string }; readonly answer: EmbedderFacts | null }
  embed: {
    readonly ask: { readonly texts: readonly string[]; readonly embedder?: string; readonly purpose?: EmbedPurpose }
    readonly answer: readonly Float32Array<ArrayBuffer>[]
  }
  closeness: {
    readonly ask: AskedTerms & { readonly passages: readonly PassageTerms[]; readonly embedder?: string }
    readonly answer: readonly number[] | null
  }
}

export type TextQuestion = { [Name in keyof TextQuestions]: { readonly name: Name } & TextQuestions[Name]['ask'] }[keyof TextQuestions]
export type TextRequest = readonly [id: number, question: TextQuestion]
export type TextAnswer = readonly [id: number, failure: Failure | null, answer: unknown]

/** What the thread is started with. */
export interface TextThreadRole {
  /** A name of `memory.embedder` that a thread can serve. */
  readonly embedder: string
}
