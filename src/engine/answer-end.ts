/** What happens to every answer at its end, whichever wire brought it: tool calls are mended, and the tokens it reports teach the estimates. */
import type { ModelEvent, ToolCallPart, ToolSpec, Usage } from '../types/index.ts'
import type { RepairCounts } from './repair/repair-counts.ts'
import { repairToolCalls } from './repair/repair-tool-calls.ts'

type Batch = readonly ModelEvent[]

/** Passes batches through; only one that ends a whole answer is looked into. */
export function finishAnswer(
  answer: AsyncIterable<Batch>,
  tools: readonly ToolSpec[],
  counts: RepairCounts,
  observe: (usage: Usage) => void,
): AsyncIterable<Batch> {
  return {
    [Symbol.asyncIterator]: () => {
      const inner = answer[Symbol.asyncIterator]()
      /** A fallback may have taken over: what it reports says nothing about the model that was asked. */
      let isOwn = true
      const settle = (result: IteratorResult<Batch>): IteratorResult<Batch> => {
        if (result.done === true) return result
        if (result.value[0]?.type === 'restarted') isOwn = false
        const last = result.value.at(-1)
        if (last?.type !== 'finish') return result
        if (isOwn) observe(last.usage)
        return { done: false, value: mendCalls(result.value, tools, last, counts) }
      }
      const leave = inner.return?.bind(inner)
      return {
        next: () => inner.next().then(settle),
        ...(leave !== undefined && { return: (value?: unknown) => leave(value) }),
      }
    },
  }
}

/** Wires give all tool calls of an answer together with its finish. */
function mendCalls(batch: Batch, tools: readonly ToolSpec[], finish: ModelEvent & { type: 'finish' }, counts: RepairCounts): Batch {
  const calls = batch.flatMap((event) => (event.type === 'tool_call' ? [event.call] : []))
  if (calls.length === 0) return batch
  const last = calls.at(-1)!
  // Cut before its first argument: it must not run as if it had none.
  if (finish.reason === 'length' && /^(?:\{\})?$/.test(last.arguments)) calls[calls.length - 1] = { ...last, arguments: '{' }
  const before = { ...counts }
  const mended = repairToolCalls(calls, tools, finish.reason, counts).map(toEvent)
  const repaired = increase(before, counts)
  const end = repaired === null ? finish : { ...finish, repaired }
  return [...batch.filter((event) => event.type !== 'tool_call' && event !== finish), ...mended, end]
}

const toEvent = (call: ToolCallPart): ModelEvent => ({ type: 'tool_call', call })

function increase(before: RepairCounts, after: RepairCounts): Readonly<Record<string, number>> | null {
  const kinds = (Object.keys(after) as (keyof RepairCounts)[]).filter((kind) => after[kind] > before[kind])
  return kinds.length === 0 ? null : Object.fromEntries(kinds.map((kind) => [kind, after[kind] - before[kind]]))
}
