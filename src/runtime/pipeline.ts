/**
 * One message through an agent in seven steps: receive, decide, compose, generate ⇄ act, evaluate, emit, return. Everything it
 * needs it requests by `process.call`.
 */
import { assertNever, type CallId, type Failure, headOf, type SessionId, plural, toFailure } from '../base/index.ts'
import {
  type ConversationItem,
  type HeldConversation,
  lastSaid,
  type Process,
  recalledItem,
  textOf,
  toolCallsOf,
  type TurnDecision,
  type TurnResult,
  type TurnSource,
  userMessage,
} from '../protocol/index.ts'
import { foreignFactor, maxComparedCharacters, providerDeadlineMs, roomyFactor, safetyTokens } from './limits.ts'
import { type Composed, type LateItem, type LoopDeps, type LoopRun, runTurnLoop } from './turn-loop.ts'
import { isFuller } from './window.ts'

export interface RuntimeDeps extends LoopDeps {
  /** Tokens of the tool descriptions, which every generation carries. */
  readonly toolTokens: number
  readonly providers: readonly ContextProvider[]
  readonly evaluators: readonly Evaluator[]
  /** Decides whether memory is asked before a turn; absent: it is not. */
  readonly reminder?: Reminder
  /** Where the message of a turn comes from; undefined: it was written to the agent itself. */
  readonly source?: (process: Process) => TurnSource | undefined
  /** Hooks of plugins; absent or undefined: no hooks. */
  readonly hooks?: () => TurnHooks | undefined
}

/** What plugins may see and do in a turn, apart from its calls. */
export interface TurnHooks {
  /** Whether a plugin looks at this step. */
  sees(step: 'respond.decide' | 'context.compose' | 'turn.evaluated'): boolean
  /** @returns how the turn ends without an answer; null: it goes on */
  decide(process: Process, text: string): Promise<{ readonly failure: Failure | null } | null>
  /** @returns the system prompt with what they add, or why the turn ends */
  compose(process: Process, system: string, text: string): Promise<{ readonly system: string } | { readonly failure: Failure }>
  evaluated(process: Process, result: TurnResult): Promise<void>
}

/** Knows whether recalling can find anything, and how long that may take. */
export interface Reminder {
  /** A promise only on the first look: a turn without memories must not cost a call. */
  mayRecall(session: SessionId, text: string): boolean | Promise<boolean>
  /** How long a turn waits for it, from when this is known: what comes later is left to the next step. A promise while memory is being opened. */
  patienceMs(): number | Promise<number>
  /** Called once something was recalled. @param isLate the first request to the model went without it */
  recalled(isLate: boolean): void
  /** The tag of all that the agent may read; absent: everything. */
  readonly tag?: string
}

/** Adds a section to the system prompt. Runs alongside the others, with a deadline; an empty text adds nothing. */
export interface ContextProvider {
  readonly name: string
  provide(process: Process): string | Promise<string>
  /** Default: `providerDeadlineMs`. */
  readonly deadlineMs?: number
}

/** Looks at a finished turn. Runs after the reply, in the background. */
interface Evaluator {
  readonly name: string
  evaluate(process: Process, result: TurnResult): Promise<void>
}

