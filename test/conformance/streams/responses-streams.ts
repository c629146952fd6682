/** The cases as the Responses protocol streams them: every event with its name, its order number and its fields. */
import {
  answers,
  cutCall,
  type NeutralAnswer,
  type NeutralCall,
  piecesOf,
  type StreamEvent,
  type Tellings,
  wholeAnswer,
} from './answers.ts'

type Event = { readonly type: string } & Readonly<Record<string, unknown>>

interface Item {
  readonly item: Readonly<Record<string, unknown>>
  /** The item as it begins. */
  readonly begun: object
  readonly events: readonly Event[]
}

const response = { id: 'resp_1', object: 'response', created_at: 1_790_000_000, model: 'm', error: null, incomplete_details: null }

function message(text: string, kind: 'output_text' | 'refusal' = 'output_text'): Item {
  const field = kind === 'refusal' ? 'refusal' : 'text'
  const part = kind === 'refusal' ? { type: kind, refusal: text } : { type: kind, text, annotations: [], logprobs: [] }
  const item = { id: 'msg_1', type: 'message', status: 'completed', role: 'assistant', content: [part] }
  const at = { item_id: 'msg_1', content_index: 0 }
  const events = [
    { type: 'response.content_part.added', ...at, part: { ...part, [field]: '' } },
    ...piecesOf(text).map((delta) => ({ type: `response.${kind}.delta`, ...at, delta, obfuscation: 'x7', ...logprobs(kind) })),
    { type: `response.${kind}.done`, ...at, [field]: text, ...logprobs(kind) },
    { type: 'response.content_part.done', ...at, part },
  ]
  return { item, begun: { ...item, status: 'in_progress', content: [] }, events }
}

const logprobs = (kind: string): object => (kind === 'refusal' ? {} : { logprobs: [] })

function reasoning(text: string): Item {
  const part = { type: 'summary_text', text }
  const item = { id: 'rs_1', type: 'reasoning', summary: [part], encrypted_content: 'gAAAAAB' }
  const at = { item_id: 'rs_1', summary_index: 0 }
  const events = [
    { type: 'response.reasoning_summary_part.added', ...at, part: { ...part, text: '' } },
    ...piecesOf(text).map((delta) => ({ type: 'response.reasoning_summary_text.delta', ...at, delta })),
    { type: 'response.reasoning_summary_text.done', ...at, text },
    { type: 'response.reasoning_summary_part.done', ...at, part },
  ]
  return { item, begun: { ...item, summary: [] }, events }
}

function call({ id, name, arguments: args }: NeutralCall): Item {
  const own = `fc_${id}`
  const item = { id: own, type: 'function_call', status: 'completed', call_id: id, name, arguments: args }
  const events = [
    ...piecesOf(args).map((delta) => ({ type: 'response.function_call_arguments.delta', item_id: own, delta })),
    { type: 'response.function_call_arguments.done', item_id: own, name, arguments: args },
  ]
  return { item, begun: { ...item, status: 'in_progress', arguments: '' }, events }
}

const begins = (items: readonly Item[]): Event[] =>
  items.map(({ begun: item }, output_index) => ({ type: 'response.output_item.added', output_index, item }))
const finishes = ({ item }: Item, output_index: number): Event => ({ type: 'response.output_item.done', output_index, item })
const inner = ({ events }: Item, output_index: number): Event[] => events.map((event) => ({ output_index, ...event }))

function ending({ usage }: NeutralAnswer, items: readonly Item[], incomplete?: string): Event {
  const counts = {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cacheReadTokens ?? 0, cache_write_tokens: usage.cacheWriteTokens ?? 0 },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    total_tokens: usage.inputTokens + usage.outputTokens,
  }
  const status = incomplete === undefined ? 'completed' : 'incomplete'
  const details = incomplete === undefined ? null : { reason: incomplete }
  const output = items.map(({ item }) => item)
  return { type: `response.${status}`, response: { ...response, status, incomplete_details: details, output, usage: counts } }
}

