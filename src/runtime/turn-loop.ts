/**
 * The turn loop: generate, act, repeat, until the model answers without a tool call or something ends the turn.
 *
 * The next step depends only on the conversation: if it has tool calls without results, they run; otherwise the model is asked. So a
 * turn that a crash interrupted resumes by running again on what the journal kept.
 */
import { isDeepStrictEqual } from 'node:util'
import { type CallId, type Failure, unfenced } from '../base/index.ts'
import {
  type AssistantMessage,
  type Mail,
  type ClientCall,
  type ConversationItem,
  conversationItem,
  type GenerateOutput,
  type ModelFacts,
  modelLabel,
  type Process,
  sentMessage,
  textOf,
  toolCallId,
  type ToolCallPart,
  toolCallsOf,
  toolResult,
} from '../protocol/index.ts'
import { maxParallelCalls, maxRepeats, tokensPerMessage } from './limits.ts'
import {
  fitConversation,
  itemsBehind,
  type MessageCounter,
  type Rolled,
  rollNow,
  roomAfterOverflow,
  stillTooLong,
  tooLong,
  visibleItems,
} from './window.ts'

export interface LoopDeps {
  readonly facts: ModelFacts
  readonly counter: MessageCounter
  /** Maximum number of generations in one turn. */
  readonly maxTurns: number
  /** Summarizes what no longer fits the window; absent: it is left out. */
  readonly rolling?: RollingSummary
}

export interface RollingSummary {
  /** The part of the window that is full when a summary is made. */
  readonly triggerRatio: number
  /** Has one made in the background, after the turn. Never throws. @param room tokens that the conversation may take */
  later(process: Process, room: number): void
}

/** What a turn begins with. */
export interface Composed {
  readonly system: string
  /** Upper bound of the tokens of the system prompt and the tools. */
  readonly systemTokens: number
  readonly conversation: readonly ConversationItem[]
  /** Replaces the messages before `conversation`. */
  readonly summary: ConversationItem | null
  /** What is recalled too late for the first step; null or absent: nothing. */
  readonly late?: LateItem | null
}

/** An item that may still come, for a place in the conversation that it knows. */
export interface LateItem {
  /** Inserts it once, when it is there. */
  insertInto(items: ConversationItem[]): void
}

/** How the loop ended. */
type LoopEnd =
  /** `failure` is set when the answer is truncated. */
  | { readonly kind: 'reply'; readonly text: string; readonly failure: Failure | null }
  /** The program that sent the message must run its tools. */
  | { readonly kind: 'asks'; readonly text: string; readonly calls: readonly ClientCall[] }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'limit'; readonly failure: Failure }

export interface LoopRun {
  readonly end: LoopEnd
  /** The conversation at the end, for the report of what was done. */
  readonly items: readonly ConversationItem[]
  readonly steps: number
  /** The part of it that a model is shown, the summary first, and the tokens that it may take. */
  readonly visible: readonly ConversationItem[]
  readonly room: number
}

export async function runTurnLoop(process: Process, composed: Composed, deps: LoopDeps): Promise<LoopRun> {
  const items = [...composed.conversation]
  const loops = createLoopDetector()
  const room = deps.facts.contextTokens - deps.facts.maxOutputTokens - composed.systemTokens
  const window: Window = { room, summary: composed.summary, through: '', hopeless: false }
  let notice = ''
  let steps = 0
  const ended = (end: LoopEnd): LoopRun => ({ end, items, steps, room, visible: visibleItems(items, window) })

  for (;;) {
    if (process.signal.aborted) return ended({ kind: 'stopped' })

    // Act: run the tool calls that have no result yet, including those requested before a crash.
    const last = lastGeneration(items)
    const pending = last === null ? [] : pendingCalls(last.item, toolCallsOf(last.message), last.answered)
    let isLooping = false
    const results = await dispatch(process, pending)
    for (const result of results) {
      items.push(result)
      const verdict = watch(loops, pending, result)
      // Calls of the same answer were requested before the model saw the notice.
      isLooping ||= verdict === 'stop' && notice === ''
      if (verdict === 'warn')
        notice = 'Notice: you have made the same call three times with the same result. Do something else, or say what stops you.'
    }
    if (isLooping) return ended({ kind: 'limit', failure: looping })
    if (process.signal.aborted) return ended({ kind: 'stopped' })
    const successor = process.successor()
    if (successor !== '') return ended({ kind: 'reply', text: `${successor} takes over.`, failure: null })
    if (results.length < pending.length) return ended(asks(last!.message, pending, results))

    // The newest generation may have ended the turn, even before a crash.
    const unusable = endOf(items.at(-1), deps.facts)
    if (unusable !== null) return ended(unusable)

    // Steer: messages that arrived meanwhile join the conversation, as long as this turn can still answer them.
    const mail = steps < deps.maxTurns && process.hasMail() ? await takeMail(process) : []
    items.push(...mail)

    // Done: the model has answered and no new message has arrived.
    const reply = items.at(-1)
    if (reply?.message.role === 'assistant' && toolCallsOf(reply.message).length === 0)
      return ended({ kind: 'reply', text: textOf(reply.message), failure: reply.ended === 'length' ? cutOff(deps.facts) : null })

    // Generate, with what was recalled since the last step.
    composed.late?.insertInto(items)
    if (steps >= deps.maxTurns) return ended({ kind: 'limit', failure: tooManySteps(deps.maxTurns) })
    steps++
    const system = notice === '' ? composed.system : `${composed.system}\n\n${notice}`
    const generated = await generate(process, items, { system, systemTokens: composed.systemTokens }, window, deps)
    notice = ''
    if ('end' in generated) return ended(generated.end)
    items.push(generated.item)
  }
}

