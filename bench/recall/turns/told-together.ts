/** Facts that were told in one session, with talk between them, as people tell them; and what is asked in others. */
import { type Half, half } from '../../../test/recall-bench/people/person.ts'
import { idleTurns } from './idle-turns.ts'
import { manyLives } from './many-lives.ts'
import { between, outside, smallTalk } from './outside.ts'
import type { AskedTurns } from './score-turns.ts'
import type { ToldFact } from './turn-set.ts'

interface ToldTogether {
  /** What the person says in the session, in order. */
  readonly said: readonly string[]
  readonly asked: AskedTurns['asked']
}

/** Facts of one of the sets by the other author. */
const outsideFacts = 20

/** @param which half of the questions and of the idle turns; all facts are told */
export function manyLivesTogether(which: Half): ToldTogether {
  return together(manyLives, half(manyLives, which), half(idleTurns, which))
}

/** The two sets of the other author, each a memory of its own. */
export function outsideTogether(): readonly ToldTogether[] {
  return [0, outsideFacts].map((from) => {
    const facts = outside.slice(from, from + outsideFacts)
    return together(facts, facts, smallTalk)
  })
}

/** @returns what was said and answered, in turn */
export function answered(said: readonly string[]): readonly string[] {
  return said.flatMap((text) => [text, 'All right.'])
}

function together(told: readonly ToldFact[], asked: readonly ToldFact[], idle: readonly string[]): ToldTogether {
  return {
    said: told.flatMap((fact, i) => (i % 2 === 0 ? [fact.told] : [fact.told, between[((i - 1) / 2) % between.length] ?? ''])),
    asked: {
      direct: asked.map((fact) => [fact.direct, fact.told]),
      reworded: asked.map((fact) => [fact.reworded, fact.told]),
      tasks: [],
      'other languages': [],
      chores: idle.map((message) => [message, '']),
      anybody: [],
    },
  }
}
