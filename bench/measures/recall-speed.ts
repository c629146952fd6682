/** Duration of recall in a large memory of one user, and whether it blocks the event loop. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createTextEngine, openRecall } from '../../src/memory/index.ts'
import { openSqliteStore, type Store } from '../../src/store/index.ts'
import type { TextEngine } from '../../src/memory/index.ts'
import type { Measure } from '../measure.ts'
import type { Question } from '../recall/dialogue.ts'
import { generateDialogues } from '../recall/generated/generate-dialogues.ts'
import { addDialogue, addVectors } from '../recall/indexed-dialogue.ts'
import { bounded, ms, perSecond, type Row, shown } from '../report.ts'
import { quantile } from '../statistics.ts'
import { benchUser, makeWorkspace } from '../subjects/guest.ts'

const seed = 70
/** As recall before a turn. */
const limit = 8
const tokens = 1_000
const beatMs = 5
const warmUp = 20

export const recallSpeed: Measure = {
  name: 'recall-speed',
  title: 'Recall in a large memory',
  how: "The whole recall (reading the question, its vector, the search, neighbours) of one user over SQLite on disk and the built-in table of words, one question after another; the store and the text engine are in their threads, and the delay is measured in the asker's event loop.",
  async run({ plan }) {
    using workspace = makeWorkspace()
    const store = await openSqliteStore({ path: workspace.database, user: benchUser, durability: 'normal' })
    const text = createTextEngine({ embedder: 'words-50k' })
    try {
      await store.opened()
      const began = performance.now()
      const { passages, questions } = await fill(store, text, plan.recallPassages)
      const textMs = performance.now() - began
      await addVectors(store, text)
      const vectorMs = performance.now() - began - textMs
      return [
        shown(
          `${passages} passages written, terms made`,
          perSecond((passages / textMs) * 1_000),
          `their vectors ${perSecond((passages / vectorMs) * 1_000)}`,
        ),
        ...(await timeRecall(store, text, questions.slice(0, plan.recallQuestions + warmUp))),
      ]
    } finally {
      await store.close()
      await text.close()
    }
  },
}

async function fill(store: Store, text: TextEngine, wanted: number): Promise<{ passages: number; questions: readonly Question[] }> {
  const questions: Question[] = []
  let passages = 0
  for (let number = 0; passages < wanted; number++) {
    for (const dialogue of generateDialogues(seed + number, { dialogues: 1, questionsPerDialogue: 150 })) {
      await addDialogue(store, dialogue, text, `${number}-`)
      passages += dialogue.turns.length
      questions.push(...dialogue.questions.filter((_, i) => i % 17 === 0))
    }
  }
  return { passages, questions }
}

async function timeRecall(store: Store, text: TextEngine, questions: readonly Question[]): Promise<readonly Row[]> {
  const recall = await openRecall({ store: store.memory, text, now: Date.now })
  const times: number[] = []
  const delay = monitorEventLoopDelay({ resolution: beatMs })
  for (const [i, question] of questions.entries()) {
    if (i === warmUp) delay.enable()
    const began = performance.now()
    await recall.recall({ text: question.text, filter: {}, limit, tokens })
    if (i >= warmUp) times.push(performance.now() - began)
  }
  delay.disable()
  const [p50, p95] = [quantile(times, 0.5), quantile(times, 0.95)]
  const loop = Math.max(0, delay.percentile(99) / 1e6 - beatMs)
  return [
    bounded('recall, p50', ms(p50), `${times.length} questions`, '< 15 ms', p50 < 15),
    bounded('recall, p95', ms(p95), '', '< 40 ms', p95 < 40),
    bounded('event-loop delay meanwhile, p99', ms(loop), `worst ${ms(Math.max(0, delay.max / 1e6 - beatMs))}`, '< 50 ms', loop < 50),
  ]
}
