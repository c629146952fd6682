/** The cases as generateContent streams them: chunks with all counts so far, no event names and no end mark. */
import { answers, type NeutralAnswer, type NeutralCall, piecesOf, type StreamEvent, type Tellings, wholeAnswer } from './answers.ts'

const data = (value: unknown): StreamEvent => ({ data: JSON.stringify(value) })

/** @param more fields of the candidate */
function chunk(parts: readonly object[], usage: object, more: object = {}): StreamEvent {
  return data({
    candidates: [{ content: { parts, role: 'model' }, index: 0, ...more }],
    usageMetadata: usage,
    modelVersion: 'm',
    responseId: 'r-1',
  })
}

const early = { promptTokenCount: 11, totalTokenCount: 11, promptTokensDetails: [{ modality: 'TEXT', tokenCount: 11 }] }

function countsOf({ usage }: NeutralAnswer): object {
  const { inputTokens, outputTokens, reasoningTokens, cacheReadTokens } = usage
  return {
    promptTokenCount: inputTokens,
    candidatesTokenCount: outputTokens - (reasoningTokens ?? 0),
    totalTokenCount: inputTokens + outputTokens,
    ...(reasoningTokens !== undefined && { thoughtsTokenCount: reasoningTokens }),
    ...(cacheReadTokens !== undefined && { cachedContentTokenCount: cacheReadTokens }),
  }
}

const says = (text: string): StreamEvent[] => piecesOf(text).map((piece) => chunk([{ text: piece }], early))
const thinks = (text: string): StreamEvent[] => piecesOf(text).map((piece) => chunk([{ text: piece, thought: true }], early))
const callPart = ({ id, name, arguments: args }: NeutralCall, place: number, signed: boolean): object => ({
  functionCall: { id, name, args: JSON.parse(args) as object },
  // Of parallel calls only the first is signed.
  ...(signed && place === 0 && { thoughtSignature: 'CvUBAXLI2nw=' }),
})

function told(answer: NeutralAnswer, reason = 'STOP'): StreamEvent[] {
  const { reasoning, text, calls } = answer
  const signed = reasoning !== ''
  const asked = calls.length === 0 ? [] : [chunk(calls.map((call, place) => callPart(call, place, signed)), early)] // prettier-ignore
  const last = [{ text: '', ...(signed && calls.length === 0 && { thoughtSignature: 'CvUBAXLI2nw=' }) }]
  return [...thinks(reasoning), ...says(text), ...asked, chunk(last, countsOf(answer), { finishReason: reason })]
}

const overloaded = data({ error: { code: 503, message: 'The model is overloaded. Please try again later.', status: 'UNAVAILABLE' } })

export const geminiStreams: Tellings = {
  text: told(wholeAnswer('text')),
  'white space': told(wholeAnswer('white space')),
  'many pieces': told(wholeAnswer('many pieces')),
  'no text': told(wholeAnswer('no text')),
  'one tool': told(wholeAnswer('one tool')),
  'text and tool': told(wholeAnswer('text and tool')),
  'tool without arguments': told(wholeAnswer('tool without arguments')),
  'parallel tools': told(wholeAnswer('parallel tools')),
  'tools in turns': { cannot: 'calls come whole, each in one part' },
  'broken arguments': { cannot: 'arguments are an object of the event itself, never text' },
  reasoning: told(wholeAnswer('reasoning')),
  'reasoning and tool': told(wholeAnswer('reasoning and tool')),
  refusal: told(wholeAnswer('refusal'), 'SAFETY'),
  'content filter': told(wholeAnswer('content filter'), 'PROHIBITED_CONTENT'),
  'length stop': told(wholeAnswer('length stop'), 'MAX_TOKENS'),
  'length inside a call': { cannot: 'calls come whole, each in one part' },
  'cache read': told(wholeAnswer('cache read')),
  'cache write': { cannot: 'a cache is written by requests of its own, and no count of an answer says so' },
  'error mid-stream': [...says(answers['error mid-stream'].text), overloaded],
  'error at once': [overloaded],
}
