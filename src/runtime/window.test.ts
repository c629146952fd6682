import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { CallId, Failure } from '../base/index.ts'
import {
  type AssistantMessage,
  type CallOutcome,
  type ConversationItem,
  conversationItem,
  type Message,
  plainFacts,
  toolCallId,
  toolCallsOf,
  toolResult,
  type TurnResult,
  userMessage,
} from '../protocol/index.ts'
import { createFakeProcess, type FakeProcess, ok } from './fake-process.ts'
import { mediaTokens } from './limits.ts'
import { runTurn } from './pipeline.ts'
import type { RuntimeDeps } from './pipeline.ts'
import { createMessageCounter, fitConversation, tokensOfAll } from './window.ts'

const count = async (texts: readonly string[]): Promise<number[]> => texts.map((text) => Math.ceil(text.length / 3))

/** A user message, or a generation of up to three calls with the results that exist, which need not belong to the first. */
const group = fc.oneof(
  fc.string({ maxLength: 200 }).map((text): Message[] => [userMessage(text)]),
  fc
    .array(fc.option(fc.string({ maxLength: 60 })), { minLength: 1, maxLength: 3 })
    .map((results): Message[] => [
      { role: 'assistant', parts: results.map((_, i) => ({ type: 'tool_call', id: `t${i}`, name: 'x', arguments: '{}' })) },
      ...results.flatMap((text, i): Message[] =>
        text === null ? [] : [{ role: 'tool', parts: [{ type: 'tool_result', id: `t${i}`, name: 'x', ok: true, text }] }],
      ),
    ]),
)
const conversation = fc.array(group, { minLength: 1, maxLength: 20 }).map((groups) =>
  groups.flatMap((messages, g) =>
    messages.map((message): ConversationItem => {
      const place = message.role === 'tool' ? Number(message.parts[0].id.slice(1)) : null
      return conversationItem(place === null ? (`g${g}` as CallId) : toolCallId(`g${g}` as CallId, place), message)
    }),
  ),
)

test('fitting keeps the newest messages and what was asked last, never splits a call from its result, and gives every call a result', async () => {
  await fc.assert(
    fc.asyncProperty(conversation, fc.integer({ min: 50, max: 3_000 }), async (items, room) => {
      const { messages, tokens } = await fitConversation(items, room, createMessageCounter(count))
      const kept = messages.filter((message) => items.some((item) => item.message === message))
      const all = items.map((item) => item.message)
      const asked = all.findLast(({ role }) => role === 'user')
      const newest = kept[0] === asked && kept.length > 1 ? kept.slice(1) : kept
      assert.deepEqual(newest, all.slice(all.length - newest.length))
      assert.ok(asked === undefined || kept.includes(asked))
      assert.notEqual(messages[0]?.role, 'tool')
      messages.forEach((message, at) => {
        if (message.role !== 'assistant') return
        toolCallsOf(message).forEach((call, i) => {
          const [part] = messages[at + 1 + i]!.parts
          assert.equal(part?.type === 'tool_result' && part.id, call.id)
        })
      })
      const least = messages.filter((message) => message.role !== 'tool' && message !== asked).length <= 1
      assert.ok(tokens <= room || least, `${tokens} of ${room}`)
    }),
  )
})

test('more room never keeps fewer messages of those that need no shortening', async () => {
  await fc.assert(
    fc.asyncProperty(conversation, fc.integer({ min: 50, max: 2_000 }), fc.nat(2_000), async (items, room, more) => {
      const small = await fitConversation(items, room, createMessageCounter(count))
      const large = await fitConversation(items, room + more, createMessageCounter(count))
      assert.ok(large.messages.length >= small.messages.length)
    }),
  )
})

test('a conversation whose bytes fit is not counted at all', async () => {
  const items = [conversationItem('u' as CallId, userMessage('hello'))]
  const { tokens } = await fitConversation(
    items,
    1_000,
    createMessageCounter(() => assert.fail('counted')),
  )
  assert.equal(tokens, 5 + 8)
})