/** Every call has run, except calls of the program's tools. */
function asks(message: AssistantMessage, pending: readonly PendingCall[], results: readonly ConversationItem[]): LoopEnd {
  const left = pending.filter(({ id }) => results.every(({ call }) => call !== id))
  return {
    kind: 'asks',
    text: textOf(message),
    calls: left.map(({ id, part }) => ({ call: id, name: part.name, arguments: part.arguments })),
  }
}

/** @returns how the turn ends when its newest generation is unusable; null: it goes on, or this is its reply */
function endOf(item: ConversationItem | undefined, facts: ModelFacts): LoopEnd | null {
  if (item?.ended === undefined) return null
  if (item.ended === 'cancelled') return { kind: 'stopped' }
  if (item.ended !== 'length') return { kind: 'failed', failure: item.ended }
  // Reasoning or a tool call used up the tokens of the answer.
  return isSilent(item) ? { kind: 'limit', failure: usedUp(facts) } : null
}

/** @returns the newest generation and which of its tool calls have results; null when a newer message follows */
function lastGeneration(items: readonly ConversationItem[]) {
  const answered = new Set<CallId>()
  for (let i = items.length - 1; i >= 0; i--) {
    const item = items[i]!
    if (item.message.role === 'tool') answered.add(item.call)
    else return item.message.role === 'assistant' ? { item, message: item.message, answered } : null
  }
  return null
}

async function takeMail(process: Process): Promise<readonly ConversationItem[]> {
  const outcome = await process.call('turn.inbox', {})
  if (outcome.status !== 'ok') return []
  const mail = outcome.output as { readonly messages: readonly Mail[] }
  return mail.messages.map(
    ({ id, text, attachments }) => process.itemOf(id) ?? conversationItem(id, sentMessage(text, attachments ?? [], id)),
  )
}

interface Window extends Rolled {
  /** Tokens that the conversation may take in this turn; reduced when an endpoint finds it too long. */
  room: number
  /** There is nothing left to summarize. */
  hopeless: boolean
}

/** Asks the model. A conversation that the endpoint finds too long is shortened and sent again, once. */
async function generate(
  process: Process,
  items: readonly ConversationItem[],
  { system, systemTokens }: Pick<Composed, 'system' | 'systemTokens'>,
  window: Window,
  { facts, counter, rolling }: LoopDeps,
): Promise<{ readonly item: ConversationItem } | { readonly end: LoopEnd }> {
  for (let isSecond = false; ; isSecond = true) {
    const fit = () => fitConversation(itemsBehind(items, window.through), window.room, counter, window.summary)
    let fitted = await fit()
    if (fitted.dropped > 0 && rolling !== undefined && !window.hopeless) {
      // Only when the window is exceeded does a turn wait for a summary.
      const rolled = await rollNow(process, window.room)
      window.hopeless = rolled === null
      if (rolled !== null) {
        Object.assign(window, rolled)
        fitted = await fit()
      }
    }
    if (fitted.tokens > window.room) return { end: { kind: 'limit', failure: tooLong(fitted, window.room, facts, systemTokens) } }
    const id = process.newCallId()
    const inputTokens = fitted.tokens + systemTokens + tokensPerMessage
    const { maxOutputTokens, settings } = facts
    const asked = { model: modelLabel(facts), system, messages: fitted.messages, maxOutputTokens, inputTokens }
    const input = settings === undefined ? asked : { ...asked, settings }
    const outcome = await process.call('model.generate', input, id)
    if (outcome.status === 'ok') {
      const { message, finish } = outcome.output as GenerateOutput
      return { item: { ...conversationItem(id, message), ...(finish === 'length' && { ended: finish }) } }
    }
    if (process.signal.aborted) return { end: { kind: 'stopped' } }
    if (outcome.failure.code !== 'context_overflow')
      return { end: { kind: outcome.status === 'refused' ? 'limit' : 'failed', failure: outcome.failure } }
    if (isSecond) return { end: { kind: 'limit', failure: stillTooLong(outcome.failure) } }
    window.room = await roomAfterOverflow(fitted.messages, counter)
  }
}

