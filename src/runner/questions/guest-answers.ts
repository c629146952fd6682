/**
 * Answers the questions of a serving guest: about the files of its home, and those for the program that has started it. Each is answered when
 * it is; the guest may withdraw it before.
 */
import { toFailure } from '../../base/index.ts'
import type { App, AppQuestion, GuestReport, HomeQuestion, HostReply } from '../../config/index.ts'
import type { GuestProcess } from '../guest-process.ts'
import type { HostSide } from './host-questions.ts'

type Asked = GuestReport & { readonly type: 'ask' }

export interface Answers {
  take(asked: Asked): void
  /** The guest is gone: the program stops what it does for it. */
  close(): void
}

export function createAnswers(guest: Pick<GuestProcess, 'send'>, hostSide: () => Promise<HostSide>, app: App | undefined): Answers {
  const running = new Map<number, AbortController>()
  const reply = (line: HostReply): void => guest.send(line)
  const answer = async (id: number, question: HomeQuestion | AppQuestion): Promise<unknown> => {
    if (question.ask !== 'app_tool' && question.ask !== 'app_model') return (await hostSide()).answer(question)
    if (app === undefined) throw new Error(`the guest asks for ${question.ask}, and no program has offered it`)
    const withdrawn = new AbortController()
    running.set(id, withdrawn)
    return app
      .answer(question, withdrawn.signal, (piece) => void (running.has(id) && reply({ type: 'piece', id, piece })))
      .finally(() => running.delete(id))
  }
  return {
    take({ id, question }) {
      if (question.ask === 'withdraw') return running.get(question.question)?.abort()
      void answer(id, question).then(
        (output) => reply({ type: 'answer', id, output }),
        (error: unknown) =>
          reply({
            type: 'answer',
            id,
            failure: toFailure(error, 'internal_failure', 'See the log of the program that started the guest.'),
          }),
      )
    },
    close() {
      for (const each of running.values()) each.abort()
    },
  }
}
