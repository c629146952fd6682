/** Calls about what left the window: the runtime has it summed up, and a model reads the originals again. */
import { z } from 'zod'
import type { SummarizeOutput } from '../../runtime/index.ts'
import { type Call, isErased, type Label, OxbowError, type SessionId } from '../../types/index.ts'
import { toItem } from '../conversation/fold.ts'
import { type HistoryDeps, historyPages } from '../conversation/history-pages.ts'
import type { Summaries } from '../conversation/summaries.ts'
import { whatWasSaid } from '../conversation/summary-steps.ts'
import { maxExpandedCharacters, maxExpandedRows } from '../limits.ts'
import type { Sessions } from '../sessions.ts'
import { processRight } from '../stages/policy.ts'

export interface SummaryCallDeps extends HistoryDeps {
  readonly summaries: Summaries
  readonly sessions: Pick<Sessions, 'load'>
}

/** A model that writes slowly, and no longer. */
const summarizeTimeoutMs = 5 * 60_000

interface SummarizeInput {
  room: number
  background: boolean
}

export function summaryCalls(deps: SummaryCallDeps): readonly Call[] {
  return [summarize(deps), expand(deps)]
}

function summarize({ summaries, sessions }: SummaryCallDeps): Call<SummarizeInput, SummarizeOutput & { messages: number; by: string }> {
  return {
    name: 'session.summarize',
    summary: 'Sums up the oldest part of the own conversation, so that the rest fits the window.',
    input: z.strictObject({
      room: z.int().min(1).describe('Tokens that the conversation may take.'),
      background: z.boolean().default(false).describe('Nobody waits for it.'),
    }),
    output: z.custom<SummarizeOutput & { messages: number; by: string }>(),
    example: { room: 100_000, background: false },
    tier: 'read_only',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: summarizeTimeoutMs,
    recordOutput: ({ through, messages, by }) => ({ through, messages, by }),
    async run({ room, background }, { id, caller, signal }) {
      const session = caller.session as SessionId
      await sessions.load(session)
      return { output: await summaries.roll(session, room, { id, caller, signal, overflows: !background }) }
    },
  }
}

interface ExpandInput {
  from?: number | undefined
  to?: number | undefined
  pin?: string | undefined
  offset: number
}

interface Expanded {
  from: number
  to: number
  messages: number
  next_offset: number | null
}

function expand(deps: SummaryCallDeps): Call<ExpandInput, Expanded> {
  return {
    name: 'memory.expand',
    summary: 'Reads the exact words of what a summary stands for: a range (#from to #to) or a pin (p3).',
    input: z.strictObject({
      from: z.int().min(1).optional().describe('First #number.'),
      to: z.int().min(1).optional().describe('Last #number; without it, the first alone.'),
      pin: z.string().max(12).optional().describe('A pin, in place of a range.'),
      offset: z.int().min(0).default(0).describe('Where a long answer goes on.'),
    }),
    output: z.object({ from: z.int(), to: z.int(), messages: z.int(), next_offset: z.int().nullable() }),
    example: { from: 12, to: 40, offset: 0 },
    tier: 'read_only',
    right: 'memory.read',
    effect: 'none',
    audience: ['model', 'terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 30_000,
    async run(input, { caller }) {
      if (caller.session === '') throw bad('A summary belongs to a session.', 'Make the call with a session.')
      const { from, to } = await rangeOf(deps, caller.session, input)
      const { lines, labels } = await originals(deps, caller.session, from, to)
      const text = lines.join('\n\n')
      if (text === '')
        throw bad(`There are no messages between #${from} and #${to} in this conversation.`, 'Take the numbers from the summary.')
      const end = cutAt(text, input.offset + maxExpandedCharacters)
      const next = end < text.length ? end : null
      const rest =
        next === null ? '' : `\n\n… ${text.length - end} characters follow: memory_expand {"from":${from},"to":${to},"offset":${end}}`
      return { output: { from, to, messages: lines.length, next_offset: next }, text: text.slice(input.offset, end) + rest, labels }
    },
  }
}

async function rangeOf(
  { summaries }: SummaryCallDeps,
  session: SessionId,
  { from, to, pin }: ExpandInput,
): Promise<{ from: number; to: number }> {
  if (pin === undefined) {
    if (from === undefined) throw bad('Neither a range nor a pin is named.', 'Give `from` and `to`, or `pin`, as the summary has them.')
    if (to !== undefined && to < from) throw bad(`#${to} is before #${from}.`, 'Give the smaller number as `from`.')
    return { from, to: to ?? from }
  }
  const found = (await summaries.read(session))?.summary.pins.find(({ id }) => id === pin)
  if (found === undefined) throw bad(`There is no pin ${pin}.`, 'Take its name from the summary.')
  return { from: found.seq, to: found.seq }
}

/** Only records of this conversation that carry it: whatever number is asked for, nothing else can be read. */
async function originals(
  deps: SummaryCallDeps,
  session: SessionId,
  from: number,
  to: number,
): Promise<{ lines: readonly string[]; labels: readonly Label[] }> {
  const labels = new Set<Label>()
  const lines: string[] = []
  for await (const page of historyPages(deps, session, to + 1)) {
    for (const row of page) {
      if (row.seq < from || lines.length >= maxExpandedRows) return { lines: lines.reverse(), labels: [...labels].sort() }
      const body = JSON.parse(row.body) as { readonly labels?: readonly Label[]; readonly text?: string }
      for (const label of body.labels ?? []) labels.add(label)
      // A result is read without its generation, which may stand outside of the range.
      const item = toItem({ ...row, body }, () => undefined)
      const said =
        item === null ? { who: 'tool', text: isErased(body) ? '(erased)' : `${row.name}: ${body.text ?? ''}` } : whatWasSaid(item)
      lines.push(`#${row.seq} ${said.who}: ${said.text}`)
    }
  }
  return { lines: lines.reverse(), labels: [...labels].sort() }
}

/** Not inside a surrogate pair. */
function cutAt(text: string, at: number): number {
  if (at >= text.length) return text.length
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at
}

function bad(message: string, hint: string): OxbowError {
  return new OxbowError('bad_input', message, { hint })
}
