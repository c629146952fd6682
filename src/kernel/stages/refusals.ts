/** Outcomes of calls: the text that a model or user reads when one did not succeed, and the outcome read back from a record. */
import { assertNever, type CallId, type Failure, failureSentences, type Json, type JsonObject, OxbowError } from '../../base/index.ts'
import { type Call, type CallOutcome, isErased, type JournalRecord, type KeptFile, type Label } from '../../protocol/index.ts'
import type { Journal } from '../records/journal.ts'
import type { StopReason } from './running-calls.ts'

/** Bytes of the output of a durable call that its record keeps; of a longer one, only the text is known after a restart. */
const maxKeptOutputBytes: number = 64 * 1024

export type Refusal = Exclude<CallOutcome, { status: 'ok' }>

/** What is recorded of a call, without `parked` and `exchange`: it may have any number of these. */
export async function pastOf({ store, flushed }: Pick<Journal, 'store' | 'flushed'>, call: CallId): Promise<readonly JournalRecord[]> {
  // It may have ended a moment ago.
  await flushed()
  const phases = ['decided', 'intent', 'outcome', 'refused', 'reconciled'] as const
  return store.records({ call, phases, order: 'oldest_first', limit: 10, hydrate: true })
}

/** @returns the record that ended the call; undefined while it is open */
export function endOf(past: readonly JournalRecord[]): JournalRecord | undefined {
  return past.find(({ phase }) => phase === 'outcome' || phase === 'refused' || phase === 'reconciled')
}

/** @returns the outcome of a call that has ended */
export async function recordedOutcome(journal: Pick<Journal, 'store' | 'flushed'>, call: CallId): Promise<CallOutcome> {
  const ended = endOf(await pastOf(journal, call))
  return ended === undefined ? cancelledOutcome('This call was made before, and has not ended.') : replay(ended)
}

/** @returns the outcome that was recorded before a restart */
export function replay(record: JournalRecord): CallOutcome {
  const recorded: unknown = JSON.parse(record.body)
  if (isErased(recorded)) {
    const failure = { code: 'not_found', message: 'The result of this call was erased.', hint: recorded.reason } as const
    return { status: 'failed', failure, text: refusalText(failure) }
  }
  const body = recorded as {
    status?: string
    text?: string
    ok?: boolean
    labels?: Label[]
    files?: KeptFile[]
    code?: Failure['code']
    message?: string
    hint?: string
    kept?: Json
  }
  const text = body.text ?? ''
  const labelled = body.labels === undefined ? {} : { labels: body.labels }
  if (body.status === 'ok') {
    const files = body.files === undefined ? {} : { files: body.files }
    return { status: 'ok', output: body.kept === undefined ? body : body.kept, text, ok: body.ok ?? true, ...files, ...labelled }
  }
  const status = body.status === 'refused' || body.status === 'cancelled' || body.status === 'unknown' ? body.status : 'failed'
  return { status, failure: { code: body.code ?? 'tool_failed', message: body.message ?? text, hint: body.hint ?? '' }, text, ...labelled }
}

/** @returns the output of a durable call, for its record and for its caller: null where it is secret or too large to keep */
export function keptOutput(call: Call, output: unknown): Json {
  if (call.reveals === true) return null
  const text: string | undefined = JSON.stringify(output)
  return text === undefined || Buffer.byteLength(text) > maxKeptOutputBytes ? null : (JSON.parse(text) as Json)
}

/** The text that a model reads about a call that did not succeed. A message of several lines ends with output, so the hint follows on a line of its own. */
export function refusalText({ code, message, hint }: Failure): string {
  const withHint = message.includes('\n') ? `${message}\n${hint}` : failureSentences({ message, hint })
  return `Error (${code}): ${hint === '' ? message : withHint}`
}

export function refusal(failure: Failure): Refusal {
  return { status: 'refused', failure, text: refusalText(failure) }
}

export function refusalBody({ failure, text, labels }: Refusal): JsonObject {
  // A terminal shows a person the message; the rest of the text is advice to a model.
  return {
    status: 'refused',
    code: failure.code,
    message: failure.message,
    hint: failure.hint,
    text,
    ...(labels !== undefined && { labels }),
  }
}

export function cancelledOutcome(message: string): Refusal {
  return { status: 'cancelled', failure: { code: 'cancelled', message, hint: '' }, text: message }
}

export function stopFailure(call: Call, reason: StopReason): Failure {
  switch (reason) {
    case 'timeout':
      return new OxbowError('timeout', `${call.name} took longer than ${call.timeoutMs / 1000} s and was stopped.`, {
        hint: 'Do less in one call, or set a longer time limit if the call has one.',
      })
    case 'time_limit':
      return {
        code: 'timeout',
        message: `The turn reached its time limit while ${call.name} ran; it was stopped.`,
        hint: 'Send another message to continue.',
      }
    case 'budget':
      return {
        code: 'budget_exhausted',
        message: `A budget has no time left; ${call.name} was stopped.`,
        hint: '`oxbow budget` shows which one and when it resets; `oxbow budget set` raises it.',
      }
    case 'shutdown':
      return {
        code: 'cancelled',
        message: `The guest stopped while ${call.name} ran; its effect may be partial.`,
        hint: 'Check before you repeat it.',
      }
    case 'cancelled':
      return { code: 'cancelled', message: `${call.name} was cancelled.`, hint: 'Its effect may be partial.' }
    default:
      return assertNever(reason)
  }
}