test('a long conversation is counted from the new end and only as far as the room reaches', async () => {
  const items = Array.from({ length: 1_000 }, (_, i) => conversationItem(`u${i}` as CallId, userMessage('word '.repeat(100))))
  let counted = 0
  const { messages } = await fitConversation(
    items,
    2_000,
    createMessageCounter(async (texts) => {
      counted += texts.length
      return count(texts)
    }),
  )
  assert.ok(messages.length > 5 && counted < 40, `${messages.length} kept, ${counted} counted`)
})

test('a picture is counted, of a person or of a tool, though it has no text', async () => {
  const picture = { type: 'media', mediaType: 'image/png', name: 'a.png', data: 'A'.repeat(100_000) } as const
  const shown: Message = {
    role: 'tool',
    parts: [{ type: 'tool_result', id: 't', name: 'x', ok: true, text: '', media: [picture, picture] }],
  }
  const counter = createMessageCounter(count)
  await counter.count([{ role: 'user', parts: [picture] }, shown])
  assert.equal(counter.tokensOf(shown), 2 * mediaTokens + 1)
  const { dropped } = await fitConversation(
    [conversationItem('u' as CallId, { role: 'user', parts: [picture] }), conversationItem('v' as CallId, userMessage('and this?'))],
    1_000,
    counter,
  )
  assert.equal(dropped, 1)
})

void test('pictures that have given their place to newer ones count for nothing', async () => {
  const file = { name: 'a.png', media_type: 'image/png', bytes: 10, pieces: ['0'.repeat(64)] }
  const items = [conversationItem('u' as CallId, userMessage('look')), ...steps(40)]
  function steps(many: number): ConversationItem[] {
    return Array.from({ length: many }, (_, i) => `g${i}` as CallId).flatMap((call) => [
      conversationItem(call, { role: 'assistant', parts: [{ type: 'tool_call', id: 't', name: 'look', arguments: '{}' }] }),
      toolResult(toolCallId(call, 0), { id: 't', name: 'look' }, { ok: true, text: 'seen', files: [file] }),
    ])
  }
  const room = 9 * mediaTokens
  const { messages, dropped, tokens } = await fitConversation(items, room, createMessageCounter(count))
  assert.deepEqual([messages.length, dropped], [81, 0])
  assert.ok(tokens > 8 * mediaTokens && tokens <= room, String(tokens))
})

const deps: RuntimeDeps = {
  facts: plainFacts({ name: 'm', provider: 'scripted', contextTokens: 100_000, maxOutputTokens: 1_000, price: null }),
  toolTokens: 0,
  counter: createMessageCounter(async (texts) => texts.map((text) => Math.ceil(text.length / 4))),
  maxTurns: 10,
  providers: [],
  evaluators: [],
}
const usage = { inputTokens: 1, outputTokens: 1, estimated: false }
const answers = (parts: AssistantMessage['parts']): CallOutcome => ok({ message: { role: 'assistant', parts }, finish: 'stop', usage })
const says = (text: string): CallOutcome => answers([{ type: 'text', text }])
const overflows = (message = 'maximum context length is 8192 tokens'): CallOutcome => ({
  status: 'failed',
  failure: { code: 'context_overflow', message, hint: 'endpoint hint' },
  text: '',
})
const talk = (n: number, words: number): ConversationItem[] =>
  Array.from({ length: n }, (_, i) => conversationItem(`u${i}` as CallId, userMessage('word '.repeat(words))))
const asking = (args: string): AssistantMessage => ({
  role: 'assistant',
  parts: [{ type: 'tool_call', id: 't', name: 'write_a', arguments: args }],
})
const result = (text: string): Message => ({ role: 'tool', parts: [{ type: 'tool_result', id: 't', name: 'write_a', ok: true, text }] })

async function run(
  items: readonly ConversationItem[],
  steps: readonly CallOutcome[],
): Promise<{ ended: TurnResult; process: FakeProcess }> {
  const left = [...steps]
  const process = createFakeProcess({
    conversation: () => ok({ items }),
    'model.generate': () => left.shift() ?? says('out of script'),
    write_a: () => ok(null, 'written'),
  })
  return { ended: await runTurn(process, deps), process }
}
const asks = (process: FakeProcess) =>
  process.made
    .filter(({ name }) => name === 'model.generate')
    .map(({ input, id }) => ({ ...(input as { readonly messages: readonly Message[]; readonly inputTokens: number }), id }))

