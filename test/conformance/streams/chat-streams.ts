/** The cases as chat completions stream them, with the fields that api.openai.com sends. */
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

const data = (value: unknown): StreamEvent => ({ data: JSON.stringify(value) })
const end: StreamEvent = { data: '[DONE]' }

const base = {
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1_790_000_000,
  model: 'm',
  service_tier: 'default',
  system_fingerprint: 'fp_1',
}

function chunk(delta: object, finish: string | null = null): StreamEvent {
  return data({ ...base, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], usage: null, obfuscation: 'x7' })
}

function usageChunk({ usage }: NeutralAnswer): StreamEvent {
  const prompt = { cached_tokens: usage.cacheReadTokens ?? 0, audio_tokens: 0, cache_write_tokens: usage.cacheWriteTokens ?? 0 }
  const completion = {
    reasoning_tokens: usage.reasoningTokens ?? 0,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  }
  const counts = {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: prompt,
    completion_tokens_details: completion,
  }
  return data({ ...base, choices: [], usage: counts })
}

const begin = chunk({ role: 'assistant', content: '', refusal: null })
const says = (text: string, size?: number): StreamEvent[] => piecesOf(text, size).map((content) => chunk({ content }))
const thinks = (text: string): StreamEvent[] => piecesOf(text).map((piece) => chunk({ reasoning_content: piece }))

const callBegins = ({ id, name }: NeutralCall, index: number): StreamEvent =>
  chunk({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] })
const callPieces = (call: NeutralCall, index: number): StreamEvent[] =>
  piecesOf(call.arguments).map((piece) => chunk({ tool_calls: [{ index, function: { arguments: piece } }] }))

const ends = (answer: NeutralAnswer, reason: string): StreamEvent[] => [chunk({}, reason), usageChunk(answer), end]

/** Reasoning, text, calls one after the other, and the end. */
function told(answer: NeutralAnswer, reason: string = answer.finish): StreamEvent[] {
  return [
    begin,
    ...thinks(answer.reasoning),
    ...says(answer.text),
    ...answer.calls.flatMap((call, index) => [callBegins(call, index), ...callPieces(call, index)]),
    ...ends(answer, reason),
  ]
}

const turns = wholeAnswer('tools in turns')
const [first, second] = turns.calls.map(callPieces) as [StreamEvent[], StreamEvent[]]
const error = data({ error: { message: 'The server had an error', type: 'server_error', param: null, code: null } })

export const chatStreams: Tellings = {
  text: told(wholeAnswer('text')),
  'white space': told(wholeAnswer('white space')),
  'many pieces': told(wholeAnswer('many pieces')),
  'no text': told(wholeAnswer('no text')),
  'one tool': told(wholeAnswer('one tool')),
  'text and tool': told(wholeAnswer('text and tool')),
  'tool without arguments': told(wholeAnswer('tool without arguments')),
  'parallel tools': told(wholeAnswer('parallel tools')),
  'tools in turns': [
    begin,
    ...turns.calls.map(callBegins),
    ...first.flatMap((piece, place) => [piece, ...(second[place] === undefined ? [] : [second[place]])]),
    ...second.slice(first.length),
    ...ends(turns, 'tool_calls'),
  ],
  'broken arguments': told(wholeAnswer('broken arguments')),
  reasoning: told(wholeAnswer('reasoning')),
  'reasoning and tool': told(wholeAnswer('reasoning and tool')),
  refusal: [begin, ...piecesOf(wholeAnswer('refusal').text).map((refusal) => chunk({ refusal })), ...ends(wholeAnswer('refusal'), 'stop')],
  'content filter': told(wholeAnswer('content filter'), 'content_filter'),
  'length stop': told(wholeAnswer('length stop')),
  'length inside a call': told({ ...wholeAnswer('length inside a call'), calls: [cutCall] }),
  'cache read': told(wholeAnswer('cache read')),
  'cache write': told(wholeAnswer('cache write')),
  'error mid-stream': [begin, ...says(answers['error mid-stream'].text), error],
  'error at once': [error],
}
