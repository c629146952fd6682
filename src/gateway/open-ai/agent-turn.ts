/**
 * A request of a program as a turn of the agent, for every interface of OpenAI: the ids by which a program comes back, the session that
 * goes on, and the answer as it is written.
 */
import { randomUUID } from 'node:crypto'
import type { Kernel, KernelEvent } from '../../kernel/index.ts'
import { type CallId, type Failure, isOxbowError, OxbowError, type SessionId, toError, type TurnId } from '../../base/index.ts'
import {
  type AnswerUsage,
  type ClientCall,
  type ClientResult,
  type ClientTools,
  foldRecord,
  newTurnView,
  type RecordView,
  type SentFile,
  textOfAnswer,
  type TurnEnd,
  type TurnView,
} from '../../protocol/index.ts'
import { type AskedApproval, followTurn, type StartedMessage, startMessage, toModelError, watchApprovals } from '../http/messages.ts'

/** The name under which the agent is a model. */
export const agentName = 'oxbow'

/** A record of a session, in an id: a program comes back with it, also after a restart. */
export interface Place {
  readonly session: SessionId
  /** A turn or a generation. */
  readonly id: string
  readonly number: number
}

/** @returns e.g. `resp_…`; both ids are UUIDs */
export function placeId(prefix: string, { session, id, number }: Place, part = ''): string {
  return `${prefix}_${Buffer.from(`${session}${id}`.replaceAll('-', ''), 'hex').toString('base64url')}${number.toString(36)}${part}`
}

