/** What each request asks of the kernel, and the text of its answer. */
import type { Kernel } from '../kernel/index.ts'
import { assertNever, type ClientFrame, type Failure, isOxbowError } from '../types/index.ts'
import { ackText, resultText } from './frame-text.ts'

/** Frames that any moment of a connection's life answers the same way. */
export type Request = Exclude<ClientFrame, { type: 'hello' | 'subscribe' | 'unsubscribe' }>

/** @throws what the kernel throws; see `describeFailure` */
export async function answerRequest(kernel: Kernel, { type, payload }: Request): Promise<string> {
  const id = payload.request_id
  switch (type) {
    case 'send_turn': {
      const { session, client_id, text, model, attachments } = payload
      return ackText(id, await kernel.sendTurn({ session, clientId: client_id, text, model, attachments }))
    }
    case 'create_session':
      return resultText(id, await kernel.createSession(payload.title, payload.client_id))
    case 'list_sessions':
      return resultText(id, await kernel.listSessions(payload.limit))
    case 'cancel_turn':
      return resultText(id, { cancelled: await kernel.cancelTurn(payload.session) })
    case 'approve':
      await kernel.approve(payload.call, payload.allow)
      return resultText(id, null)
    case 'call':
      return resultText(id, await kernel.call(payload.name, payload.input, payload.session))
    case 'status':
      return resultText(id, kernel.status())
    default:
      return assertNever(type)
  }
}

/** What a terminal is told. An unknown error is a fault of ours: it is reported to `onBug`, and its text is not sent. */
export function describeFailure(error: unknown, onBug: (error: unknown) => void): Failure {
  if (isOxbowError(error)) return { code: error.code, message: error.message, hint: error.hint }
  onBug(error)
  return {
    code: 'internal_failure',
    message: 'Oxbow failed at this request; the request itself may be fine.',
    hint: 'Try again. If it happens again, report it with the guest’s log.',
  }
}
