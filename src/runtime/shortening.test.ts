import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { CallId } from '../base/index.ts'
import {
  type AssistantMessage,
  type ConversationItem,
  conversationItem,
  type Message,
  type Sealed,
  textOf,
  toolCallId,
  toolCallsOf,
  type ToolMessage,
  userMessage,
} from '../protocol/index.ts'
import { minArgumentBytes, minResultBytes } from './limits.ts'
import { createShortener } from './shortening.ts'
import { createMessageCounter, fitConversation, type MessageCounter, tokensOfAll } from './window.ts'
import { scaled } from '../../test/support/scale.ts'

const count = async (texts: readonly string[]): Promise<number[]> => texts.map((text) => Math.ceil(Buffer.byteLength(text) / 3))
const seal: Sealed = { wire: 'w', model: 'm', data: { signature: 'S' } }
const call = (id: string, text: string): AssistantMessage['parts'][number] => ({
  type: 'tool_call',
  id,
  name: 'x',
  arguments: text,
  sealed: seal,
})
const result = (id: string, text: string): ToolMessage => ({
  role: 'tool',
  parts: [{ type: 'tool_result', id, name: 'x', ok: true, text }],
})
const itemsOf = (messages: readonly Message[]): ConversationItem[] =>
  messages.map((message, i) => {
    const generation = messages.findLastIndex(({ role }, at) => at < i && role === 'assistant')
    return conversationItem(
      message.role === 'tool' ? toolCallId(`m${generation}` as CallId, i - generation - 1) : (`m${i}` as CallId),
      message,
    )
  })
const argumentsOf = (message: Message | undefined): string =>
  message?.role === 'assistant' ? (toolCallsOf(message)[0]?.arguments ?? '') : ''
const floor = { argumentBytes: minArgumentBytes, resultBytes: minResultBytes }

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc
    .tuple(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 1_500 }))
    .map(([text, n]) => text.repeat(n)),
)
const step = fc
  .tuple(fc.string({ maxLength: 40 }), fc.array(fc.tuple(anyText, anyText), { minLength: 1, maxLength: 3 }))
  .map(([thought, calls]): Message[] => [
    { role: 'assistant', parts: [{ type: 'reasoning', text: thought, sealed: seal }, ...calls.map(([args], i) => call(`t${i}`, args))] },
    ...calls.map(([, text], i) => result(`t${i}`, text)),
  ])
const group = fc.oneof(
  step,
  fc.string({ maxLength: 200 }).map((text): Message[] => [userMessage(text)]),
)
const conversation = fc
  .array(group, { minLength: 1, maxLength: 6 })
  .map((groups) =>
    groups.flatMap((messages, g) =>
      messages.map((message, i) => conversationItem(i === 0 ? (`g${g}` as CallId) : toolCallId(`g${g}` as CallId, i - 1), message)),
    ),
  )

/** What cannot be cut: the newest message of a person, and the newest step at its shortest. */
async function fixedPart(items: readonly ConversationItem[], counter: MessageCounter): Promise<number> {
  const all = items.map(({ message }) => message)
  const last = all.findLastIndex(({ role }) => role !== 'tool')
  const asked = all.findLast(({ role }) => role === 'user')
  const newest = all.slice(last).map((message) => counter.shorten(message, floor))
  const fixed = asked === undefined || all[last] === asked ? newest : [asked, ...newest]
  await counter.count(fixed)
  return tokensOfAll(fixed, counter)
}

test('a conversation fits whenever what cannot be cut fits, and every message of it is an original or a shorter one in its place', async () => {
  await fc.assert(
    fc.asyncProperty(conversation, fc.integer({ min: 50, max: 12_000 }), async (items, room) => {
      const counter = createMessageCounter(count)
      const { messages, tokens } = await fitConversation(items, room, counter)
      if ((await fixedPart(items, counter)) <= room) assert.ok(tokens <= room, `${tokens} of ${room}`)
      // In their old order, newest last, each matched with what it was made from.
      let at = items.length
      for (const message of messages.toReversed()) {
        const source = items.findLastIndex((item, i) => i < at && sameIn(item.message, message))
        assert.ok(source >= 0, JSON.stringify(message))
        at = source
        assert.ok(conversationItem('' as CallId, message).bytes <= items[source]!.bytes)
      }
      messages.forEach((message, i) => {
        if (message.role !== 'assistant') return
        const ids = toolCallsOf(message).map(({ id }) => id)
        assert.deepEqual(
          messages.slice(i + 1, i + 1 + ids.length).map((each) => each.role === 'tool' && each.parts[0].id),
          ids,
        )
      })
    }),
    { numRuns: scaled(300) },
  )
})

