/** Answers questions about texts, wherever it runs. The embedder is loaded when it is first asked for. */
import { OxbowError } from '../../types/index.ts'
import { builtInEmbedder } from '../embed/embedder-name.ts'
import { openLocalEmbedder } from '../embed/local-embedder.ts'
import { cutText } from '../cut/cut.ts'
import { readQuestion } from '../text/read-question.ts'
import { termsOf } from '../text/terms.ts'
import type { Embedder } from '../text-engine.ts'
import type { TextQuestions } from './text-message.ts'

export type TextAnswers = {
  readonly [Name in keyof TextQuestions]: (ask: TextQuestions[Name]['ask']) => Promise<TextQuestions[Name]['answer']>
}

/** @param configured name of `memory.embedder` */
export function createTextAnswers(configured: string): TextAnswers {
  const opened = new Map<string, Promise<Embedder | null>>()
  const open = (name = configured): Promise<Embedder | null> => {
    const known = opened.get(name)
    if (known !== undefined) return known
    const opening = openLocalEmbedder(name)
    opened.set(name, opening)
    // What failed may be mended: it is tried again when it is asked for again.
    opening.catch(() => opened.delete(name))
    return opening
  }
  return {
    cut: async ({ text, format }) => cutText(text, format),
    terms: async ({ text }) => termsOf(text).join(' '),
    read: async ({ question }) => readQuestion(question),
    async embedder({ embedder: name }) {
      const embedder = await open(name)
      if (embedder === null) return null
      const { id, dims, weights } = embedder
      return { id, dims, weights }
    },
    async embed({ texts, embedder: name, purpose }) {
      const embedder = await open(name)
      if (embedder === null) {
        throw new OxbowError('bad_config', 'There is no embedder.', { hint: 'Set memory.embedder, e.g. to words-50k.' })
      }
      return embedder.embed(texts, purpose)
    },
    async closeness({ passages, embedder: name, ...asked }) {
      const own = await open(name)
      // What knows whole texts only leaves single words to the table.
      const words = own === null || own.closeness !== undefined ? own : await open(builtInEmbedder)
      return (await words?.closeness?.(asked, passages)) ?? null
    },
  }
}
