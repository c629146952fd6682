/** Puts the end of a turn into words: the model's reply, or an honest account of what was done and what is left. */
import { assertNever, type ConversationItem, type Failure, type Process, textOf, toolCallsOf } from '../types/index.ts'
import type { TurnResult } from './runtime.ts'
import type { LoopRun } from './turn-loop.ts'

export function accountFor(process: Process, { end, items, steps }: LoopRun): TurnResult {
  const base = { turn: process.turn, steps }
  switch (end.kind) {
    case 'reply':
      return { ...base, status: 'ok', reply: end.text, failure: null }
    case 'stopped': {
      const timeIsOver = process.signal.reason === 'time_limit'
      const failure: Failure = timeIsOver
        ? {
            code: 'timeout',
            message: 'The time of this turn is over.',
            hint: 'Send another message to go on; `turn.time_limit_s` in config.toml sets the limit.',
          }
        : { code: 'cancelled', message: 'The turn was cancelled.', hint: 'Send another message to go on.' }
      return { ...base, status: timeIsOver ? 'limit' : 'cancelled', reply: describe(failure, items), failure }
    }
    case 'failed':
    case 'limit':
      return { ...base, status: end.kind, reply: describe(end.failure, items), failure: end.failure }
    default:
      return assertNever(end)
  }
}

function describe(failure: Failure, items: readonly ConversationItem[]): string {
  const turn = items.slice(items.findLastIndex((item) => item.message.role === 'user') + 1)
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
  const words = turn.findLast(({ message }) => message.role === 'assistant' && textOf(message).trim() !== '')
  return [
    `I had to stop: ${failure.message}`,
    `Done in this turn: ${finished === '' ? 'nothing' : finished}${failed > 0 ? ` (${failed} failed)` : ''}.`,
    `Left: ${left > 0 ? `${left} requested call${left === 1 ? '' : 's'}, and ` : ''}the answer to your message.`,
    ...(words === undefined ? [] : [`Last words: ${textOf(words.message).trim().slice(0, 500)}`]),
    failure.hint,
  ].join('\n')
}
