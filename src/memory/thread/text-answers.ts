/** Answers questions about texts, wherever it runs. The embedder is loaded when it is first asked for. */
import { OxbowError } from '../../types/index.ts'
import { openLocalEmbedder } from '../embed/local-embedder.ts'
import { cutText } from '../cut/cut.ts'
import { readQuestion } from '../text/read-question.ts'
import { termsOf } from '../text/terms.ts'
import type { Embedder } from '../text-engine.ts'
import type { TextQuestions } from './text-message.ts'

export type TextAnswers = {
  readonly [Name in keyof TextQuestions]: (ask: TextQuestions[Name]['ask']) => Promise<TextQuestions[Name]['answer']>
}

/** @param name of `memory.embedder` */
export function createTextAnswers(name: string): TextAnswers {
  let opening: Promise<Embedder | null> | undefined
  const open = (): Promise<Embedder | null> => (opening ??= openLocalEmbedder(name))
  return {
    cut: async ({ text, format }) => cutText(text, format),
    terms: async ({ text }) => termsOf(text).join(' '),
    read: async ({ question }) => readQuestion(question),
    async embedder() {
      const embedder = await open()
      if (embedder === null) return null
      const { id, dims, weights } = embedder
      return { id, dims, weights }
    },
    async embed({ texts }) {
      const embedder = await open()
      if (embedder === null) {
        throw new OxbowError('bad_config', 'There is no embedder.', { hint: 'Set memory.embedder, e.g. to words-50k.' })
      }
      return embedder.embed(texts)
    },
  }
}
