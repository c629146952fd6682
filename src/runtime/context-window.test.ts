import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type CallId,
  type ConversationItem,
  conversationItem,
  type Message,
  toolCallId,
  toolCallsOf,
  toolResult,
  userMessage,
} from '../types/index.ts'
import { createMessageCounter, fitConversation } from './context-window.ts'
import { mediaTokens } from './limits.ts'

const count = async (texts: readonly string[]): Promise<number[]> => texts.map((text) => Math.ceil(text.length / 3))

/** A user message, or a generation of up to three calls with the results that exist, which need not be those of the first. */
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
