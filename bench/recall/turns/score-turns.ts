/** What turns are given of a memory, as recall before a turn decides it. */
import { createLocalTextEngine } from '../../../src/memory/index.ts'
import { createRecall } from '../../../src/memory/recall/create-recall.ts'
import { createTurnRecall } from '../../../src/memory/recall/turn-recall.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { type CallId, type SessionId, systemClock, type UserId } from '../../../src/types/index.ts'
import { fillTurnBed } from './turn-bed.ts'
import type { TurnSet } from './turn-set.ts'

/** As configured by default. */
const limit = 8
const tokens = 1_000

export interface TurnScore {
  readonly what: 'direct' | 'reworded' | 'tasks' | 'other languages' | 'chores'
  readonly turns: number
  /** Turns that were given something, and what answers them. */
  readonly given: number
  readonly answered: number
  /** Memories that these turns were given. */
  readonly memories: number
}

/** @param talks what was said before: see past-talks.ts */
export async function scoreTurns(set: TurnSet, talks: readonly (readonly string[])[]): Promise<readonly TurnScore[]> {
  const text = createLocalTextEngine({ embedder: 'words-50k' })
  const store = await openMemoryStore({ user: 'bench' as UserId })
  try {
    await fillTurnBed(
      store,
      [...set.facts, ...set.tongues].map(({ told }) => told),
      talks,
      text,
    )
    const recall = createRecall({ store: store.memory, text, now: Date.now })
    const turns = createTurnRecall({ memory: store.memory, clock: systemClock }, { recall: async () => recall, limit, tokens })
    const score = async (what: TurnScore['what'], asked: readonly (readonly [text: string, answer: string])[]): Promise<TurnScore> => {
      const given = await Promise.all(
        asked.map(([message], i) =>
          turns.recall({ session: `${what} ${i}` as SessionId, text: message, oldest: '', message: `m${i}` as CallId }),
        ),
      )
      return {
        what,
        turns: asked.length,
        given: given.filter(({ ids }) => ids.length > 0).length,
        answered: given.filter((each, i) => asked[i]![1] !== '' && each.text.includes(asked[i]![1])).length,
        memories: given.reduce((sum, { ids }) => sum + ids.length, 0),
      }
    }
    const tasks = set.facts.flatMap(({ told, task }) => (task === undefined ? [] : [[task, told] as const]))
    return [
      await score(
        'direct',
        set.facts.map(({ direct, told }) => [direct, told]),
      ),
      await score(
        'reworded',
        set.facts.map(({ reworded, told }) => [reworded, told]),
      ),
      await score('tasks', tasks),
      await score(
        'other languages',
        set.tongues.map(({ ask, told }) => [ask, told]),
      ),
      await score(
        'chores',
        [...set.chores, ...set.tongueChores].map((message) => [message, '']),
      ),
    ]
  } finally {
    await store.close()
    await text.close()
  }
}
