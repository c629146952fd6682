/**
 * A task as its sender sees it: a fold over the records and the text of its session. What the model has written is held back until the
 * kernel has released it (`task.answer`), so that nothing leaves that the flow policy forbids; while a person is asked, the task waits for
 * input.
 */
import type { Kernel, KernelEvent } from '../../kernel/index.ts'
import { maxReleaseTries } from '../limits.ts'
import { type CallId, derivedId, OxbowError, type SessionId } from '../../base/index.ts'
import { taskAnswerCall, readStep, type RecordView, textOfAnswer, type TurnEnd } from '../../protocol/index.ts'

type TaskState = 'submitted' | 'working' | 'input_required' | 'completed' | 'failed' | 'canceled' | 'rejected'

/** `task` is the id of a turn, `context` of its session, `cursor` of the record before. */
export interface TaskPlace {
  readonly task: string
  readonly context: SessionId
  readonly cursor: number
}

export interface TaskStatus {
  readonly state: TaskState
  /** For people; empty: nothing more to say. */
  readonly message: string
  /** Unix milliseconds. */
  readonly at: number
}

/** `append`: the text follows what was sent before; otherwise it replaces that. */
export type TaskUpdate =
  | { readonly kind: 'status'; readonly status: TaskStatus }
  | { readonly kind: 'text'; readonly text: string; readonly append: boolean }

export interface TaskView {
  readonly status: TaskStatus
  /** What was released of the answer. */
  readonly text: string
  /** What the program has sent. */
  readonly input: string
}

export function isEnded({ state }: Pick<TaskStatus, 'state'>): boolean {
  return state === 'completed' || state === 'failed' || state === 'canceled' || state === 'rejected'
}

/** The calls that release an answer, the same whenever it is asked for: one after another, as a crash may have ended the one before. */
function answerCalls(generation: string): readonly CallId[] {
  return Array.from({ length: maxReleaseTries }, (_, attempt) => derivedId('task answer', generation, attempt) as CallId)
}

type Verdict = 'asked' | 'released' | 'denied'

interface Generation {
  readonly text: string
  readonly verdict: Verdict
}

type FoldEvent = KernelEvent | { readonly type: 'verdict'; readonly generation: string; readonly released: boolean }

interface TaskFold {
  /** @returns what of it the program sees */
  take(event: FoldEvent): readonly TaskUpdate[]
  view(): TaskView
  /** The past is complete, and no answer is about to be released. */
  isSettled(): boolean
}

const waitsText = 'The agent waits for its owner.'
const withheldText = 'The owner of this agent did not let its answer leave.'

/** @param ask called once for each answer of the model that has text */
function createTaskFold({ task }: TaskPlace, ask: (generation: string) => void, now: () => number): TaskFold {
  const generations = new Map<string, Generation>()
  /** Calls that wait for a person. */
  const waiting = new Set<string>()
  let turn = task
  let input = ''
  let begun = false
  /** The end of the turn, before all its answers are released. */
  let ending: TaskStatus | null = null
  let status: TaskStatus = { state: 'submitted', message: '', at: 0 }
  let sent = ''
  let isCurrent = false

  const write = (generation: string, text: string, replaces: boolean): void => {
    const held = generations.get(generation)
    if (held === undefined && text === '') return
    if (held === undefined) ask(generation)
    generations.set(generation, { verdict: 'asked', ...held, text: replaces ? text : (held?.text ?? '') + text })
  }
  const verdicts = (): readonly Verdict[] => [...generations.values()].map(({ verdict }) => verdict)
  const updates = (at: number): readonly TaskUpdate[] => {
    const made: TaskUpdate[] = []
    const text = releasedText([...generations.values()])
    if (text !== sent) {
      const append = sent !== '' && text.startsWith(sent)
      made.push({ kind: 'text', text: append ? text.slice(sent.length) : text, append })
      sent = text
    }
    const next = statusNow({ ending, verdicts: verdicts(), waits: waiting.size > 0, begun }, at)
    if (next.state !== status.state) made.push({ kind: 'status', status: (status = next) })
    else if (status.at === 0) status = next
    return made
  }
  const judged = (generation: string, verdict: Verdict): void =>
    void generations.set(generation, { text: generations.get(generation)?.text ?? '', verdict })
  const takeRecord = (record: RecordView): void => {
    const { name, phase, turn: of, call, at } = record
    const step = readStep(record)
    if (step?.kind === 'sent' && call === task) input = step.message.text ?? ''
    const isOwn = of === turn || String(call) === turn
    if (isOwn || (name === taskAnswerCall && [...generations.keys()].some((generation) => answerCalls(generation).includes(call)))) {
      if (phase === 'parked') waiting.add(call)
      else waiting.delete(call)
    }
    if (isOwn && step?.kind === 'answered') write(call, textOfAnswer(step.answer), true)
    if (String(call) !== turn) return
    if (step?.kind === 'taken') begun = true
    if (step?.kind !== 'ended') return
    // A message that came while a turn ran is answered by that turn.
    if (step.end.into === null) ending = endOf(step.end, at)
    else turn = step.end.into
  }
  return {
    take(event) {
      if (event.type === 'record') takeRecord(event.record)
      else if (event.type === 'verdict') judged(event.generation, event.released ? 'released' : 'denied')
      else if (event.type === 'delta' && event.turn === turn) write(event.call, event.text, false)
      else if (event.type === 'reply_restarted' && event.turn === turn) write(event.call, '', true)
      else if (event.type === 'snapshot') {
        isCurrent = true
        if (event.turn === turn && event.call !== null) write(event.call, event.text, true)
      }
      return updates(event.type === 'record' ? event.record.at : now())
    },
    view: () => ({ status, text: sent, input }),
    isSettled: () => isCurrent && (waiting.size > 0 || !verdicts().includes('asked')),
  }
}

