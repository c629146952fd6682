/**
 * Two conversations that were written by hand, in one memory, with questions that were written before anybody looked at what recall
 * finds of them. Nothing is ever chosen by this set: it says whether what gains on generated dialogues gains on people, too.
 */
import { type Dialogue, type Question, type QuestionClass, questionClasses, type Turn } from '../dialogue.ts'
import { bandmateQuestions, bandmates } from './chat-bandmates.ts'
import { neighbourQuestions, neighbours } from './chat-neighbours.ts'
import type { WrittenSitting } from './written-chat.ts'

const turnMs = 60_000
const line = /^(?:\[(\w+)\] )?(\w+): (.+)$/

export function handwrittenDialogue(): Dialogue {
  const [first, second] = [readChat(neighbours, 0), readChat(bandmates, neighbours.length)]
  return {
    name: 'handwritten',
    turns: [...first.turns, ...second.turns],
    questions: [...asked(neighbourQuestions, first.named), ...asked(bandmateQuestions, second.named)],
  }
}

interface Chat {
  readonly turns: readonly Turn[]
  readonly named: ReadonlyMap<string, string>
}

function readChat(sittings: readonly WrittenSitting[], before: number): Chat {
  const named = new Map<string, string>()
  const turns = sittings.flatMap(({ at, lines }, index) =>
    lines
      .trim()
      .split('\n')
      .map((each, i): Turn => {
        const [, name, speaker = '', text = ''] = line.exec(each) ?? []
        const sitting = before + index + 1
        const id = `D${sitting}:${i + 1}`
        if (text === '' || (name !== undefined && named.has(name))) throw new Error(`${id} cannot be read: ${each}`)
        if (name !== undefined) named.set(name, id)
        return { id, speaker, text, at: Date.parse(at) + i * turnMs, sitting }
      }),
  )
  return { turns, named }
}

function asked(list: readonly (readonly [string, string, ...string[]])[], named: ReadonlyMap<string, string>): Question[] {
  return list.map(([text, kind, ...names]) => {
    const evidence = names.flatMap((name) => named.get(name) ?? [])
    if (evidence.length !== names.length || !isClass(kind)) throw new Error(`a question names what is not there: ${text}`)
    return { text, kind, evidence }
  })
}

function isClass(kind: string): kind is QuestionClass {
  return (questionClasses as readonly string[]).includes(kind)
}
