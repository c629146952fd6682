/**
 * One set of conversations for all wires: what people, models and plugins really bring about, and what a careless one of them
 * could. All of it must become a request that the vendor takes. Calls without results and results without calls are not
 * among them: the runtime's window never hands one out (`src/runtime/window.ts`).
 */
import type { JsonObject } from '../../../src/base/index.ts'
import type { GenerateRequest, Message, ToolMessage, ToolSpec } from '../../../src/protocol/index.ts'
import { userMessage } from '../../../src/protocol/index.ts'
import { hardSchema, pdf, picture, readFile, toolNamed } from './conversation-parts.ts'
import type { AnswerOf } from './travelled-answers.ts'

export interface Conversation {
  readonly name: string
  readonly request: Omit<GenerateRequest, 'model'>
}

type More = Partial<Omit<GenerateRequest, 'model' | 'messages'>>

const user = userMessage
const says = (text: string): Message => ({ role: 'assistant', parts: [{ type: 'text', text }] })
const calls = (...asked: readonly (readonly [id: string, args?: string, name?: string])[]): Message => ({
  role: 'assistant',
  parts: asked.map(([id, args = '{"path":"a"}', name = 'file_read']) => ({ type: 'tool_call', id, name, arguments: args })),
})
const result = (id: string, more: Partial<ToolMessage['parts'][0]> = {}): Message => ({
  role: 'tool',
  parts: [{ type: 'tool_result', id, name: 'file_read', ok: true, text: `contents for ${id}`, ...more }],
})

function conversation(name: string, messages: readonly Message[], more: More = {}): Conversation {
  return { name, request: { system: 'You are an ox.', tools: [], maxOutputTokens: 4_096, ...more, messages } }
}

const tools = { tools: [readFile] }
const step = [calls(['call_1']), result('call_1')]
const go = user('Go.')

const texts: readonly Conversation[] = [
  conversation('one sentence', [user('Hello.')]),
  conversation('no system prompt', [user('Hello.')], { system: '' }),
  conversation('several turns', [user('Hello.'), says('Hi.'), user('And?'), says('Well.'), user('Good.')]),
  conversation('empty texts', [user(''), says(''), user('x'), says(''), user('')]),
  conversation('white space alone', [user('  \n'), says('\n\n'), user('\t'), says('x '), user('y')], { system: ' \n ' }),
  conversation(
    'unicode, half characters and control characters',
    [user('Grüße 🦬 👩‍👩‍👧 \ud83e \udd2c \u0000\u2028"\\'), says('\udc00ok'), go],
    {
      system: 'Grüße \ud800',
    },
  ),
  conversation('a very long text', [user('word '.repeat(40_000))]),
  conversation(
    'a long history',
    Array.from({ length: 401 }, (_, place) => (place % 2 === 0 ? user(`Q${place}`) : says(`A${place}`))),
  ),
  conversation('two of one role in a row', [user('a'), user('b'), says('c'), says('d'), user('e')]),
  conversation('the model speaks first', [says('Welcome.'), user('Thanks.')]),
  conversation('the model speaks last', [user('Count.'), says('One, two, ')]),
  conversation('messages without parts', [{ role: 'user', parts: [] }, { role: 'assistant', parts: [] }, go]),
]