/** How a turn ended. The reply of `limit` and `failed` says what was done and what is left; an `ok` one has a failure when its answer is truncated. */
/** Runs one turn of a process to its end. Never throws because of a model, a tool or a user. */
export async function runTurn(process: Process, deps: RuntimeDeps): Promise<TurnResult> {
  // 1. Receive: the message, in the journal since it was acknowledged, with the conversation before it.
  const received = await receive(process)
  if ('status' in received) return received

  // 2. Decide: whether the message gets an answer, by rules, a model where a rule asks it, and hooks.
  const hooks = deps.hooks?.()
  const decided = await decide(process, received.items, deps.source?.(process), hooks)
  if ('status' in decided) return decided

  // 3. Compose the context from the providers.
  const composed = await compose(process, received, deps, hooks)
  if ('code' in composed) return stoppedByHook(process, composed)

  // 4. Generate ⇄ act.
  const run = await runTurnLoop(process, composed, deps)
  const ended = { ...accountFor(process, run), ...decided }

  // 5. Evaluate in the background: the reply does not wait, and an evaluator that fails affects nothing else.
  for (const evaluator of deps.evaluators) void evaluator.evaluate(process, ended).catch(() => {})
  if (hooks?.sees('turn.evaluated') === true) void hooks.evaluated(process, ended).catch(() => {})
  void rollWhenFull(process, run, deps).catch(() => {})

  // 6. Emit and 7. return: the turn's outcome is the event; the gate records it.
  return ended
}

async function receive(process: Process): Promise<HeldConversation | TurnResult> {
  try {
    return await process.conversation()
  } catch (error) {
    const failure = toFailure(error, 'internal_failure', 'Send the message again.')
    return { ...result(process, process.signal.aborted ? 'cancelled' : 'failed', `${failure.message}\n${failure.hint}`, 0), failure }
  }
}

/** @returns what was decided about a message that is answered, or how the turn ends without an answer */
async function decide(
  process: Process,
  items: readonly ConversationItem[],
  source: TurnSource | undefined,
  hooks: TurnHooks | undefined,
): Promise<Pick<TurnResult, 'decision'> | TurnResult> {
  const silent = (decision: TurnDecision): TurnResult => ({ ...result(process, 'ok', '', 0), decision })
  const last = items.at(-1)?.message
  if (last === undefined || (last.role === 'user' && textOf(last).trim() === ''))
    return silent({ action: 'ignore', by: 'rule', reason: 'the message is empty' })
  const decision = source === undefined ? null : await (await import('./ask-whether.ts')).askWhether(process, source)
  if (decision !== null && decision.action !== 'respond') return silent(decision)
  const hooked = hooks?.sees('respond.decide') === true ? await hooks.decide(process, newestText(items)) : null
  if (hooked !== null && hooked.failure !== null) return stoppedByHook(process, hooked.failure)
  if (hooked !== null) return silent({ action: 'ignore', by: 'hook', reason: 'a plugin withholds the answer' })
  return decision === null ? {} : { decision }
}

function newestText(conversation: readonly ConversationItem[]): string {
  const newest = conversation[lastSaid(conversation)]
  return newest === undefined ? '' : textOf(newest.message)
}

function stoppedByHook(process: Process, failure: Failure): TurnResult {
  return { ...result(process, 'failed', `I had to stop: ${failure.message}\n${failure.hint}`, 0), failure }
}

async function compose(
  process: Process,
  { items, summary }: HeldConversation,
  deps: RuntimeDeps,
  hooks: TurnHooks | undefined,
): Promise<Composed | Failure> {
  const sections = deps.providers.map((provider) => withDeadline(provider, process))
  const [texts, { conversation, late }] = await Promise.all([Promise.all(sections), remind(process, { items, summary }, deps.reminder)])
  const own = texts.filter((section) => section !== '').join('\n\n')
  const hooked = hooks?.sees('context.compose') === true ? await hooks.compose(process, own, newestText(items)) : { system: own }
  if ('failure' in hooked) return hooked.failure
  const { system } = hooked
  return { system, systemTokens: (await tokensOfSystem(system, deps)) + deps.toolTokens + safetyTokens, conversation, summary, late }
}

/** A byte is at most one token: an upper bound without a tokenizer, unless the window is too small for it. */
async function tokensOfSystem(system: string, { counter, facts }: RuntimeDeps): Promise<number> {
  const bound = Buffer.byteLength(system)
  if (bound * roomyFactor <= facts.contextTokens) return bound
  const message = userMessage(system)
  await counter.count([message])
  return Math.min(bound, Math.ceil(counter.tokensOf(message) * foreignFactor))
}

