/** Recall as the thread answers it that reads texts: over a connection of its own, with words and vectors of questions read on the spot. */
import { type MemorySource, type MemoryStore, type OpenedMemory, attachMemory } from '../../store/index.ts'
import { once, type Once, toFailure } from '../../base/index.ts'
import { createQueryEngine } from '../embed/vector-index.ts'
import type { TextAnswers } from '../text/text-answers.ts'
import { builtInEmbedder, type TextEngine } from '../text/text-engine.ts'
import type { ThreadQuestions } from './thread-questions.ts'
import { engineOver } from '../text/engine-over.ts'
import { createRecall } from './create-recall.ts'
import { hurriedAfterMs } from './recall-limits.ts'
import type { Recall } from './recalled.ts'

type RecallAnswers = {
  readonly [Name in 'recall' | 'memory' | 'leave']: (
    ask: ThreadQuestions[Name]['ask'],
    waitedMs?: number,
  ) => Promise<ThreadQuestions[Name]['answer']>
}

interface Opened extends Pick<OpenedMemory, 'keep' | 'close'> {
  readonly store: MemoryStore
  readonly recall: Recall
}

export function createRecallAnswers(texts: TextAnswers): RecallAnswers {
  const text = engineOver(
    (name, question) => texts[name](question),
    async () => {},
  )
  let meanwhile: string | null = null
  const asking = createQueryEngine(text, { meanwhile: () => meanwhile, monotonicMs: () => performance.now() })
  let now = 0
  const open = async (source: MemorySource): Promise<Opened> => {
    const { memory: store, ...rest } = await attachMemory(source)
    return { store, ...rest, recall: createRecall({ store, text: asking, now: () => now }) }
  }
  let held: { readonly key: string; readonly open: Once<Opened> } | null = null
  /** A thread has one memory; it is opened again when opening failed. */
  const openedFor = (source: MemorySource): Promise<Opened> => {
    const key = JSON.stringify(source)
    if (held?.key !== key) held = { key, open: once(() => open(source)) }
    return held.open()
  }
  /** With vectors that a service has made. */
  const engineWith = (made: NonNullable<ThreadQuestions['recall']['ask']['made']>): TextEngine => {
    const vectors = new Map(made.vectors)
    // With other names the question still asks the same.
    const whole = made.vectors[0]?.[1] ?? new Float32Array(0)
    return {
      ...text,
      embedder: async () => made.embedder,
      embed: async (asked) => asked.map((each) => vectors.get(each) ?? whole),
      closeness: (question, passages) => texts.closeness({ ...question, passages, embedder: builtInEmbedder }),
    }
  }
  return {
    async recall({ question, source, made, ...ask }, waitedMs = 0) {
      const { store, recall, keep } = await openedFor(source)
      meanwhile = ask.meanwhile
      now = ask.now
      const own = made === undefined ? recall : createRecall({ store, text: engineWith(made), now: () => ask.now })
      const hurried = question.forTurn === true && waitedMs > hurriedAfterMs
      const found = await own.recall(hurried ? { ...question, hurried } : question)
      // Behind the answer.
      setImmediate(keep)
      const fault = asking.fault()
      return { found, fault: fault === null ? null : toFailure(fault, 'internal_failure', '') }
    },
    async leave() {
      const opened = await held?.open.made()?.catch(() => null)
      opened?.keep()
      await opened?.close()
    },
    memory: async ({ source, model, limit }) => (await openedFor(source)).store.withoutVector(model, limit),
  }
}
