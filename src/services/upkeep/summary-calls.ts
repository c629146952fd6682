/**
 * Calls about summaries. `session.summarize` replaces the oldest messages in the window by a summary, `memory.expand` reads their
 * originals again, `session.title` gives a session its title.
 */
import { z } from 'zod'
import { type Core, firstLine, historyPages, processRight, speakerAndText, toItem } from '../../kernel/index.ts'
import { loadSummary } from '../../memory/index.ts'
import type { Store } from '../../store/index.ts'
import { fenced, type JsonObject, ownValue, OxbowError, type SessionId } from '../../base/index.ts'
import {
  titleSessionCall,
  summarizeCall,
  type Call,
  type CallContext,
  defineCall,
  evident,
  idSchema,
  isErased,
  isTurn,
  type Label,
  summarizeOutput,
} from '../../protocol/index.ts'
import { createDayBudget, type DayBudget } from '../day-budget.ts'

const maxExpandedRows = 400

/** Size of a page of `memory.expand`: below `maxResultBytes`, so that a page is never truncated. */
const maxExpandedCharacters = 12_000

type SummaryCallDeps = Pick<Core, 'store' | 'summaries' | 'sessions'>

/** Enough for a slow model. */
const summarizeTimeoutMs = 5 * 60_000

export function summaryCalls(deps: SummaryCallDeps): readonly Call[] {
  return [summarize(deps), expand(deps)]
}

const summarized = summarizeOutput.extend({ messages: z.int(), by: z.enum(['model', 'rules', 'nobody']) })

function summarize({ summaries, sessions }: SummaryCallDeps): Call {
  return defineCall({
    name: summarizeCall,
    summary: 'Summarizes the oldest part of the current conversation, so that the rest fits the context window.',
    input: z.strictObject({
      room: z.int().min(1).describe('Tokens available for the conversation.'),
      background: z.boolean().default(false).describe('True when no turn waits for the summary.'),
    }),
    output: summarized,
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
  })
}

type ExpandInput = z.infer<typeof expandInput>

const expanded = z.strictObject({ from: z.int(), to: z.int(), messages: z.int(), next_offset: z.int().nullable() })

const expandInput = z.strictObject({
  from: z.int().min(1).optional().meta(evident('#number of the first message.')),
  to: z.int().min(1).optional().meta(evident('#number of the last message. Absent: the first one only.')),
  pin: z.string().max(12).optional().meta(evident('A pin, instead of a range.')),
  offset: z.int().min(0).default(0).meta(evident('Character to continue a long answer from.')),
})

function expand(deps: SummaryCallDeps): Call {
  return defineCall({
    name: 'memory.expand',
    summary: 'Reads the messages behind a summary: #from to #to, or a pin (p3).',
    input: expandInput,
    output: expanded,
    example: { from: 12, to: 40, offset: 0 },
    tier: 'read_only',
    right: 'memory.read',
    effect: 'none',
    audience: ['model', 'terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 30_000,
    async run(input, { caller }) {
      if (caller.session === '') throw bad('A summary belongs to a session.', 'Name a session in the call.')
      const { from, to } = await rangeOf(deps, caller.session, input)
      const { lines, labels } = await originals(deps, caller.session, from, to)
      const text = lines.join('\n\n')
      if (text === '')
        throw bad(`There are no messages between #${from} and #${to} in this conversation.`, 'Use the numbers that the summary shows.')
      const end = cutAt(text, input.offset + maxExpandedCharacters)
      const next = end < text.length ? end : null
      const rest =
        next === null ? '' : `\n\n… ${text.length - end} characters follow: memory_expand {"from":${from},"to":${to},"offset":${end}}`
      return { output: { from, to, messages: lines.length, next_offset: next }, text: text.slice(input.offset, end) + rest, labels }
    },
  })
}

async function rangeOf(
  { summaries }: SummaryCallDeps,
  session: SessionId,
  { from, to, pin }: ExpandInput,
): Promise<{ from: number; to: number }> {
  if (pin === undefined) {
    if (from === undefined)
      throw bad('The call names neither a range nor a pin.', 'Give `from` and `to`, or `pin`, as the summary shows them.')
    if (to !== undefined && to < from) throw bad(`#${to} is before #${from}.`, 'Give the smaller number as `from`.')
    return { from, to: to ?? from }
  }
  const found = (await summaries.read(session))?.summary.pins.find(({ id }) => id === pin)
  if (found === undefined) throw bad(`There is no pin ${pin}.`, 'Use a pin that the summary shows.')
  return { from: found.seq, to: found.seq }
}

/** Reads only records of this conversation, whatever range is requested. */
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
      // A result is shown without its generation, which may be outside the range.
      const item = toItem({ ...row, body }, () => undefined)
      const message =
        item === null ? { who: 'tool', text: isErased(body) ? '(erased)' : `${row.name}: ${body.text ?? ''}` } : speakerAndText(item)
      lines.push(`#${row.seq} ${message.who}: ${message.text}`)
    }
  }
  return { lines: lines.reverse(), labels: [...labels].sort() }
}