interface Progress {
  readonly ending: TaskStatus | null
  readonly verdicts: readonly Verdict[]
  /** A call waits for a person. */
  readonly waits: boolean
  readonly begun: boolean
}

function statusNow({ ending, verdicts, waits, begun }: Progress, at: number): TaskStatus {
  if (ending !== null && !verdicts.includes('asked'))
    return verdicts.includes('denied') ? { state: 'rejected', message: withheldText, at } : ending
  if (waits) return { state: 'input_required', message: waitsText, at }
  return { state: begun ? 'working' : 'submitted', message: '', at }
}

/** Answers in order, up to the first that is not released yet. */
function releasedText(generations: readonly Generation[]): string {
  const until = generations.findIndex(({ verdict }) => verdict === 'asked')
  const known = until < 0 ? generations : generations.slice(0, until)
  return known
    .filter(({ text, verdict }) => verdict === 'released' && text !== '')
    .map(({ text }) => text)
    .join('\n\n')
}

/** Why a turn failed may tell of its owner's services, so that only the code leaves. */
function endOf({ status, failure, refused }: TurnEnd, at: number): TaskStatus {
  if (status === 'ok') return { state: 'completed', message: '', at }
  if (status === 'cancelled') return { state: 'canceled', message: '', at }
  const why = failure?.code ?? 'tool_failed'
  return { state: refused ? 'rejected' : 'failed', message: `The task was not completed (${why}).`, at }
}

/** What following a task needs of the guest. */
export interface TaskSource {
  /** The owner's: the right to see the task was checked before. */
  readonly kernel: Pick<Kernel, 'follow' | 'call'>
  readonly release: Release
  readonly now: () => number
}

/** @returns whether an answer of the model may leave; null when the guest stops before that is known */
export type Release = (place: TaskPlace, generation: string) => Promise<boolean | null>

/** @param closing aborted when the guest stops */
export function createRelease(kernel: Pick<Kernel, 'call'>, closing: AbortSignal): Release {
  /** Those who follow a task at once ask once. */
  const asking = new Map<string, Promise<boolean | null>>()
  const release: Release = async ({ task, context }, generation) => {
    for (const id of answerCalls(generation)) {
      const ended = await kernel.call('task.answer', { task, answer: generation }, context, id)
      if (ended.status === 'ok') return true
      // What a crash interrupted has failed as cancelled: nobody has judged it.
      if (ended.status === 'refused' || (ended.status === 'failed' && ended.failure.code !== 'cancelled')) return false
      if (closing.aborted) return null
    }
    return false
  }
  return (place, generation) => {
    const before = asking.get(generation)
    if (before !== undefined) return before
    const now = release(place, generation).finally(() => asking.delete(generation))
    asking.set(generation, now)
    return now
  }
}

/**
 * Follows a task to its end.
 * @param signal ends it @param onView called with each change, after the past also with none
 * @returns the task as it has ended @throws OxbowError the reason of the signal
 */
export async function followTask(
  { kernel, release, now }: TaskSource,
  place: TaskPlace,
  signal: AbortSignal,
  onView: (view: TaskView, updates: readonly TaskUpdate[]) => void,
): Promise<TaskView> {
  const ended = Promise.withResolvers<TaskView>()
  // It may be rejected before anybody waits for it.
  ended.promise.catch(() => {})
  let isPast = true
  const take = (event: FoldEvent): void => {
    const updates = fold.take(event)
    if (!fold.isSettled() && isPast) return
    const view = fold.view()
    if (isPast || updates.length > 0) onView(view, isPast ? [] : updates)
    isPast = false
    if (isEnded(view.status)) ended.resolve(view)
  }
  const ask = async (generation: string): Promise<void> => {
    const released = await release(place, generation)
    // The guest stops: the answer leaves at its next start.
    if (released !== null) take({ type: 'verdict', generation, released })
  }
  const fold = createTaskFold(place, (generation) => void ask(generation).catch(ended.reject), now)
  const leave = (): void => ended.reject(signal.reason instanceof OxbowError ? signal.reason : gone)
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  const stop = await kernel.follow(place.context, place.cursor, take)
  try {
    return await ended.promise
  } finally {
    signal.removeEventListener('abort', leave)
    stop()
  }
}

const gone = new OxbowError('cancelled', 'The program has gone; the task goes on.', { hint: 'Subscribe to the task again.' })
