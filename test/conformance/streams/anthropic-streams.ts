/** The cases as Anthropic Messages streams them: named events, a ping after the first. */
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

const framed = (events: readonly Event[]): StreamEvent[] => events.map((event) => ({ event: event.type, data: JSON.stringify(event) }))

/** @param content the block as it begins @param deltas what comes of it */
function block(index: number, content: object, deltas: readonly object[]): Event[] {
  return [
    { type: 'content_block_start', index, content_block: content },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ]
}

const deltas = (type: string, field: string, text: string): object[] => piecesOf(text).map((piece) => ({ type, [field]: piece }))

const thinking =
  (text: string) =>
  (index: number): Event[] =>
    block(index, { type: 'thinking', thinking: '', signature: '' }, [
      ...deltas('thinking_delta', 'thinking', text),
      { type: 'signature_delta', signature: 'EqQBCgIYAhIM' },
    ])
const saying =
  (text: string) =>
  (index: number): Event[] =>
    block(index, { type: 'text', text: '' }, deltas('text_delta', 'text', text))
const calling =
  ({ id, name, arguments: args }: NeutralCall) =>
  (index: number): Event[] =>
    // The first delta of a call is empty; a call without arguments has no other.
    block(index, { type: 'tool_use', id, name, input: {} }, [
      { type: 'input_json_delta', partial_json: '' },
      ...(args === '{}' ? [] : deltas('input_json_delta', 'partial_json', args)),
    ])

function inputOf({ usage }: NeutralAnswer): object {
  const { inputTokens, cacheReadTokens: read = 0, cacheWriteTokens: write = 0 } = usage
  return { input_tokens: inputTokens - read - write, cache_creation_input_tokens: write, cache_read_input_tokens: read }
}

const begins = (answer: NeutralAnswer): Event[] => [
  {
    type: 'message_start',
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...inputOf(answer), output_tokens: 1, service_tier: 'standard' },
    },
  },
  { type: 'ping' },
]

function told(answer: NeutralAnswer, stop: string): StreamEvent[] {
  const { reasoning, text, calls, usage } = answer
  const thought = usage.reasoningTokens === undefined ? {} : { output_tokens_details: { thinking_tokens: usage.reasoningTokens } }
  const blocks = [...(reasoning === '' ? [] : [thinking(reasoning)]), ...(text === '' ? [] : [saying(text)]), ...calls.map(calling)]
  return framed([
    ...begins(answer),
    ...blocks.flatMap((make, index) => make(index)),
    {
      type: 'message_delta',
      delta: { stop_reason: stop, stop_sequence: null },
      usage: { ...inputOf(answer), output_tokens: usage.outputTokens, ...thought },
    },
    { type: 'message_stop' },
  ])
}

const overloaded: Event = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' }, request_id: 'req_1' }
const half = saying(answers['error mid-stream'].text)(0).slice(0, -1)

export const anthropicStreams: Tellings = {
  text: told(wholeAnswer('text'), 'end_turn'),
  'white space': told(wholeAnswer('white space'), 'end_turn'),
  'many pieces': told(wholeAnswer('many pieces'), 'stop_sequence'),
  'no text': told(wholeAnswer('no text'), 'end_turn'),
  'one tool': told(wholeAnswer('one tool'), 'tool_use'),
  'text and tool': told(wholeAnswer('text and tool'), 'tool_use'),
  'tool without arguments': told(wholeAnswer('tool without arguments'), 'tool_use'),
  'parallel tools': told(wholeAnswer('parallel tools'), 'tool_use'),
  'tools in turns': { cannot: 'a content block ends before the next begins' },
  'broken arguments': told(wholeAnswer('broken arguments'), 'tool_use'),
  reasoning: told(wholeAnswer('reasoning'), 'end_turn'),
  'reasoning and tool': told(wholeAnswer('reasoning and tool'), 'tool_use'),
  refusal: told(wholeAnswer('refusal'), 'refusal'),
  'content filter': { cannot: 'the protocol has one stop reason for a refusal and for a filter' },
  'length stop': told(wholeAnswer('length stop'), 'max_tokens'),
  'length inside a call': told({ ...wholeAnswer('length inside a call'), calls: [cutCall] }, 'max_tokens'),
  'cache read': told(wholeAnswer('cache read'), 'end_turn'),
  'cache write': told(wholeAnswer('cache write'), 'end_turn'),
  'error mid-stream': framed([...begins(wholeAnswer('text')), ...half, overloaded]),
  'error at once': framed([overloaded]),
}