function isSilent({ message }: ConversationItem): boolean {
  return message.role === 'assistant' && toolCallsOf(message).length === 0 && textOf(message).trim() === ''
}

function watch(
  loops: ReturnType<typeof createLoopDetector>,
  pending: ReturnType<typeof pendingCalls>,
  result: ConversationItem,
): 'fine' | 'warn' | 'stop' {
  const call = pending.find(({ id }) => id === result.call)
  const [part] = result.message.parts
  return call === undefined || part?.type !== 'tool_result'
    ? 'fine'
    : loops.observe(call.part.name, call.part.arguments, unfenced(part.text))
}

const looping: Failure = {
  code: 'limit_reached',
  message: 'I made the same call with the same result again and again, even after a warning.',
  hint: 'Rephrase the request, or suggest another way.',
}

function usedUp(facts: ModelFacts): Failure {
  return {
    code: 'limit_reached',
    message: `${modelLabel(facts)} used up the ${facts.maxOutputTokens} tokens of one answer before it wrote any text.`,
    hint: 'Ask for less at once, e.g. a file in parts. `model.max_output_tokens` in config.toml sets the limit, `model.effort` the amount of reasoning.',
  }
}

function cutOff(facts: ModelFacts): Failure {
  return {
    code: 'limit_reached',
    message: `The answer is truncated: ${modelLabel(facts)} used up the ${facts.maxOutputTokens} tokens of one answer. Anything it was about to do next was not done.`,
    hint: 'Send another message to continue; `model.max_output_tokens` in config.toml sets the limit.',
  }
}

function tooManySteps(max: number): Failure {
  return {
    code: 'limit_reached',
    message: `The limit of ${max} model calls in one turn is reached.`,
    hint: 'Send another message to go on; `turn.max_turns` in config.toml sets the limit.',
  }
}

interface PendingCall {
  readonly id: CallId
  readonly part: ToolCallPart
}

/** @returns the calls of a generation that have no result yet, in order. */
function pendingCalls(generation: ConversationItem, calls: readonly ToolCallPart[], answered: ReadonlySet<CallId>): readonly PendingCall[] {
  return calls.map((part, index) => ({ id: toolCallId(generation.call, index), part })).filter((call) => !answered.has(call.id))
}

/**
 * Runs the tool calls of one generation: adjacent read-only calls in parallel, all others one by one.
 * @returns a result for each call, in order; none for calls that have not begun when the turn is stopped, or that the program runs
 */
async function dispatch(process: Process, calls: readonly PendingCall[]): Promise<readonly ConversationItem[]> {
  const results: ConversationItem[] = []
  for (let at = 0; at < calls.length && !process.signal.aborted;) {
    const batch = [calls[at++]!]
    if (process.isReadOnly(batch[0]!.part.name))
      while (at < calls.length && batch.length < maxParallelCalls && process.isReadOnly(calls[at]!.part.name)) batch.push(calls[at++]!)
    for (const result of await Promise.all(batch.map((call) => runCall(process, call)))) if (result !== null) results.push(result)
  }
  return results
}

/** However a call ends, the model reads a result: it can correct itself or go on without. */
async function runCall(process: Process, { id, part }: PendingCall): Promise<ConversationItem | null> {
  const outcome = await process.callTool(part.name, part.arguments, id)
  if (outcome === null) return null
  const result = toolResult(id, part, outcome.status === 'ok' ? outcome : { ok: false, text: outcome.text, labels: outcome.labels })
  const held = process.itemOf(id)
  // Of some calls, less is recorded than the model is told.
  return held !== undefined && isDeepStrictEqual(held.message, result.message) ? held : result
}

/** Detects a model that repeats the same call with the same arguments and result. */
interface LoopDetector {
  /** @returns `warn` at the last repetition that is allowed, `stop` at the next */
  observe(name: string, args: string, result: string): 'fine' | 'warn' | 'stop'
}

function createLoopDetector(): LoopDetector {
  let last = { name: '', args: '', result: '' }
  let times = 0
  return {
    observe(name, args, result) {
      times = name === last.name && args === last.args && result === last.result ? times + 1 : 1
      last = { name, args, result }
      return times < maxRepeats ? 'fine' : times === maxRepeats ? 'warn' : 'stop'
    },
  }
}
