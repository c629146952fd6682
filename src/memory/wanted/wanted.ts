/** What tidying adds to recall: it counts what was wanted, and puts what is hot before what fits the message. */
import type { Clock } from '../../types/index.ts'
import { joinedLabels } from '../keep/provenance-record.ts'
import type { LoneWriter } from '../lone-writer.ts'
import { nearEnough } from '../near-enough.ts'
import type { Recall } from '../recalled.ts'
import type { TurnMemory, TurnQuestion } from '../said/turn-recall.ts'
import { createAccessCounter } from './accesses.ts'
import { createHotEntries, type HotEntries } from './hot-entries.ts'

export interface Wanted {
  /** The same recall; what it finds is counted. */
  counting(recall: Recall): Recall
  /** Adds what is hot to what was recalled before a turn. */
  withHot(question: TurnQuestion, recalled: TurnMemory): Promise<TurnMemory>
  readonly hot: Pick<HotEntries, 'drop'>
  close(): Promise<void>
}

export function createWanted({ memory, alone }: LoneWriter, clock: Clock): Wanted {
  const accesses = createAccessCounter(alone, clock)
  const hot = createHotEntries(memory, clock)
  return {
    hot,
    counting: (inner) => ({
      async recall(question) {
        const found = await inner.recall(question)
        const best = found[0]?.score ?? 0
        // What was only nearest was not wanted.
        const fitting = nearEnough(found).map(({ id, score }) => ({ id, fits: best > 0 ? score / best : 0 }))
        accesses.count(fitting, question.session)
        return found
      },
    }),
    async withHot({ session }, recalled) {
      const told = await hot.tell(session)
      if (told.text === '') return recalled
      return {
        text: [told.text, recalled.text].filter((text) => text !== '').join('\n\n'),
        ids: [...new Set([...told.ids, ...recalled.ids])],
        labels: joinedLabels(told.labels, recalled.labels),
      }
    },
    close: () => accesses.flush().catch(() => {}),
  }
}