/** @returns null for an id that this gateway has not made */
export function readPlace(prefix: string, text: string): Place | null {
  const [, bytes, number] =
    /^([\w-]{43})([0-9a-z]{1,10})(?:\.\d{1,4})?$/.exec(text.startsWith(`${prefix}_`) ? text.slice(prefix.length + 1) : '') ?? []
  if (bytes === undefined || number === undefined) return null
  const hex = Buffer.from(bytes, 'base64url').toString('hex')
  const uuid = (from: number): string => hex.slice(from, from + 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  return { session: uuid(0) as SessionId, id: uuid(32), number: Number.parseInt(number, 36) }
}

/** The id of a tool call, as the program has it. */
export function toolCallIdOf(session: SessionId, call: CallId): string {
  const dot = call.lastIndexOf('.')
  return placeId('call', { session, id: call.slice(0, dot), number: Number(call.slice(dot + 1)) })
}

export interface NewTurn {
  /** Null begins one. */
  readonly session: SessionId | null
  readonly text: string
  readonly attachments: readonly SentFile[]
  /** As the program named it. */
  readonly model: string
  readonly client: ClientTools | undefined
  readonly results: readonly ClientResult[]
}

/** @returns the started turn @throws OxbowError */
export async function startTurn(kernel: Kernel, { session, text, attachments, model, client, results }: NewTurn): Promise<StartedMessage> {
  const chosen = await chosenBy(kernel, model)
  const into = results.length > 0 ? session : (chosen.session ?? session)
  const clientId = randomUUID() as string as CallId
  return startMessage(kernel, into, { clientId, text, model: chosen.model, attachments, client, results })
}

interface Chosen {
  /** Of an agent that was spawned: its conversation is its own. */
  readonly session: SessionId | null
  readonly model: string | undefined
}

/** `oxbow` is the agent with its usual model, `oxbow/provider/name` or `provider/name` with another one; any other name is an agent's. */
async function chosenBy(kernel: Kernel, name: string): Promise<Chosen> {
  const model = name === agentName ? '' : name.startsWith(`${agentName}/`) ? name.slice(agentName.length + 1) : name
  const agent = model === '' || model.includes('/') ? undefined : (await agentsOf(kernel)).find((each) => each.name === model)
  if (agent !== undefined) return { session: agent.session, model: undefined }
  return { session: null, model: model === '' ? undefined : model }
}

/** @returns agents that take messages, newest first; none for a program without the right `agent.use` */
export async function agentsOf(kernel: Kernel): Promise<readonly { readonly name: string; readonly session: SessionId }[]> {
  const outcome = await kernel.call('agent.list', {})
  if (outcome.status !== 'ok') return []
  return outcome.output.agents.filter(({ keep }) => keep).toSorted((a, b) => b.created_at - a.created_at)
}

export interface TurnAnswer {
  /** What the model wrote, one text for each of its answers that has any. */
  readonly texts: readonly string[]
  readonly reply: string
  /** The program runs these. */
  readonly calls: readonly ClientCall[]
  readonly status: string
  /** Of a turn that failed, or whose answer is truncated. */
  readonly failure: Failure | null
  readonly usage: AnswerUsage
}

/** @returns whether the turn has no answer; one that a limit ended has the answer so far, unless no budget covered even its beginning */
export function isFailed({ status, failure, texts }: TurnAnswer): boolean {
  if (failure === null || status === 'ok') return false
  return status !== 'limit' || (failure.code === 'budget_exhausted' && texts.length === 0)
}

/** @param model as the program named it @returns what a failed turn throws */
export function errorOfTurn({ failure }: TurnAnswer, model: string): unknown {
  return toModelError(toError(failure!), model === agentName ? undefined : model)
}

interface AnswerWatch {
  readonly onText?: (text: string, at: number) => void
  readonly onAsked?: (asked: AskedApproval) => void
  readonly cancels?: boolean
}

/** Follows a turn to its end, or until it waits for a person: it goes on without the program. @throws as `answerTurn` */
export async function answerOrAsked(
  kernel: Kernel,
  started: StartedMessage,
  gone: AbortSignal,
): Promise<{ readonly answer: TurnAnswer } | { readonly asked: AskedApproval }> {
  const asking = new AbortController()
  let asked: AskedApproval | null = null
  const onAsked = (one: AskedApproval): void => {
    asked ??= one
    asking.abort(waits)
  }
  try {
    return { answer: await answerTurn(kernel, started, AbortSignal.any([gone, asking.signal]), { onAsked }) }
  } catch (error) {
    if (error === waits && asked !== null) return { asked }
    throw error
  }
}

const waits = new OxbowError('approval_required', 'The turn waits for a person.', { hint: 'It goes on when one has decided.' })

/** What a person reads in a program that knows nothing of approvals. */
export function askedText({ name, call, reason }: AskedApproval): string {
  return `Waiting: a person must allow ${name}${reason === '' ? '' : ` (${reason})`}. Decide with \`oxbow approve ${call}\` or on the page of Oxbow; the agent then goes on.`
}

/**
 * Follows a turn to its end.
 * @param onText called with the text as it is written; `at` counts the answers of the model in this turn that have any
 * @param onAsked called when a call of it begins to wait until a person allows it
 * @param cancels whether a program that leaves cancels the turn, if it has begun
 * @throws OxbowError `cancelled` once the program has gone
 */
export async function answerTurn(
  kernel: Kernel,
  started: StartedMessage,
  gone: AbortSignal,
  { onText = () => {}, onAsked = () => {}, cancels = true }: AnswerWatch = {},
): Promise<TurnAnswer> {
  let { turn } = started
  const fold = createFold(() => turn, onText)
  const watchAsked = watchApprovals(() => turn, onAsked)
  const watch = (event: KernelEvent): void => {
    fold.watch(event)
    watchAsked(event)
  }
  try {
    for (;;) {
      const { end } = await followTurn(kernel, { ...started, turn }, gone, watch)
      // A message that came while a turn ran is answered by that turn.
      if (end.into === null) return fold.answer(end)
      turn = end.into as TurnId
    }
  } catch (error) {
    // Not the program has gone, but the guest stops: the turn goes on at its next start.
    if (isOxbowError(gone.reason)) throw gone.reason
    if (cancels && gone.aborted && fold.hasBegun()) await kernel.cancelTurn(started.session).catch(() => {})
    throw error
  }
}

function createFold(turn: () => TurnId, onText: (text: string, at: number) => void) {
  let view = newTurnView(turn())
  /** What was streamed of each answer, in order. */
  const streamed = new Map<string, string>()
  const stream = (call: string, text: string): void => {
    if (text === '') return
    streamed.set(call, (streamed.get(call) ?? '') + text)
    onText(text, [...streamed.keys()].indexOf(call))
  }
  const takeRecord = (record: RecordView): void => {
    const before = view.turn === turn() ? view : newTurnView(turn())
    view = foldRecord(before, record)
    for (const answer of view.answers.slice(before.answers.length)) {
      const text = textOfAnswer(answer)
      // What was written before this follower came.
      const shown = streamed.get(answer.call) ?? ''
      if (text.startsWith(shown)) stream(answer.call, text.slice(shown.length))
    }
  }
  return {
    hasBegun: () => view.beganAt !== null,
    watch(event: KernelEvent): void {
      if (event.type === 'record') takeRecord(event.record)
      else if (event.type === 'delta' && event.turn === turn()) stream(event.call, event.text)
      else if (event.type === 'snapshot' && event.turn === turn() && event.call !== null && !streamed.has(event.call))
        stream(event.call, event.text)
    },
    answer: (end: TurnEnd): TurnAnswer => answerOf(view, end),
  }
}

function answerOf({ answers, usage }: TurnView, { reply, calls, status, failure }: TurnEnd): TurnAnswer {
  const texts = answers.map((answer) => textOfAnswer(answer)).filter((text) => text !== '')
  return { texts, reply, calls, status, failure, usage }
}

/** @returns the answer of a turn that has ended, from records of its session; null if they do not hold its end */
export function answerIn(records: readonly RecordView[], turn: TurnId): TurnAnswer | null {
  const view = records.reduce(foldRecord, newTurnView(turn))
  if (view.end === null) return null
  // A message that came while a turn ran is answered by that turn.
  return view.end.into === null ? answerOf(view, view.end) : answerIn(records, view.end.into as TurnId)
}

const enough = new OxbowError('cancelled', 'Enough was read.', { hint: '' })

/**
 * @param isEnough whether nothing after the record is needed: a session may be long
 * @returns the records of a session behind `cursor`, until now at most @throws OxbowError `not_found`
 */
export async function readPast(
  kernel: Kernel,
  session: SessionId,
  cursor: number,
  isEnough: (record: RecordView) => boolean,
): Promise<readonly RecordView[]> {
  const records: RecordView[] = []
  const leaving = new AbortController()
  const now = Promise.withResolvers<void>()
  const listener = (event: KernelEvent): void => {
    if (leaving.signal.aborted) return
    if (event.type === 'snapshot') now.resolve()
    if (event.type !== 'record') return
    records.push(event.record)
    if (isEnough(event.record)) leaving.abort(enough)
  }
  try {
    const stop = await kernel.follow(session, cursor, listener, { leaving: leaving.signal })
    if (!leaving.signal.aborted) await now.promise
    stop()
  } catch (error) {
    if (error !== enough) throw error
  }
  return records
}