const begun: Event[] = ['created', 'in_progress'].map((type) => ({
  type: `response.${type}`,
  response: { ...response, status: 'in_progress', output: [], usage: null },
}))

function numbered(events: readonly Event[]): StreamEvent[] {
  return events.map((event, sequence_number) => ({ event: event.type, data: JSON.stringify({ ...event, sequence_number }) }))
}

function itemsOf({ reasoning: thought, text, calls }: NeutralAnswer): Item[] {
  return [...(thought === '' ? [] : [reasoning(thought)]), ...(text === '' ? [] : [message(text)]), ...calls.map(call)]
}

/** One item after the other, and the end. */
function told(answer: NeutralAnswer, incomplete?: string, items: readonly Item[] = itemsOf(answer)): StreamEvent[] {
  const events = items.flatMap((item, index) => [...begins(items).slice(index, index + 1), ...inner(item, index), finishes(item, index)])
  return numbered([...begun, ...events, ending(answer, items, incomplete)])
}

/** All items at once, their pieces in turn. */
function inTurns(answer: NeutralAnswer): StreamEvent[] {
  const items = itemsOf(answer)
  const all = items.map(inner)
  const longest = Math.max(...all.map(({ length }) => length))
  const mixed = Array.from({ length: longest }, (_, place) => all.flatMap((events) => events.slice(place, place + 1))).flat()
  return numbered([...begun, ...begins(items), ...mixed, ...items.map(finishes), ending(answer, items)])
}

/** The last item begins and is not finished. */
function cutInside(answer: NeutralAnswer): StreamEvent[] {
  const items = itemsOf(answer)
  const last = items.length - 1
  const events = items.flatMap((item, index) => [
    ...begins(items).slice(index, index + 1),
    ...inner(item, index).filter(({ type }) => index < last || type.endsWith('delta')),
    ...(index < last ? [finishes(item, index)] : []),
  ])
  const left = items.map((item, index) => (index < last ? item : { ...item, item: { ...item.item, status: 'incomplete' } }))
  return numbered([...begun, ...events, ending(answer, left, 'max_output_tokens')])
}

const failure = { code: 'server_error', message: 'The model is overloaded.' }
const half = message(answers['error mid-stream'].text)
const halfEvents = [...begins([half]), ...inner(half, 0).filter(({ type }) => type.endsWith('added') || type.endsWith('delta'))]
const failed: Event = { type: 'response.failed', response: { ...response, status: 'failed', error: failure, output: [], usage: null } }

export const responsesStreams: Tellings = {
  text: told(wholeAnswer('text')),
  'white space': told(wholeAnswer('white space')),
  'many pieces': told(wholeAnswer('many pieces')),
  'no text': told(wholeAnswer('no text')),
  'one tool': told(wholeAnswer('one tool')),
  'text and tool': told(wholeAnswer('text and tool')),
  'tool without arguments': told(wholeAnswer('tool without arguments')),
  'parallel tools': told(wholeAnswer('parallel tools')),
  'tools in turns': inTurns(wholeAnswer('tools in turns')),
  'broken arguments': told(wholeAnswer('broken arguments')),
  reasoning: told(wholeAnswer('reasoning')),
  'reasoning and tool': told(wholeAnswer('reasoning and tool')),
  refusal: told(wholeAnswer('refusal'), undefined, [message(wholeAnswer('refusal').text, 'refusal')]),
  'content filter': told(wholeAnswer('content filter'), 'content_filter'),
  'length stop': told(wholeAnswer('length stop'), 'max_output_tokens'),
  'length inside a call': cutInside({ ...wholeAnswer('length inside a call'), calls: [cutCall] }),
  'cache read': told(wholeAnswer('cache read')),
  'cache write': told(wholeAnswer('cache write')),
  'error mid-stream': numbered([...begun, ...halfEvents, failed]),
  'error at once': numbered([...begun, { type: 'error', ...failure, param: null }]),
}
