/** The worker's side of a `WorkerLink`: each question gets one answer or one failure, and the thread ends after `close`. */
import type { MessagePort } from 'node:worker_threads'
import type { OxbowError } from '../../types/index.ts'
import { failureOf } from '../store-fault.ts'
import type { Question, WorkerAnswer, WorkerRequest } from './worker-message.ts'

/** @param typed what an engine's failure is to whoever asked */
export function serveWorker(
  port: MessagePort,
  answer: (question: Question) => Promise<unknown>,
  typed: (error: unknown) => OxbowError,
): void {
  port.on('message', ([id, question]: WorkerRequest) => {
    const reply = (message: WorkerAnswer): void => {
      port.postMessage(message)
      if (question.ask === 'close') port.close()
    }
    answer(question).then(
      (result) => reply([id, null, result]),
      (error: unknown) => reply([id, failureOf(typed(error)), null]),
    )
  })
}
