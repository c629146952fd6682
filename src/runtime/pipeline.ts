/**
 * The way of one message inside an agent, in the seven steps of the design: receive, decide, compose, generate ⇄ act,
 * evaluate, emit, return. Everything it needs it asks for by `process.call`.
 */
import { assertNever, type ConversationItem, type Failure, headOf, type Process, textOf, toolCallsOf } from '../types/index.ts'
import { providerDeadlineMs, safetyTokens } from './limits.ts'
import { remind } from './reminder.ts'
import type { Composed, ContextProvider, RuntimeDeps, TurnResult } from './runtime.ts'
import { isFuller } from './rolling.ts'
import { type LoopRun, runTurnLoop } from './turn-loop.ts'

/** Runs one turn of a process to its end. Never throws for what a model, a tool or a person did. */
export async function runTurn(process: Process, deps: RuntimeDeps): Promise<TurnResult> {
  // 1. Receive: the message is on record since it was acknowledged; here it comes with what was said before.
  const received = await receive(process)
  if ('status' in received) return received

  // 2. Decide: an agent answers what has content.
  if (!shouldRespond(received.items)) return result(process, 'ok', '', 0)

  // 3. Compose the context from the providers.
  const composed = await compose(process, received, deps)

  // 4. Generate ⇄ act.
  const run = await runTurnLoop(process, composed, deps)
  const ended = accountFor(process, run)

  // 5. Evaluate in the background: the reply does not wait, and an evaluator's failure is its own.
  for (const evaluator of deps.evaluators) void evaluator.evaluate(process, ended).catch(() => {})
  void rollWhenFull(process, run, deps).catch(() => {})

  // 6. Emit and 7. return: the outcome of the turn is the event, and the gate records it.
  return ended
}

interface Received {
  readonly items: readonly ConversationItem[]
  readonly summary?: ConversationItem | null
}

async function receive(process: Process): Promise<Received | TurnResult> {
  const history = await process.call('session.history', {})
  if (history.status === 'ok') return history.output as Received
  return { ...result(process, process.signal.aborted ? 'cancelled' : 'failed', history.text, 0), failure: history.failure }
}

function shouldRespond(conversation: readonly ConversationItem[]): boolean {
  const last = conversation.at(-1)?.message
  return last !== undefined && (last.role !== 'user' || textOf(last).trim() !== '')
}

async function compose(process: Process, { items, summary = null }: Received, deps: RuntimeDeps): Promise<Composed> {
  const sections = deps.providers.map((provider) => withDeadline(provider, process))
  const [told, conversation] = await Promise.all([Promise.all(sections), remind(process, items, deps.reminder)])
  const system = told.filter((section) => section !== '').join('\n\n')
  // A byte is at most one token: the bound needs no tokenizer.
  return { system, systemTokens: Buffer.byteLength(system) + deps.toolTokens + safetyTokens, conversation, summary }
}

/** A conversation that nearly fills the window is summed up before the next message comes. */
async function rollWhenFull(process: Process, { room, visible }: LoopRun, { rolling, counter }: RuntimeDeps): Promise<void> {
  if (rolling !== undefined && (await isFuller(visible, room * rolling.triggerRatio, counter))) rolling.later(process, room)
}

/** A provider that fails or is late is left out: it must not keep a person waiting. */
async function withDeadline(provider: ContextProvider, process: Process): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  try {
    const section = provider.provide(process)
    if (typeof section === 'string') return section
    const late = new Promise<string>((resolve) => (timer = setTimeout(resolve, providerDeadlineMs, '')))
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

/** Puts the end of a turn into words: the model's reply, or an honest account of what was done and what is left. */
function accountFor(process: Process, { end, items, steps }: LoopRun): TurnResult {
  const base = { turn: process.turn, steps }
  // The call of its message is the turn's id. Where a summary stands for that, all that is held came after it.
  const turn = items.slice(items.findLastIndex(({ call }) => String(call) === process.turn) + 1)
  switch (end.kind) {
    case 'reply':
      return { ...base, status: 'ok', reply: end.text, failure: end.failure }
    case 'stopped': {
      const timeIsOver = process.signal.reason === 'time_limit'
      const failure: Failure = timeIsOver
        ? {
            code: 'timeout',
            message: 'The time of this turn is over.',
            hint: 'Send another message to go on; `turn.time_limit_s` in config.toml sets the limit.',
          }
        : { code: 'cancelled', message: 'The turn was cancelled.', hint: 'Send another message to go on.' }
      return { ...base, status: timeIsOver ? 'limit' : 'cancelled', reply: describe(failure, turn), failure }
    }
    case 'failed':
    case 'limit':
      return { ...base, status: end.kind, reply: describe(end.failure, turn), failure: end.failure }
    default:
      return assertNever(end)
  }
}

/** @param turn what came after the turn's message */
function describe(failure: Failure, turn: readonly ConversationItem[]): string {
  const done = new Map<string, number>()
  let failed = 0
  let asked = 0
  for (const { message } of turn) {
    if (message.role === 'assistant') asked += toolCallsOf(message).length
    const [part] = message.parts
    if (message.role !== 'tool' || part?.type !== 'tool_result') continue
    if (part.ok) done.set(part.name, (done.get(part.name) ?? 0) + 1)
    else failed++
  }
  const finished = [...done].map(([name, times]) => (times === 1 ? name : `${name} ×${times}`)).join(', ')
  const left = asked - failed - [...done.values()].reduce((sum, times) => sum + times, 0)
  const words = turn.map(({ message }) => (message.role === 'assistant' ? textOf(message).trim() : '')).findLast((text) => text !== '')
  return [
    `I had to stop: ${failure.message}`,
    `Done in this turn: ${finished === '' ? 'nothing' : finished}${failed > 0 ? ` (${failed} failed)` : ''}.`,
    `Left: ${left > 0 ? `${left} requested call${left === 1 ? '' : 's'}, and ` : ''}the answer to your message.`,
    ...(words === undefined ? [] : [`Last words: ${headOf(words, 500)}`]),
    failure.hint,
  ].join('\n')
}