async function exactTokens(messages: readonly Message[]): Promise<number> {
  await deps.counter.count(messages)
  return tokensOfAll(messages, deps.counter)
}

test('a conversation that the endpoint finds too long is sent once more, in 60 % of its tokens', async () => {
  const { ended, process } = await run(talk(50, 100), [overflows(), says('hi')])
  assert.deepEqual([ended.status, ended.reply, ended.steps], ['ok', 'hi', 1])
  const [first, second] = asks(process)
  assert.equal(first?.messages.length, 50)
  const [sent, again] = [await exactTokens(first.messages), await exactTokens(second?.messages ?? [])]
  assert.ok(again <= sent * 0.6 && again > sent * 0.5, `${again} of ${sent}`)
  assert.deepEqual(second?.messages, first.messages.slice(-second!.messages.length))
  assert.notEqual(second?.id, first.id)
})

test('one step that fills the window is shortened when the endpoint says so', async () => {
  const step = [conversationItem('g' as CallId, asking('x'.repeat(50_000))), conversationItem(toolCallId('g' as CallId, 0), result('done'))]
  const asked = conversationItem('u' as CallId, userMessage('write it'))
  const { ended, process } = await run([asked, ...step], [overflows(), says('hi')])
  assert.equal(ended.reply, 'hi')
  const second = asks(process)[1]?.messages
  assert.deepEqual([second?.length, second?.[0], second?.[2]], [3, asked.message, step[1]?.message])
  assert.match(JSON.stringify(second?.[1]), /shortened/)
})

test('a second overflow of one step ends the turn as a limit that says what to do', async () => {
  const { ended, process } = await run(talk(50, 100), [overflows('first'), overflows('second')])
  assert.deepEqual([ended.status, ended.failure?.code, asks(process).length], ['limit', 'context_overflow', 2])
  assert.match(ended.failure?.message ?? '', /also after it was shortened\. second/)
  assert.match((ended.failure as Failure).hint, /new session.*larger window/)
})

test('every step may be shortened once, and what one has learned holds for the next', async () => {
  const calls = answers(asking('{}').parts)
  const { ended, process } = await run(talk(50, 100), [overflows(), calls, overflows(), calls, says('hi')])
  assert.deepEqual([ended.reply, ended.steps], ['hi', 3])
  const sent = await Promise.all(asks(process).map(({ messages }) => exactTokens(messages)))
  assert.equal(sent.length, 5)
  assert.ok(
    sent[1]! <= sent[0]! * 0.6 && sent[2]! <= sent[0]! * 0.6 && sent[3]! <= sent[2]! * 0.6 && sent[4]! <= sent[2]! * 0.6,
    sent.join(),
  )
})

test('a message of a person that is too long for the endpoint is not cut: the turn ends and says so', async () => {
  const { ended, process } = await run(talk(1, 1_000), [overflows()])
  assert.deepEqual([ended.status, ended.failure?.code, asks(process).length], ['limit', 'limit_reached', 1])
  assert.match(ended.failure?.message ?? '', /newest message alone takes \d+ tokens; the model has room for \d+/)
})

test('parts without text that a wire wants back go through a turn unchanged', async () => {
  const sealed = { wire: 'w', model: 'm', data: { signature: 'S' } }
  const parts: AssistantMessage['parts'] = [
    { type: 'reasoning', text: '', sealed },
    { type: 'text', text: '', sealed },
    { type: 'tool_call', id: 't', name: 'write_a', arguments: '{}', sealed },
  ]
  const { process } = await run([...talk(50, 100)], [answers(parts), overflows(), says('hi')])
  for (const { messages } of asks(process).slice(1)) assert.deepEqual(messages.at(-2), { role: 'assistant', parts })
  assert.equal(asks(process).length, 3)
})

test('a turn that was cancelled meanwhile does not ask again', async () => {
  const controller = new AbortController()
  const process = createFakeProcess(
    { conversation: () => ok({ items: talk(50, 100) }), 'model.generate': () => (controller.abort('cancelled'), overflows()) },
    controller.signal,
  )
  const ended = await runTurn(process, deps)
  assert.deepEqual([ended.status, asks(process).length], ['cancelled', 1])
})