/** Whether `made` is `source` or a shortened form of it: ids, names and all that is no tool text are the same. */
function sameIn(source: Message, made: Message): boolean {
  if (source === made) return true
  if (source.role !== made.role || source.parts.length !== made.parts.length || source.role === 'user') return false
  return source.parts.every((part, i) => {
    const other = made.parts[i]!
    if (part === other) return true
    if (part.type === 'tool_call')
      return other.type === part.type && other.id === part.id && other.name === part.name && other.sealed === undefined
    return part.type === 'tool_result' && other.type === part.type && other.id === part.id && other.ok === part.ok
  })
}

test('a conversation that fits is passed through as the same objects', async () => {
  await fc.assert(
    fc.asyncProperty(conversation, async (items) => {
      const all = items.map(({ message }) => message)
      const counter = createMessageCounter(count)
      await counter.count(all)
      for (const room of [tokensOfAll(all, counter), 10_000_000]) {
        const { messages, dropped } = await fitConversation(items, room, counter)
        assert.ok(messages.length === all.length && messages.every((message, i) => message === all[i]))
        assert.equal(dropped, 0)
      }
    }),
  )
})

test('a message shortened to the same bound is the same object, and arguments stay a JSON object within the bound', () => {
  fc.assert(
    fc.property(anyText, anyText, fc.integer({ min: 0, max: 4 }), (args, text, doubled) => {
      const shorten = createShortener()
      const bounds = { argumentBytes: minArgumentBytes << doubled, resultBytes: minResultBytes << doubled }
      const asking: Message = { role: 'assistant', parts: [call('a', args)] }
      for (const message of [asking, result('a', text)]) {
        const shorter = shorten(message, bounds)
        assert.equal(shorten(message, bounds), shorter)
        assert.equal(shorten(shorter, bounds), shorter)
      }
      const cut = argumentsOf(shorten(asking, bounds))
      const told = shorten(result('a', text), bounds) as ToolMessage
      assert.ok(Buffer.byteLength(cut) <= bounds.argumentBytes && Buffer.byteLength(told.parts[0].text) <= bounds.resultBytes)
      if (cut === args) return
      const { shortened, bytes } = JSON.parse(cut) as { shortened: string; bytes: number }
      assert.equal(bytes, Buffer.byteLength(args))
      const marks = [...shortened.matchAll(/…/g)].map(({ index }) => index)
      assert.ok(marks.some((at) => args.startsWith(shortened.slice(0, at)) && args.endsWith(shortened.slice(at + 1))))
    }),
  )
})

test('a cut does not fall inside a character', () => {
  const shorten = createShortener()
  for (let shift = 0; shift < 8; shift++) {
    const text = 'x'.repeat(shift) + '😀é'.repeat(4_000)
    const asking: Message = { role: 'assistant', parts: [call('a', text)] }
    for (const bound of [600, 601, 602, 603]) {
      const bounds = { argumentBytes: bound, resultBytes: bound }
      assert.ok((JSON.parse(argumentsOf(shorten(asking, bounds))) as { shortened: string }).shortened.isWellFormed())
      assert.match(resultText(shorten(result('a', text), bounds)), /^x*(?:😀é)+😀?\n….*…\né?(?:😀é)+$/u)
    }
  }
})

