/**
 * Talk as people have it: what a memory was told before, and messages that follow, no two alike. Some ask about what was told; the others
 * tell something new. Not the dialogues by which recall was chosen.
 */
import type { Dialogue, Turn } from '../recall/dialogue.ts'
import { seededChance } from '../recall/generated/seeded-chance.ts'
import { spokenText } from '../recall/indexed-dialogue.ts'
import { generateLifelike } from '../recall/lifelike/make-lifelike.ts'

const toldSeed = 31
const laterSeed = 32
const questionsPerDialogue = 200

export interface TalkMessage {
  readonly text: string
  /** Passages that answer it; empty: it asks nothing that was told. */
  readonly answers: readonly string[]
}

/** @returns dialogues with so many turns together */
export function toldTalk(passages: number): readonly Dialogue[] {
  const told: Dialogue[] = []
  for (let left = passages, number = 0; left > 0; number += 1) {
    for (const dialogue of generateLifelike(toldSeed + 1_000 * number, { dialogues: 1, questionsPerDialogue })) {
      const turns = dialogue.turns.slice(0, left)
      told.push({ ...dialogue, turns })
      left -= turns.length
    }
  }
  return told
}

/** As many messages as are wanted, questions spread evenly among them: every second one as long as there are enough. */
export function differentMessages(told: readonly Dialogue[], count: number): readonly TalkMessage[] {
  const used = new Set<string>()
  const isNew = ({ text }: TalkMessage): boolean => !used.has(text) && used.add(text) !== undefined
  const questions = seededChance(toldSeed)
    .some(questionsOf(told), Math.ceil(count / 2))
    .filter(isNew)
  const statements = statementsFrom(count - questions.length, isNew)
  return Array.from({ length: count }, (_, i) => {
    const asked = Math.floor(((i + 1) * questions.length) / count)
    const isQuestion = asked > Math.floor((i * questions.length) / count)
    return (isQuestion ? questions[asked - 1] : statements[i - asked])!
  })
}

function questionsOf(told: readonly Dialogue[]): readonly TalkMessage[] {
  // The people of two dialogues may have the same name, so all dialogues are asked.
  return told.flatMap(({ turns, questions, unanswered = [] }) => {
    const byId = new Map(turns.map((turn): [string, Turn] => [turn.id, turn]))
    const answered = questions.flatMap(({ text, evidence }): TalkMessage[] => {
      const answers = evidence.flatMap((id) => byId.get(id) ?? []).map(spokenText)
      return answers.length === 0 ? [] : [{ text, answers }]
    })
    return [...answered, ...unanswered.map((text) => ({ text, answers: [] }))]
  })
}

function statementsFrom(count: number, isNew: (message: TalkMessage) => boolean): readonly TalkMessage[] {
  const statements: TalkMessage[] = []
  for (let number = 0; statements.length < count; number += 1) {
    const turns = generateLifelike(laterSeed + 1_000 * number, { dialogues: 1, questionsPerDialogue: 1 }).flatMap((each) => each.turns)
    statements.push(...turns.map(({ text }) => ({ text, answers: [] })).filter(isNew))
  }
  return statements
}