const toolUse: readonly Conversation[] = [
  conversation('a tool is offered', [go], tools),
  conversation('many tools', [go], { tools: Array.from({ length: 64 }, (_, place) => toolNamed(`tool_${place}`)) }),
  conversation('a tool without parameters', [go], { tools: [toolNamed('system_time', { type: 'object' })] }),
  conversation('a tool with a hard schema', [go], { tools: [toolNamed('hard', hardSchema)] }),
  conversation('a tool whose schema is a choice', [go], {
    tools: [toolNamed('choice', { anyOf: [hardSchema, { type: 'object', properties: { b: { type: 'string' } }, required: ['b'] }] })],
  }),
  conversation('a call and its result', [go, ...step, says('Done.'), go], tools),
  conversation('a result is the last', [go, ...step], tools),
  conversation('text before a call', [go, { role: 'assistant', parts: [{ type: 'text', text: 'I look.' }, { type: 'tool_call', id: 'call_1', name: 'file_read', arguments: '{}' }] }, step[1]!], tools), // prettier-ignore
  conversation('parallel calls', [go, calls(['a'], ['b'], ['c']), result('a'), result('b'), result('c')], tools),
  conversation('results in another order', [go, calls(['a'], ['b'], ['c']), result('c'), result('a'), result('b')], tools),
  conversation('one id for two calls of a step', [go, calls(['a'], ['a']), result('a'), result('a'), go], tools),
  conversation('one id for calls of two steps', [go, ...step, ...step, ...step, go], tools),
  conversation('empty ids', [go, calls([''], ['']), result(''), result(''), go], tools),
  conversation('foreign ids', [go, calls(['functions.x:0/ä' + 'y'.repeat(90)]), result('functions.x:0/ä' + 'y'.repeat(90)), go], tools),
  conversation(
    'arguments that are broken JSON',
    [go, calls(['a', '{"path": '], ['b', 'path=a']), result('a', { ok: false }), result('b'), go],
    tools,
  ),
  conversation(
    'arguments that are no object',
    [go, calls(['a', '[1,2]'], ['b', '"x"'], ['c', 'null']), result('a'), result('b'), result('c')],
    tools,
  ),
  conversation('empty arguments', [go, calls(['a', ''], ['b', '{}']), result('a'), result('b')], tools),
  conversation(
    'names that no vendor takes',
    [
      go,
      calls(['a', '{}', 'mcp://server/tool ä'], ['b', '{}', ''], ['c', '{}', '9lives'.repeat(40)]),
      result('a', { name: 'mcp://server/tool ä' }),
      result('b', { name: '' }),
      result('c', { name: '9lives'.repeat(40) }),
      go,
    ],
    tools,
  ),
  conversation(
    'a failed and an empty result',
    [go, calls(['a'], ['b']), result('a', { ok: false, text: 'no such file' }), result('b', { text: '' })],
    tools,
  ),
  conversation('calls of the past, no tools now', [go, ...step, says('Done.'), go]),
  conversation(
    'many steps of one turn',
    [go, ...Array.from({ length: 30 }, (_, place) => [calls([`c${place}`]), result(`c${place}`)]).flat()],
    tools,
  ),
]

const media: readonly Conversation[] = [
  conversation('a picture', [{ role: 'user', parts: [{ type: 'text', text: 'What is this?' }, picture()] }]),
  conversation('a picture alone', [{ role: 'user', parts: [picture()] }]),
  conversation('pictures of every kind', [
    { role: 'user', parts: ['image/png', 'image/jpeg', 'image/gif', 'image/webp'].map((type) => picture(type)) },
  ]),
  conversation('a PDF', [{ role: 'user', parts: [pdf('plan [v2] ä.pdf'), { type: 'text', text: 'Sum up.' }] }]),
  conversation('a PDF without a name', [{ role: 'user', parts: [pdf('')] }]),
  conversation(
    'a picture in a result',
    [go, calls(['a'], ['b']), result('a', { media: [picture()] }), result('b', { media: [pdf('a.pdf')], text: '' }), go],
    tools,
  ),
  conversation('a picture in a failed result', [go, calls(['a']), result('a', { ok: false, media: [picture()] })], tools),
  conversation('media that nobody takes', [{ role: 'user', parts: [picture('application/zip'), picture('image/tiff'), picture('')] }]),
  conversation('sound and film', [{ role: 'user', parts: [picture('audio/wav'), picture('video/mp4'), { type: 'text', text: 'What?' }] }]),
]