test('arguments larger than the window are cut before any result, lose their seal, and the rest keeps its own', async () => {
  const marks: AssistantMessage['parts'] = [
    { type: 'reasoning', text: '', sealed: seal },
    { type: 'text', text: '', sealed: seal },
  ]
  const asking: AssistantMessage = {
    role: 'assistant',
    parts: [...marks, call('a', `{"text":"${'é'.repeat(40_000)}"}`), call('b', '{"n":1}')],
  }
  const told = [result('a', 'written '.repeat(700)), result('b', 'R')]
  const { messages, dropped } = await fitConversation(itemsOf([userMessage('write'), asking, ...told]), 8_000, createMessageCounter(count))
  assert.deepEqual([messages.length, dropped], [4, 0])
  const sent = messages[1] as AssistantMessage
  assert.deepEqual(sent.parts.slice(0, 2), marks)
  assert.equal(textOf(sent), '')
  assert.deepEqual(sent.parts[2], { type: 'tool_call', id: 'a', name: 'x', arguments: argumentsOf(sent) })
  assert.match(argumentsOf(sent), /^\{"shortened":"\{\\"text\\":\\"é+…é+\\"\}","bytes":80011\}$/)
  assert.equal(sent.parts[3], asking.parts[3])
  assert.deepEqual(
    messages.slice(2).map((message, i) => message === told[i]),
    [true, true],
  )
})

test('the largest results are cut first, and say how much is missing and how to read it', async () => {
  const id = 'ab'.repeat(32)
  const kept = `${'a'.repeat(8_000)}\n… cut here: Read any part with output_read {"id":"${id}","from_byte":0} …\n${'z'.repeat(8_000)}`
  const small = result('b', 'b'.repeat(3_000))
  const asking: Message = { role: 'assistant', parts: [call('a', '{}'), call('b', '{}'), call('c', '{}')] }
  const items = itemsOf([userMessage('read'), asking, result('a', kept), small, result('c', 'c'.repeat(9_000))])
  const { messages, tokens } = await fitConversation(items, 4_000, createMessageCounter(count))
  assert.ok(tokens <= 4_000)
  assert.equal(messages[3], small)
  assert.match(
    resultText(messages[2]),
    new RegExp(`^a+\\n… 1\\d{4} bytes are omitted here.* output_read \\{"id":"${id}","from_byte":0\\} …\\nz+$`),
  )
  const other = resultText(messages[4])
  const [, head = '', missing, tail = ''] =
    /^(c+)\n… (\d+) bytes are omitted here.* call again for a smaller part …\n(c+)$/.exec(other) ?? []
  assert.equal(head.length + Number(missing) + tail.length, 9_000)
})

function resultText(message: Message | undefined): string {
  return message?.role === 'tool' ? message.parts[0].text : ''
}

test('a large step that has become old is kept shortened, and what was asked stays in front of the steps', async () => {
  const counter = createMessageCounter(count)
  const write = [{ role: 'assistant', parts: [call('a', 'x'.repeat(60_000))] }, result('a', 'ok')] satisfies Message[]
  const next = [{ role: 'assistant', parts: [call('b', '{}')] }, result('b', 'y'.repeat(6_000))] satisfies Message[]
  const asked = userMessage('please '.repeat(300))
  const first = await fitConversation(itemsOf([userMessage('old'), asked, ...write]), 8_000, counter)
  const second = await fitConversation(itemsOf([userMessage('old'), asked, ...write, ...next]), 8_000, counter)
  assert.deepEqual([first.messages.length, second.messages.length], [4, 6])
  assert.equal(second.messages[2], first.messages[2], 'the same object, which wires have written already')

  const read = [{ role: 'assistant', parts: [call('c', '{}')] }, result('c', 'z'.repeat(20_000))] satisfies Message[]
  const third = await fitConversation(itemsOf([asked, ...read, ...next]), 8_000, counter)
  assert.equal(third.messages.length, 5)
  assert.ok(Buffer.byteLength(resultText(third.messages[2])) / 3 <= 8_000 / 4)

  const many = Array.from({ length: 40 }, () => next).flat()
  const { messages } = await fitConversation(itemsOf([asked, ...many]), 8_000, counter)
  assert.equal(messages[0], asked)
  assert.deepEqual([messages[1]?.role, messages.length < 12], ['assistant', true])
})

test('the newest message of a person is never cut', async () => {
  const asked = userMessage('long '.repeat(10_000))
  const { messages, tokens } = await fitConversation(itemsOf([userMessage('old'), asked]), 1_000, createMessageCounter(count))
  assert.ok(messages.length === 1 && messages[0] === asked && tokens > 1_000)
})
