/** What programs ask of a kernel: the output of a call, and messages over HTTP, sent once, and answered with the reply of their turn or, with `Prefer: respond-async`, as soon as they are recorded. */
import { z } from 'zod'
import type { Kernel, KernelEvent } from '../../kernel/index.ts'
import {
  type CallId,
  isObject,
  isOxbowError,
  isUuid,
  type Json,
  type JsonObject,
  OxbowError,
  type SessionId,
  toError,
  type TurnId,
} from '../../base/index.ts'
import {
  type CallName,
  endsTurn,
  type OutputOf,
  pendingOf,
  readStep,
  type SentFile,
  sentFiles,
  type TurnSource,
  turnSource,
  type TurnEnd,
} from '../../protocol/index.ts'

/** @throws OxbowError for a call that failed */
export async function outputOf<Name extends CallName>(kernel: Kernel, name: Name, input: Json): Promise<OutputOf<Name>> {
  const outcome = await kernel.call<CallName>(name, input)
  if (outcome.status !== 'ok') throw toError(outcome.failure)
  return outcome.output as OutputOf<Name>
}

export const messageSchema: z.ZodType<{ text: string; model?: string; attachments?: SentFile[]; session?: string; source?: TurnSource }> =
  z.strictObject({
    text: z.string().min(1).describe('The message.'),
    model: z.string().min(1).max(200).exactOptional().describe('Model for this turn. Default: the configured one.'),
    attachments: sentFiles.exactOptional().describe('Files that come with it.'),
    session: z.string().refine(isUuid, 'must be the id of a session').exactOptional().describe('Session. Default: a new one.'),
    source: turnSource.exactOptional().describe('Where it comes from, by which is decided whether it is answered.'),
  })

export interface SentMessage {
  readonly body: JsonObject
  /** Makes the message repeatable. */
  readonly id: CallId
  readonly isAsync: boolean
  /** The client has gone; the turn goes on. */
  readonly gone: AbortSignal
  /** The gateway closes; the turn goes on at the next start. */
  readonly closing: AbortSignal
}

/** @returns the status and the body of the answer @throws OxbowError */
export async function sendMessage(
  kernel: Kernel,
  { body, id, isAsync, gone, closing }: SentMessage,
): Promise<{ readonly status: 200 | 202; readonly body: JsonObject }> {
  const read = messageSchema.safeParse(body)
  if (!read.success) {
    const [issue] = read.error.issues
    throw new OxbowError('bad_input', `The message was not sent: ${issue!.path.join('.')}: ${issue!.message}.`, {
      hint: 'Send {"text": "…"}, and if you like "model" and "attachments".',
    })
  }
  const { text, model, attachments = [], source } = read.data
  const sent = { clientId: id, text, model, attachments, source }
  const { session, turn, cursor } = await startMessage(kernel, (read.data.session as SessionId | undefined) ?? null, sent)
  if (isAsync) return { status: 202, body: { session, turn, status: 'running' } }
  const asking = new AbortController()
  const waiting = AbortSignal.any([gone, closing, asking.signal])
  let asked: AskedApproval | null = null
  let at = turn
  const watch = watchApprovals(
    () => at,
    (one) => {
      asked = one
      asking.abort()
    },
  )
  try {
    for (;;) {
      const { end, body: outcome } = await followTurn(kernel, { session, turn: at, cursor }, waiting, watch)
      if (end.into === null) return { status: 200, body: { session, turn, ...outcome } }
      // A message that came while a turn ran is answered by that turn.
      at = end.into as TurnId
    }
  } catch (error) {
    if (asked !== null && !gone.aborted) return { status: 202, body: askedFields({ session, turn }, asked) }
    if (closing.aborted && !gone.aborted) return { status: 202, body: { session, turn, status: 'running' } }
    throw error
  }
}

/**
 * Sends a message, for a program.
 * @param session null begins one, which is not kept if the message is refused, or was sent before: then the session of that time is its session
 * @throws OxbowError; `not_found` for a named model that cannot be used, as official clients expect
 */
