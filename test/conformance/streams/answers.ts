/**
 * What the streams of this folder say, written once as neutral data: each wire says the same in its own events, and our
 * adapter as well as the vendor's own client must read exactly this.
 */
import type { ErrorCode } from '../../../src/base/index.ts'
import type { FinishReason, Usage } from '../../../src/protocol/index.ts'

export interface NeutralCall {
  readonly id: string
  readonly name: string
  /** JSON text; broken where the model broke it. */
  readonly arguments: string
}

export interface NeutralAnswer {
  readonly text: string
  readonly reasoning: string
  readonly calls: readonly NeutralCall[]
  readonly finish: FinishReason
  readonly usage: Omit<Usage, 'estimated'>
}

/** An answer that its endpoint broke off with an error. */
export interface BrokenAnswer {
  /** What was said before. */
  readonly text: string
  readonly failure: ErrorCode
}

export type Expected = NeutralAnswer | BrokenAnswer

const usual = { inputTokens: 11, outputTokens: 22 }
const plain: NeutralAnswer = { text: '', reasoning: '', calls: [], finish: 'stop', usage: usual }
const call = (id: string, name: string, args: string): NeutralCall => ({ id, name, arguments: args })
const asks = (...calls: readonly NeutralCall[]): NeutralAnswer => ({ ...plain, calls, finish: 'tool_calls' })

export const caseNames = [
  'text',
  'white space',
  'many pieces',
  'no text',
  'one tool',
  'text and tool',
  'tool without arguments',
  'parallel tools',
  'tools in turns',
  'broken arguments',
  'reasoning',
  'reasoning and tool',
  'refusal',
  'content filter',
  'length stop',
  'length inside a call',
  'cache read',
  'cache write',
  'error mid-stream',
  'error at once',
] as const

export type CaseName = (typeof caseNames)[number]

export const answers: Readonly<Record<CaseName, Expected>> = {
  text: { ...plain, text: 'Grüße, 🦬 — 日本語, 👩‍👩‍👧 end.' },
  'white space': { ...plain, text: '\n\n  indented\r\n\tdata: no field\u2028\u0000\n\n' },
  'many pieces': { ...plain, text: 'word '.repeat(30) },
  'no text': plain,
  'one tool': asks(call('call_1', 'file_read', '{"path":"ä.txt","deep":[1,null,{"x":"🦬"}]}')),
  'text and tool': { ...asks(call('call_1', 'file_list', '{"path":"/shared"}')), text: 'I look.' },
  'tool without arguments': asks(call('call_1', 'system_time', '{}')),
  'parallel tools': asks(
    call('call_1', 'file_read', '{"path":"a"}'),
    call('call_2', 'file_read', '{"path":"b"}'),
    call('call_3', 'file_list', '{"path":"c"}'),
  ),
  'tools in turns': asks(call('call_1', 'file_read', '{"path":"first"}'), call('call_2', 'file_read', '{"path":"second"}')),
  'broken arguments': asks(call('call_1', 'file_read', '{"path": ')),
  reasoning: { ...plain, reasoning: 'Let me think… 🤔 yes.', text: 'Yes.', usage: { ...usual, reasoningTokens: 9 } },
  'reasoning and tool': {
    ...asks(call('call_1', 'file_read', '{"path":"a"}')),
    reasoning: 'I need the file.',
    usage: { ...usual, reasoningTokens: 9 },
  },
  refusal: { ...plain, text: 'I cannot help with that.', finish: 'refusal' },
  'content filter': { ...plain, text: 'It begins', finish: 'refusal' },
  'length stop': { ...plain, text: 'and so on and', finish: 'length' },
  'length inside a call': { ...plain, text: 'I look.', finish: 'length' },
  'cache read': { ...plain, text: 'x', usage: { inputTokens: 1_011, outputTokens: 22, cacheReadTokens: 1_000 } },
  'cache write': { ...plain, text: 'x', usage: { inputTokens: 1_111, outputTokens: 22, cacheReadTokens: 1_000, cacheWriteTokens: 100 } },
  'error mid-stream': { text: 'Half an', failure: 'model_overloaded' },
  'error at once': { text: '', failure: 'model_overloaded' },
}

/** The call that `length inside a call` ends in: our adapters do not ask for it, the vendors' clients hand it out as it is. */
export const cutCall: NeutralCall = call('call_1', 'file_write', '{"path":"a","text":"and so o')

/** A case as one wire says it: its events in order, or why it cannot be said. */
export type Telling = readonly StreamEvent[] | { readonly cannot: string }

/** One server-sent event. */
export interface StreamEvent {
  readonly event?: string
  readonly data: string
}

/** How one wire tells each case. */
export type Tellings = Readonly<Record<CaseName, Telling>>

/** @returns the text in pieces of a few characters, never half of one. */
export function piecesOf(text: string, size = 5): readonly string[] {
  const letters = Array.from(text)
  return Array.from({ length: Math.ceil(letters.length / size) }, (_, place) => letters.slice(place * size, place * size + size).join(''))
}

export function wholeAnswer(name: CaseName): NeutralAnswer {
  const answer = answers[name]
  if ('failure' in answer) throw new Error(`${name} is no whole answer`)
  return answer
}