/** @returns `at`, moved so that it does not split a surrogate pair */
function cutAt(text: string, at: number): number {
  if (at >= text.length) return text.length
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at
}

function bad(message: string, hint: string): OxbowError {
  return new OxbowError('bad_input', message, { hint })
}

type TitleCallDeps = Pick<Core, 'store' | 'sessions' | 'config' | 'completeBy'>

const titled = z.strictObject({
  session: idSchema('SessionId'),
  change: z.strictObject({ title: z.string() }).exactOptional().describe('Absent when the title stays as it is.'),
})

const titleTimeoutMs = 60_000

/**
 * A model titles a session once, in the background after its first reply, within a daily budget. A title that a person gave stays; so
 * does the first line of the first message when no model answers.
 */
export function titleCall(deps: TitleCallDeps): Call {
  const budget = createDayBudget(() => deps.config.memory.titles.budget)
  return defineCall({
    name: titleSessionCall,
    summary: 'Gives the current session a title after its first reply.',
    input: z.strictObject({ clear: z.boolean().default(false).describe('Clears the title, because what it says was forgotten.') }),
    output: titled,
    example: { clear: false },
    tier: 'read_only',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: titleTimeoutMs,
    projection: 'session',
    recordOutput: (output) => output,
    async run({ clear }, context) {
      const session = context.caller.session as SessionId
      await deps.sessions.load(session)
      const title = clear ? '' : await titleByModel(deps, session, context, budget)
      return { output: { session, ...(title !== null && { change: { title } }) } }
    },
  })
}

async function titleByModel(deps: TitleCallDeps, session: SessionId, context: CallContext, budget: DayBudget): Promise<string | null> {
  const { model } = deps.config.memory.titles
  const { store, sessions } = deps
  const [started, outcome] = await firstTurn(store, session)
  const message = textIn(started, 'text')
  const isNamed = async (): Promise<boolean> => (await sessions.load(session)).title !== firstLine(message)
  if (message === '' || (await isNamed()) || !budget.allows(context.clock)) return null
  const { readTitle, titleInstructions, titleRequest } = await loadSummary()
  const question = { system: titleInstructions, text: titleRequest(message, textIn(outcome, 'reply'), (text) => fenced(text, context.id)) }
  const answer = await deps.completeBy(model === 'session' ? '' : model)(context.caller, question, context.signal, (spent) =>
    budget.add(context.clock, spent),
  )
  // Meanwhile, a person may have renamed the session or erased its first message.
  const [reread] = await firstTurn(store, session)
  return answer === null || textIn(reread, 'text') !== message || (await isNamed()) ? null : readTitle(answer)
}

/** @returns the recorded start and outcome of a session's first turn; for a fork, of the first turn of its own */
async function firstTurn(store: Store, session: SessionId): Promise<readonly [unknown, unknown]> {
  const [started] = await store.records({ session, phases: ['started'], order: 'oldest_first', limit: 1, hydrate: true })
  if (started === undefined || !isTurn(started)) return [null, null]
  const [outcome] = await store.records({ call: started.call, phases: ['outcome'], order: 'newest_first', limit: 1, hydrate: true })
  return [JSON.parse(started.body), outcome === undefined ? null : JSON.parse(outcome.body)]
}

function textIn(body: unknown, name: string): string {
  if (isErased(body) || typeof body !== 'object' || body === null) return ''
  const value = ownValue(body as JsonObject, name)
  return typeof value === 'string' ? value : ''
}
