/** Carries out the tool calls of one generation: neighbours that only read side by side, all others alone, in order. */
import { type CallId, type ConversationItem, type Process, type ToolCallPart, toolCallId, toolResult } from '../types/index.ts'
import { maxParallelCalls, maxRepeats } from './limits.ts'

export interface PendingCall {
  readonly id: CallId
  readonly part: ToolCallPart
}

/** @returns the calls of a generation that have no result yet, in order. */
export function pendingCalls(
  generation: ConversationItem,
  calls: readonly ToolCallPart[],
  answered: ReadonlySet<CallId>,
): readonly PendingCall[] {
  return calls.map((part, index) => ({ id: toolCallId(generation.call, index), part })).filter((call) => !answered.has(call.id))
}

/** @returns one result for each call, in the order of the calls. Calls not begun when the turn is stopped get none. */
export async function dispatch(process: Process, calls: readonly PendingCall[]): Promise<readonly ConversationItem[]> {
  const results: ConversationItem[] = []
  for (let at = 0; at < calls.length && !process.signal.aborted;) {
    const batch = [calls[at++]!]
    if (process.isReadOnly(batch[0]!.part.name))
      while (at < calls.length && batch.length < maxParallelCalls && process.isReadOnly(calls[at]!.part.name)) batch.push(calls[at++]!)
    results.push(...(await Promise.all(batch.map((call) => carryOut(process, call)))))
  }
  return results
}

/** Every way a call can end is a result that the model reads: it corrects itself, or goes on without. */
async function carryOut(process: Process, { id, part }: PendingCall): Promise<ConversationItem> {
  const outcome = await process.callTool(part.name, part.arguments, id)
  return toolResult(id, part, outcome.status === 'ok' ? outcome : { ok: false, text: outcome.text, labels: outcome.labels })
}

/** Notices a model that makes the same call with the same arguments and gets the same result, over and over. */
export interface LoopDetector {
  /** @returns `warn` at the last repetition that is let through, `stop` at the one after it. */
  observe(name: string, args: string, result: string): 'fine' | 'warn' | 'stop'
}

export function createLoopDetector(): LoopDetector {
  let last = ''
  let times = 0
  return {
    observe(name, args, result) {
      const key = JSON.stringify([name, args, result])
      times = key === last ? times + 1 : 1
      last = key
      return times < maxRepeats ? 'fine' : times === maxRepeats ? 'warn' : 'stop'
    },
  }
}
