/** Outcomes of calls that did not succeed, in the words that a model or a person reads. */
import {
  assertNever,
  type Call,
  type CallOutcome,
  type Failure,
  isErased,
  type JournalRecord,
  type KeptFile,
  type Label,
  type JsonObject,
  OxbowError,
} from '../../types/index.ts'

export type Refusal = Exclude<CallOutcome, { status: 'ok' }>

/** The outcome that an earlier life of this call recorded. */
export function replay(record: JournalRecord): CallOutcome {
  const found: unknown = JSON.parse(record.body)
  if (isErased(found)) {
    const failure = { code: 'not_found', message: 'What came of this call was erased.', hint: found.reason } as const
    return { status: 'failed', failure, text: refusalText(failure) }
  }
  const body = found as {
    status?: string
    text?: string
    ok?: boolean
    labels?: Label[]
    files?: KeptFile[]
    code?: Failure['code']
    hint?: string
  }
  const text = body.text ?? ''
  const labelled = body.labels === undefined ? {} : { labels: body.labels }
  if (body.status === 'ok') {
    const files = body.files === undefined ? {} : { files: body.files }
    return { status: 'ok', output: body, text, ok: body.ok ?? true, ...files, ...labelled }
  }
  const status = body.status === 'refused' || body.status === 'cancelled' || body.status === 'unknown' ? body.status : 'failed'
  return { status, failure: { code: body.code ?? 'tool_failed', message: text, hint: '' }, text, ...labelled }
}

/** What a model reads about a call that did not succeed. A message of several lines ends with what was found: the hint is no part of it. */
export function refusalText({ code, message, hint }: Failure): string {
  const told = `Error (${code}): ${message}`
  return hint === '' ? told : `${told}${message.includes('\n') ? '\n' : ' '}${hint}`
}

export function refusal(failure: Failure): Refusal {
  return { status: 'refused', failure, text: refusalText(failure) }
}

export function refusalBody({ failure, text }: Refusal): JsonObject {
  // A terminal shows a person the message; the rest of the text is advice to a model.
  return { status: 'refused', code: failure.code, message: failure.message, hint: failure.hint, text }
}

export function cancelledOutcome(message: string): Refusal {
  return { status: 'cancelled', failure: { code: 'cancelled', message, hint: '' }, text: message }
}

export function stopFailure(call: Call, reason: 'cancelled' | 'timeout' | 'time_limit' | 'shutdown'): Failure {
  switch (reason) {
    case 'timeout':
      return new OxbowError('timeout', `${call.name} took longer than ${call.timeoutMs / 1000} s and was stopped.`, {
        hint: 'Do less in one call, or ask for a longer time limit where the call has one.',
      })
    case 'time_limit':
      return {
        code: 'timeout',
        message: `The turn's time was over while ${call.name} ran; it was stopped.`,
        hint: 'Send another message to go on.',
      }
    case 'shutdown':
      return {
        code: 'cancelled',
        message: `The guest stopped while ${call.name} ran; its effect may be partial.`,
        hint: 'Check before you do it again.',
      }
    case 'cancelled':
      return { code: 'cancelled', message: `${call.name} was cancelled.`, hint: 'What it did before may be there.' }
    default:
      return assertNever(reason)
  }
}
