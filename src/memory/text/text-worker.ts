/** The thread that reads texts: cutting, terms, questions and vectors, one question after the other. */
import { parentPort, workerData } from 'node:worker_threads'
import { lowerThreadPriority } from '../../store/thread-priority.ts'
import { type ThreadAnswer, type ThreadQuestion, toFailure } from '../../base/index.ts'
import { createTextAnswers } from './text-answers.ts'
import type { TextQuestion, TextThreadRole } from './text-engine.ts'

function serve(): void {
  const port = parentPort
  if (port === null) return
  lowerThreadPriority()
  const answers = createTextAnswers((workerData as TextThreadRole).embedder)
  const reply = (answer: ThreadAnswer<unknown>): void => port.postMessage(answer, [])
  port.on('message', ([id, question]: ThreadQuestion<TextQuestion>) => {
    const answer: Promise<unknown> = answers[question.name](question as never)
    answer.then(
      (result) => reply([id, null, result]),
      (error: unknown) => reply([id, toFailure(error, 'internal_failure', 'Please report it with the text that was read.'), null]),
    )
  })
}

serve()