const output = {
  name: 'my output',
  schema: { type: 'object', properties: { a: { type: 'integer', minimum: 1 } }, required: ['a'] } satisfies JsonObject,
}
const offered: readonly ToolSpec[] = [readFile, toolNamed('other')]

const settings: readonly Conversation[] = [
  conversation('structured output', [go], { settings: { output } }),
  conversation('structured output of a hard schema', [go], { settings: { output: { name: '', schema: hardSchema } } }),
  conversation('structured output with tools', [go], { settings: { output }, tools: offered }),
  conversation('no tool may be called', [go, ...step, go], { settings: { toolChoice: 'none' }, tools: offered }),
  conversation('some tool must be called', [go], { settings: { toolChoice: 'required', effort: 'high' }, tools: offered }),
  conversation('one tool must be called', [go], { settings: { toolChoice: { tool: 'file_read' } }, tools: offered }),
  conversation('a tool must be called although none is offered', [go], { settings: { toolChoice: 'required' } }),
  ...(['none', 'minimal', 'low', 'medium', 'high'] as const).map((effort) =>
    conversation(`effort ${effort}`, [go, ...step], { settings: { effort, temperature: 0.5 }, ...tools, maxOutputTokens: 20_000 }),
  ),
  conversation('effort where nearly nothing may be said', [go], { settings: { effort: 'high' }, maxOutputTokens: 16 }),
  conversation('sampling', [go], { settings: { temperature: 2, topP: 1 } }),
  conversation('sampling at its lower end', [go], { settings: { temperature: 0, topP: 0 } }),
  conversation('stop sequences', [go], { settings: { stop: ['a', ' ', '\n\n', 'ä', '🦬', 'six'] } }),
  conversation('a cache key', [go], { cacheKey: 'session_'.repeat(20) }),
]

/** @param answer an answer that a wire read from its recorded stream, with its seals */
function travelled(answer: AnswerOf): readonly Conversation[] {
  const wires = ['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const
  const steps = wires.flatMap((wire) => [answer(wire, 'reasoning and tool', 'same'), result('call_1')])
  const strangers = wires.flatMap((wire) => [answer(wire, 'reasoning and tool', 'other'), result('call_1')])
  const replies = wires.flatMap((wire) => [user('Think.'), answer(wire, 'reasoning', 'same')])
  const broken = wires.map((wire): Message => ({ role: 'assistant', parts: answer(wire, 'reasoning', 'same').parts.slice(0, 1) }))
  const foreign: Message = {
    role: 'assistant',
    parts: [
      { type: 'reasoning', text: 'Hm.', sealed: { wire: 'ai-sdk', model: 'x', data: { p: { signature: 's' } } } },
      { type: 'reasoning', text: 'Unsealed.' },
      { type: 'text', text: 'Yes.' },
    ],
  }
  return [
    conversation('one step of each wire', [go, ...steps, says('Done.'), go], tools),
    conversation('one step of each wire, the last unfinished', [go, ...steps], { ...tools, settings: { effort: 'medium' } }),
    conversation('steps of another model', [go, ...strangers, go], { ...tools, settings: { effort: 'low' } }),
    conversation('replies of each wire', [...replies, go], { settings: { effort: 'high' } }),
    conversation('thoughts that led to nothing', [go, ...broken, go], { settings: { effort: 'high' } }),
    conversation('thoughts that led to nothing, at the end', [go, ...broken], { settings: { effort: 'high' } }),
    conversation('thoughts that nobody sealed', [go, foreign, go], { settings: { effort: 'high' } }),
    conversation('an answer of parallel calls', [
      go,
      ...wires.flatMap((wire) => [answer(wire, 'parallel tools', 'same'), result('call_3', { name: 'file_list' }), result('call_1'), result('call_2')]),
    ], tools), // prettier-ignore
  ]
}

export function allConversations(answer: AnswerOf): readonly Conversation[] {
  return [...texts, ...toolUse, ...media, ...settings, ...travelled(answer)]
}