export async function startMessage(
  kernel: Kernel,
  session: SessionId | null,
  send: Omit<Parameters<Kernel['sendTurn']>[0], 'session'>,
): Promise<StartedMessage> {
  await checkModel(kernel, send.model)
  const into = session ?? (await kernel.createSession()).id
  try {
    const { turn, cursor } = await kernel.sendTurn({ ...send, session: into })
    return { session: into, turn, cursor }
  } catch (error) {
    if (session !== null) throw toModelError(error, send.model)
    await kernel.call('session.delete', { session: into }).catch(() => {})
    const before = isOxbowError(error, 'bad_input') ? error.data?.['session'] : undefined
    if (typeof before !== 'string') throw toModelError(error, send.model)
    const { turn, cursor } = await kernel.sendTurn({ ...send, session: before as SessionId })
    return { session: before as SessionId, turn, cursor }
  }
}

/**
 * Refuses a name that would be sent on to a service that does not list it, or answered by a model in this process.
 * A program that may not ask for models hears of it from the service. @throws OxbowError `not_found`
 */
async function checkModel(kernel: Kernel, model = ''): Promise<void> {
  if (model === '' || model === kernel.status().model) return
  const asked = await kernel.call('model.usable', { model })
  if (asked.status !== 'failed' || asked.failure.code !== 'not_found') return
  const { message, hint } = asked.failure
  throw new OxbowError('not_found', message, { hint, data: { param: 'model' } })
}

/** @param model as the program named it; nothing or empty: none @returns the error that says so where the model cannot be used */
export function toModelError(error: unknown, model: string | undefined): unknown {
  if (!isOxbowError(error, 'bad_config') || model === undefined || model === '') return error
  return new OxbowError('not_found', error.message, { hint: error.hint, data: { param: 'model' }, cause: error })
}

/** A call of a turn that waits until a person allows it. */
export interface AskedApproval {
  readonly call: CallId
  readonly name: string
  readonly reason: string
}

/** @returns a watcher that tells of each approval that the turn begins to wait for */
export function watchApprovals(turn: () => TurnId, onAsked: (asked: AskedApproval) => void): (event: KernelEvent) => void {
  return (event) => {
    if (event.type !== 'record' || event.record.phase !== 'parked' || event.record.turn !== turn()) return
    const { call, name, reason = '' } = pendingOf(event.record)
    onAsked({ call, name, reason })
  }
}

/** For programs that use our own API; the other APIs have forms of their own. */
export function askedFields({ session, turn }: Pick<StartedMessage, 'session' | 'turn'>, asked: AskedApproval): JsonObject {
  return { status: 'waiting', session, turn, approvals: [{ ...asked }] }
}

/** A message that the guest has accepted; its turn may still wait. */
export interface StartedMessage {
  readonly session: SessionId
  readonly turn: TurnId
  /** Of the message's record. */
  readonly cursor: number
}

export interface FollowedEnd {
  readonly end: TurnEnd
  /** As it is recorded. */
  readonly body: JsonObject
}

/**
 * @param gone aborted when nobody waits any more
 * @param watch called with each event of the session until the turn ends
 * @returns the end of the turn @throws OxbowError `cancelled` once nobody waits, `unauthenticated` once the key has ended
 */
export async function followTurn(
  kernel: Kernel,
  { session, turn, cursor }: StartedMessage,
  gone: AbortSignal,
  watch: (event: KernelEvent) => void = () => {},
): Promise<FollowedEnd> {
  const ended = Promise.withResolvers<FollowedEnd>()
  const stop = await kernel.follow(session, cursor, (event) => {
    watch(event)
    // A message that the turn took in has an end of its own.
    if (event.type !== 'record' || !endsTurn(event.record, turn)) return
    const { body } = event.record
    const step = readStep(event.record)
    if (step?.kind === 'ended') ended.resolve({ end: step.end, body: isObject(body) ? body : {} })
  })
  const stopEnd = kernel.onEnd?.(ended.reject)
  const leave = (): void => ended.reject(gone.reason instanceof OxbowError ? gone.reason : clientGone)
  gone.addEventListener('abort', leave, { once: true })
  if (gone.aborted) leave()
  try {
    return await ended.promise
  } finally {
    gone.removeEventListener('abort', leave)
    stopEnd?.()
    stop()
  }
}

const clientGone = new OxbowError('cancelled', 'The client has gone; the turn goes on.', { hint: 'Follow the session to see its reply.' })
