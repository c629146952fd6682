/** What turns are given of a memory, as recall before a turn decides it. */
import { createLocalTextEngine } from '../../../src/memory/index.ts'
import { createRecall } from '../../../src/memory/recall/create-recall.ts'
import { createTurnRecall } from '../../../src/memory/recall/turn-recall.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { type CallId, type SessionId, systemClock, type UserId } from '../../../src/base/index.ts'
import { type Half, half, type Person } from '../../../test/recall-bench/people/person.ts'
import { fillTurnBed } from './turn-bed.ts'
import type { TurnSet } from './turn-set.ts'

/** As configured by default. */
const limit = 8
const tokens = 1_000

/** `anybody`: asks about a matter that a fact is about, but nothing of the person. */
const kinds = ['direct', 'reworded', 'tasks', 'other languages', 'chores', 'anybody'] as const

export interface TurnScore {
  readonly what: (typeof kinds)[number]
  readonly turns: number
  /** Turns that were given something, and what answers them. */
  readonly given: number
  readonly answered: number
  /** Memories that these turns were given. */
  readonly memories: number
}

type Asked = readonly (readonly [text: string, answer: string])[]

/** What is told, each in a session of its own, and what is asked afterwards. */
export interface AskedTurns {
  readonly told: readonly string[]
  readonly asked: Readonly<Record<TurnScore['what'], Asked>>
}

export function askedOf({ facts, tongues, chores, tongueChores }: TurnSet): AskedTurns {
  return {
    told: [...facts, ...tongues].map(({ told }) => told),
    asked: {
      direct: facts.map(({ direct, told }) => [direct, told]),
      reworded: facts.map(({ reworded, told }) => [reworded, told]),
      tasks: facts.flatMap(({ task, told }) => (task === undefined ? [] : [[task, told] as const])),
      'other languages': tongues.map(({ ask, told }) => [ask, told]),
      chores: [...chores, ...tongueChores].map((message) => [message, '']),
      anybody: [],
    },
  }
}

/** @param which half of the messages; all facts are told */
export function askedOfPerson({ facts, chores }: Person, which: Half): AskedTurns {
  const asked = half(facts, which)
  return {
    told: facts.map(({ told }) => told),
    asked: {
      direct: asked.map(({ direct, told }) => [direct, told]),
      reworded: asked.map(({ reworded, told }) => [reworded, told]),
      tasks: half(
        facts.filter(({ task }) => task !== undefined),
        which,
      ).map(({ task = '', told }) => [task, told]),
      'other languages': [],
      chores: half(chores, which).map((message) => [message, '']),
      anybody: asked.map(({ anybody }) => [anybody, '']),
    },
  }
}

/** @param talks what was said before: see past-talks.ts */
export async function scoreTurns({ told, asked }: AskedTurns, talks: readonly (readonly string[])[]): Promise<readonly TurnScore[]> {
  const text = createLocalTextEngine({ embedder: 'words-50k' })
  const store = await openMemoryStore({ user: 'bench' as UserId })
  try {
    await fillTurnBed(store, told, talks, text)
    const recall = createRecall({ store: store.memory, text, now: Date.now })
    const turns = createTurnRecall({ memory: store.memory, clock: systemClock }, { recall: async () => recall, limit, tokens })
    const scores: TurnScore[] = []
    for (const what of kinds) {
      const given = await Promise.all(
        asked[what].map(([message], i) =>
          turns.recall({ session: `${what} ${i}` as SessionId, text: message, oldest: '', message: `m${i}` as CallId }),
        ),
      )
      scores.push({
        what,
        turns: given.length,
        given: given.filter(({ ids }) => ids.length > 0).length,
        answered: given.filter((each, i) => asked[what][i]![1] !== '' && each.text.includes(asked[what][i]![1])).length,
        memories: given.reduce((sum, { ids }) => sum + ids.length, 0),
      })
    }
    return scores
  } finally {
    await store.close()
    await text.close()
  }
}

export function needsNothing(what: TurnScore['what']): boolean {
  return what === 'chores' || what === 'anybody'
}

/** @param all scores of the same kinds in the same order */
export function sumOf(all: readonly (readonly TurnScore[])[]): readonly TurnScore[] {
  return kinds.map((what, i) => {
    const sum = (of: 'turns' | 'given' | 'answered' | 'memories'): number => all.reduce((total, each) => total + (each[i]?.[of] ?? 0), 0)
    return { what, turns: sum('turns'), given: sum('given'), answered: sum('answered'), memories: sum('memories') }
  })
}