/** Summarizes a conversation that nearly fills the window, before the next message arrives. */
async function rollWhenFull(process: Process, { room, visible }: LoopRun, { rolling, counter }: RuntimeDeps): Promise<void> {
  if (rolling !== undefined && (await isFuller(visible, room * rolling.triggerRatio, counter))) rolling.later(process, room)
}

/** A provider that fails or is too slow is left out: the user is waiting. */
async function withDeadline(provider: ContextProvider, process: Process): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  try {
    const section = provider.provide(process)
    if (typeof section === 'string') return section
    const late = new Promise<string>((resolve) => (timer = setTimeout(resolve, provider.deadlineMs ?? providerDeadlineMs, '')))
    return await Promise.race([section, late])
  } catch {
    return ''
  } finally {
    clearTimeout(timer)
  }
}

function result(process: Process, status: TurnResult['status'], reply: string, steps: number): TurnResult {
  return { status, turn: process.turn, reply, steps, failure: null }
}

/** The turn's reply: the model's answer, or a report of what was done and what is left. */
function accountFor(process: Process, { end, items, steps }: LoopRun): TurnResult {
  const base = { turn: process.turn, steps }
  // The call of a turn's message is the turn's id. If a summary replaces that message, all loaded items came after it.
  const own = items.findLastIndex(({ call }) => String(call) === process.turn)
  // A turn that continues behind results of a program's tools has no message of its own.
  const turn = items.slice((own < 0 ? lastSaid(items) : own) + 1)
  switch (end.kind) {
    case 'reply':
      return { ...base, status: 'ok', reply: end.text, failure: end.failure }
    case 'asks':
      return { ...base, status: 'ok', reply: end.text, failure: null, calls: end.calls }
    case 'stopped': {
      const timeIsOver = process.signal.reason === 'time_limit'
      const failure: Failure = timeIsOver
        ? {
            code: 'timeout',
            message: 'The turn reached its time limit.',
            hint: 'Send another message to continue; `turn.time_limit_s` in config.toml sets the limit.',
          }
        : { code: 'cancelled', message: 'The turn was cancelled.', hint: 'Send another message to continue.' }
      return { ...base, status: timeIsOver ? 'limit' : 'cancelled', reply: describe(failure, turn), failure }
    }
    case 'failed':
    case 'limit':
      return { ...base, status: end.kind, reply: describe(end.failure, turn), failure: end.failure }
    default:
      return assertNever(end)
  }
}

/** @param turn the items after the turn's message */
function describe(failure: Failure, turn: readonly ConversationItem[]): string {
  const done = new Map<string, number>()
  let failed = 0
  let requested = 0
  for (const { message } of turn) {
    if (message.role === 'assistant') requested += toolCallsOf(message).length
    const [part] = message.parts
    if (message.role !== 'tool' || part?.type !== 'tool_result') continue
    if (part.ok) done.set(part.name, (done.get(part.name) ?? 0) + 1)
    else failed++
  }
  const finished = [...done].map(([name, times]) => (times === 1 ? name : `${name} ×${times}`)).join(', ')
  const left = requested - failed - [...done.values()].reduce((sum, times) => sum + times, 0)
  const words = turn.map(({ message }) => (message.role === 'assistant' ? textOf(message).trim() : '')).findLast((text) => text !== '')
  return [
    `I had to stop: ${failure.message}`,
    `Done in this turn: ${finished === '' ? 'nothing' : finished}${failed > 0 ? ` (${failed} failed)` : ''}.`,
    `Left: ${left > 0 ? `${plural(left, 'requested call')}, and ` : ''}the answer to your message.`,
    ...(words === undefined ? [] : [`Last words: ${headOf(words, 500)}`]),
    failure.hint,
  ].join('\n')
}

interface Reminded {
  readonly conversation: readonly ConversationItem[]
  readonly late: LateItem | null
}

