/**
 * The turn loop: generate, act, and again, until the model answers without asking for a tool, or something ends the turn.
 *
 * What to do next depends only on the conversation: tool calls without results are carried out, else the model is asked. So
 * a turn that a crash cut off resumes by being run again on what the journal kept.
 */
import {
  type Attachment,
  type CallId,
  type ConversationItem,
  conversationItem,
  type Failure,
  type ModelFacts,
  modelLabel,
  type Process,
  sentMessage,
  textOf,
  toolCallsOf,
  unfenced,
} from '../types/index.ts'
import { fitConversation } from './context-window.ts'
import { dispatch, pendingCalls, createLoopDetector } from './dispatch.ts'
import { tokensPerMessage } from './limits.ts'
import { roomAfterOverflow, stillTooLong, tooLong } from './overflow.ts'
import { itemsBehind, type Rolled, rollNow, visibleItems } from './rolling.ts'
import type { Composed, GenerateOutput, RuntimeDeps } from './runtime.ts'

/** How the loop ended, before it is put into words. */
export type LoopEnd =
  /** With a failure when the answer is cut. */
  | { readonly kind: 'reply'; readonly text: string; readonly failure: Failure | null }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'limit'; readonly failure: Failure }

export interface LoopRun {
  readonly end: LoopEnd
  /** The conversation as far as it came, for the account of what was done. */
  readonly items: readonly ConversationItem[]
  readonly steps: number
  /** What a model is shown of it, the summary first, and the tokens that it may take. */
  readonly visible: readonly ConversationItem[]
  readonly room: number
}

export async function runTurnLoop(process: Process, composed: Composed, deps: RuntimeDeps): Promise<LoopRun> {
  const items = [...composed.conversation]
  const loops = createLoopDetector()
  const room = deps.facts.contextTokens - deps.facts.maxOutputTokens - composed.systemTokens
  const window: Window = { room, summary: composed.summary, through: '', hopeless: false }
  let notice = ''
  let steps = 0
  const ended = (end: LoopEnd): LoopRun => ({ end, items, steps, room, visible: visibleItems(items, window) })

  for (;;) {
    if (process.signal.aborted) return ended({ kind: 'stopped' })

    // Act: whatever the model asked for and has no result yet, also when it was asked before a crash.
    const last = lastGeneration(items)
    const pending = last === null ? [] : pendingCalls(last.item, toolCallsOf(last.message), last.answered)
    let isLooping = false
    for (const result of await dispatch(process, pending)) {
      items.push(result)
      const verdict = watch(loops, pending, result)
      // What was asked for in the same answer was asked before the model was told.
      isLooping ||= verdict === 'stop' && notice === ''
      if (verdict === 'warn')
        notice = 'Notice: you have made the same call three times with the same result. Do something else, or say what stops you.'
    }
    if (isLooping) return ended({ kind: 'limit', failure: looping })
    if (process.signal.aborted) return ended({ kind: 'stopped' })

    // The newest generation may have ended the turn, also before a crash.
    const unusable = endOf(items.at(-1), deps.facts)
    if (unusable !== null) return ended(unusable)

    // Steer: messages that came meanwhile are part of the conversation from here, while this turn can answer them.
    const mail = steps < deps.maxTurns && process.hasMail() ? await takeMail(process) : []
    items.push(...mail)

    // Done: the model has answered and nobody has added anything.
    const reply = items.at(-1)
    if (reply?.message.role === 'assistant' && toolCallsOf(reply.message).length === 0)
      return ended({ kind: 'reply', text: textOf(reply.message), failure: reply.ended === 'length' ? cutOff(deps.facts) : null })

    // Generate.
    if (steps >= deps.maxTurns) return ended({ kind: 'limit', failure: tooManySteps(deps.maxTurns) })
    steps++
    const system = notice === '' ? composed.system : `${composed.system}\n\n${notice}`
    const generated = await generate(process, items, { system, systemTokens: composed.systemTokens }, window, deps)
    notice = ''
    if ('end' in generated) return ended(generated.end)
    items.push(generated.item)
  }
}

