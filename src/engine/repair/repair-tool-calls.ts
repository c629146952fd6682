/**
 * Mends the tool calls of one answer: names, arguments and ids, each only where one reading is possible. What is not certain
 * stays as it was, and whoever runs the call says precisely what is wrong with it. A call that is in order is never touched.
 */
import type { FinishReason, ModelEvent, ToolCallPart, ToolSpec } from '../../types/index.ts'
import { modelLimits } from '../limits.ts'
import { mendArguments } from './repair-arguments.ts'
import type { RepairCounts } from './repair-counts.ts'
import { mendName } from './repair-name.ts'

/** Wires give all tool calls of an answer together with its finish. */
export function mendCalls(
  batch: readonly ModelEvent[],
  tools: readonly ToolSpec[],
  finish: ModelEvent & { type: 'finish' },
  counts: RepairCounts,
): readonly ModelEvent[] {
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

/**
 * @param tools those of the request
 * @param ended how the answer ended: one that was cut is never completed into something that runs
 * @param counts goes up by what was done; see `createRepairCounts`
 * @returns the calls in order, the same objects where nothing was mended. Never throws.
 */
export function repairToolCalls(
  calls: readonly ToolCallPart[],
  tools: readonly ToolSpec[],
  ended: FinishReason,
  counts: RepairCounts,
): readonly ToolCallPart[] {
  const byName = new Map(tools.map((tool) => [tool.name, tool]))
  const whole = ended === 'stop' || ended === 'tool_calls'
  let room = modelLimits.maxToolCalls - calls.length
  const mended = calls.flatMap((call) => {
    const name = repairName(call.name, byName, counts)
    const found = mendArguments(call.arguments, { tool: byName.get(name), whole, maxObjects: 1 + Math.max(0, room) })
    if (found === null) counts.broken_arguments += 1
    else for (const kind of found.kinds) counts[kind] += 1
    const texts = found === null || found.kinds.length === 0 ? [call.arguments] : found.objects
    room -= texts.length - 1
    if (texts.length === 1) return [withChanges(call, name, texts[0] ?? call.arguments)]
    return texts.map((text, place) => split(call, name, text, place))
  })
  return repairIds(mended, counts)
}

function repairName(name: string, byName: ReadonlyMap<string, ToolSpec>, counts: RepairCounts): string {
  if (byName.has(name)) return name
  const meant = mendName(name, byName.keys())
  counts[meant === null ? 'unknown_tool' : 'tool_name'] += 1
  return meant ?? name
}

function withChanges(call: ToolCallPart, name: string, text: string): ToolCallPart {
  return name === call.name && text === call.arguments ? call : { ...call, name, arguments: text }
}

/** One of several calls that came as one. Only the first keeps the seal: the wire sealed one call. */
function split(call: ToolCallPart, name: string, text: string, place: number): ToolCallPart {
  const id = call.id === '' ? '' : `${call.id}_${place}`
  const { sealed, ...rest } = call
  return { ...rest, ...(place === 0 && sealed !== undefined ? { sealed } : {}), id, name, arguments: text }
}

/** Gives `call_{n}` to calls without an id, and to all but the first with the same. */
function repairIds(calls: readonly ToolCallPart[], counts: RepairCounts): readonly ToolCallPart[] {
  const taken = new Set(calls.map((call) => call.id))
  const seen = new Set<string>([''])
  return calls.map((call, place) => {
    if (!seen.has(call.id)) {
      seen.add(call.id)
      return call
    }
    let n = place
    while (taken.has(`call_${n}`)) n += 1
    const id = `call_${n}`
    taken.add(id)
    seen.add(id)
    counts.call_id += 1
    return { ...call, id }
  })
}