/**
 * Once per turn, what memory finds for the newest message is inserted directly before it. There it costs least: everything before it
 * stays the same, and so does a provider's prompt cache. The call's outcome is part of the conversation from then on, so that a
 * turn that is resumed or replayed shows the same.
 *
 * @returns the conversation with the recalled item; unchanged if anything fails, or if the item is not there in time
 */
async function remind(process: Process, received: HeldConversation, reminder: Reminder | undefined): Promise<Reminded> {
  const { items: conversation, summary } = received
  const at = lastSaid(conversation)
  const message = conversation[at]
  const unchanged = { conversation, late: null }
  // The turn is under way already, or memory was asked before a crash.
  if (reminder === undefined || message === undefined || at < conversation.length - 1 || isRecalled(conversation[at - 1])) return unchanged
  try {
    const text = textOf(message.message)
    const may = reminder.mayRecall(process.session, text)
    if (may === false) return unchanged
    // The kernel adds the recalled item to its own array while this waits.
    const items = [...conversation]
    const oldest = items.find((item) => item.message.role === 'user' && !isRecalled(item)) ?? message
    const id = process.newCallId()
    const tags = reminder.tag === undefined ? {} : { tags: [reminder.tag] }
    const told = shownTexts(summary === null ? items : [summary, ...items])
    const input = { text, oldest: oldest === message ? '' : oldest.call, before: message.call, ...(told.length > 0 && { told }), ...tags }
    const ask = async (): Promise<ConversationItem | null> => {
      if (!(await may)) return null
      const outcome = await process.call('memory.recall', input, id)
      return outcome.status === 'ok' && outcome.text !== '' ? recalledItem(id, outcome.text) : null
    }
    const recalling = ask().catch(() => null)
    const item = await inTime(recalling, reminder.patienceMs())
    if (item === tooLate) {
      void recalling.then((found) => found !== null && reminder.recalled(true))
      return { conversation: items, late: createLateItem(message.call, recalling) }
    }
    if (item === null) return { conversation: items, late: null }
    reminder.recalled(false)
    return { conversation: items.toSpliced(at, 0, item), late: null }
  } catch {
    return unchanged
  }
}

/**
 * What need not be recalled, because the model reads it anyway: earlier recalls, and what was said. A name of kept data would stand for the
 * data in the input of a call, so it is broken up.
 */
function shownTexts(items: readonly ConversationItem[]): readonly string[] {
  let left = maxComparedCharacters
  return items.toReversed().flatMap((item) => {
    if (item.message.role === 'tool') return []
    const text = textOf(item.message).replaceAll('[data:', '[data')
    if (text === '' || (!isRecalled(item) && text.length > left)) return []
    left -= text.length
    return [text]
  })
}

const tooLate = Symbol('too late')

/** @param value never rejects @param patienceMs counts from when it is known */
async function inTime<Value>(value: Promise<Value>, patienceMs: number | Promise<number>): Promise<Value | typeof tooLate> {
  const ms = await Promise.race([value.then(() => 0), patienceMs])
  let timer: NodeJS.Timeout | undefined
  // On a busy event loop the value may have arrived and wait behind the timer: what has arrived is taken first.
  const late = new Promise<typeof tooLate>((resolve) => (timer = setTimeout(() => setImmediate(resolve, tooLate), ms)))
  try {
    return await Promise.race([value, late])
  } finally {
    clearTimeout(timer)
  }
}

function createLateItem(before: CallId, coming: Promise<ConversationItem | null>): LateItem {
  let arrived: ConversationItem | null = null
  void coming.then((item) => (arrived = item))
  return {
    insertInto(items) {
      if (arrived === null) return
      items.splice(
        Math.max(
          0,
          items.findLastIndex(({ call }) => call === before),
        ),
        0,
        arrived,
      )
      arrived = null
    },
  }
}

function isRecalled(item: ConversationItem | undefined): boolean {
  return item?.message.role === 'user' && item.message.recalled === true
}