/** @returns how the turn ends with a generation of which nothing can be used; null: it goes on, or this is its reply. */
function endOf(item: ConversationItem | undefined, facts: ModelFacts): LoopEnd | null {
  if (item?.ended === undefined) return null
  if (item.ended === 'cancelled') return { kind: 'stopped' }
  if (item.ended !== 'length') return { kind: 'failed', failure: item.ended }
  // Thought or a tool call took all that one answer may have.
  return isSilent(item) ? { kind: 'limit', failure: usedUp(facts) } : null
}

/** The newest generation with the tool calls of it that have results; null when something newer than its results came. */
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
  return mail.messages.map(({ id, text, attachments }) => conversationItem(id, sentMessage(text, attachments)))
}

interface Mail {
  readonly id: CallId
  readonly text: string
  readonly attachments?: readonly Attachment[]
}

/** Tokens that the conversation may take in this turn: less than is known of the model, once an endpoint has said so. */
interface Window extends Rolled {
  room: number
  /** A summary would not help: there is nothing to sum up. */
  hopeless: boolean
}

/** Asks the model. A conversation that the endpoint finds too long is shortened and sent once more. */
async function generate(
  process: Process,
  items: readonly ConversationItem[],
  { system, systemTokens }: Pick<Composed, 'system' | 'systemTokens'>,
  window: Window,
  { facts, counter, rolling }: RuntimeDeps,
): Promise<{ readonly item: ConversationItem } | { readonly end: LoopEnd }> {
  for (let isSecond = false; ; isSecond = true) {
    const fit = () => fitConversation(itemsBehind(items, window.through), window.room, counter, window.summary)
    let fitted = await fit()
    if (fitted.dropped > 0 && rolling !== undefined && !window.hopeless) {
      // The window is over: only now a turn waits for a summary.
      const rolled = await rollNow(process, window.room)
      window.hopeless = rolled === null
      if (rolled !== null) {
        Object.assign(window, rolled)
        fitted = await fit()
      }
    }
    if (fitted.tokens > window.room) return { end: { kind: 'limit', failure: tooLong(fitted, window.room) } }
    const id = process.newCallId()
    const inputTokens = fitted.tokens + systemTokens + tokensPerMessage
    const input = { model: modelLabel(facts), system, messages: fitted.messages, maxOutputTokens: facts.maxOutputTokens, inputTokens }
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
  const asked = pending.find((call) => call.id === result.call)
  const [part] = result.message.parts
  return asked === undefined || part?.type !== 'tool_result'
    ? 'fine'
    : loops.observe(asked.part.name, asked.part.arguments, unfenced(part.text))
}

const looping: Failure = {
  code: 'limit_reached',
  message: 'The same call was made with the same result again and again, also after I was told.',
  hint: 'Say it differently, or name another way.',
}

function usedUp(facts: ModelFacts): Failure {
  return {
    code: 'limit_reached',
    message: `${modelLabel(facts)} used up the ${facts.maxOutputTokens} tokens of one answer before it said anything.`,
    hint: 'Ask for less at once, e.g. a file in parts; `model.max_output_tokens` in config.toml sets the limit, `model.effort` how much is thought.',
  }
}

function cutOff(facts: ModelFacts): Failure {
  return {
    code: 'limit_reached',
    message: `The answer is cut: ${modelLabel(facts)} used up the ${facts.maxOutputTokens} tokens of one answer. What it was going to do next was not done.`,
    hint: 'Send another message to go on; `model.max_output_tokens` in config.toml sets the limit.',
  }
}

function tooManySteps(max: number): Failure {
  return {
    code: 'limit_reached',
    message: `The limit of ${max} model calls in one turn is reached.`,
    hint: 'Send another message to go on; `turn.max_turns` in config.toml sets the limit.',
  }
}
