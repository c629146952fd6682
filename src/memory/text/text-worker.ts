/**
 * The thread that reads texts and recalls: cutting, terms and vectors, and the whole of recall over a connection of its own.
 *
 * It does one thing after the other, but not in the order in which they came: texts of what is being saved go first, which take a fraction of
 * a millisecond, then questions, then vectors of what was saved, a few at a time.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { lowerThreadPriority } from '../../store/thread-priority.ts'
import { type ThreadAnswer, type ThreadQuestion, toFailure, watchIdleMemory } from '../../base/index.ts'
import { createRecallAnswers } from '../recall/recall-answers.ts'
import { createTextAnswers } from './text-answers.ts'
import type { ThreadAsk, ThreadQuestions } from '../recall/thread-questions.ts'
import type { TextThreadRole } from './text-engine.ts'

type Turn = 'texts' | 'questions' | 'vectors'

const turnOf: Readonly<Record<keyof ThreadQuestions, Turn>> = {
  cut: 'texts',
  terms: 'texts',
  storedTerms: 'texts',
  read: 'questions',
  embedder: 'questions',
  closeness: 'questions',
  recall: 'questions',
  embed: 'vectors',
  memory: 'vectors',
  leave: 'vectors',
}

interface Waiting {
  readonly message: ThreadQuestion<ThreadAsk>
  /** When it came. */
  readonly at: number
}

function serve(): void {
  const port = parentPort
  if (port === null) return
  lowerThreadPriority()
  // Reading and ranking leave more garbage than what is held.
  watchIdleMemory()
  const role = workerData as TextThreadRole
  const waiting: Record<Turn, Waiting[]> = { texts: [], questions: [], vectors: [] }
  // While somebody waits for an answer, vectors of what was said are made later.
  const texts = createTextAnswers(role.embedder, () => waiting.questions.length > 0)
  const answers = { ...texts, ...createRecallAnswers(texts) }
  let isPlanned = false
  const reply = (answer: ThreadAnswer<unknown>): void => port.postMessage(answer, [])
  const plan = (): void => {
    if (isPlanned) return
    isPlanned = true
    setImmediate(() => {
      isPlanned = false
      const next = waiting.texts.shift() ?? waiting.questions.shift() ?? waiting.vectors.shift()
      if (next === undefined) return
      // What came meanwhile is seen before the one after it.
      plan()
      const [id, question] = next.message
      const answer: Promise<unknown> = answers[question.name](question as never, performance.now() - next.at)
      answer.then(
        (result) => reply([id, null, result]),
        (error: unknown) => reply([id, toFailure(error, 'internal_failure', 'Please report it with the text that was read.'), null]),
      )
    })
  }
  port.on('message', (message: ThreadQuestion<ThreadAsk>) => {
    const { name } = message[1]
    // Nobody waits for the rest any more.
    if (name === 'leave') for (const list of Object.values(waiting)) list.length = 0
    // A question's own vector is awaited by a person.
    const turn = name === 'embed' && message[1].purpose === 'query' ? 'questions' : turnOf[name]
    waiting[turn].push({ message, at: performance.now() })
    plan()
  })
}

serve()
