/** The law of what is sealed: an answer that was read and kept is given back as the service gave it. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import type { AssistantMessage, ModelEvent } from '../../protocol/index.ts'
import { userMessage } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { requestOf } from '../model-contract.ts'
import { factsOf, messageSse, type MockBlock } from './fake-anthropic.ts'
import { createMessageReader } from './message-answer.ts'
import { createMessageWriter } from './anthropic-wire.ts'

type Part = AssistantMessage['parts'][number]

/** The message that a turn keeps of these events. */
function messageOf(events: readonly ModelEvent[]): AssistantMessage {
  const parts: Part[] = []
  for (const event of events) {
    if (event.type === 'tool_call') parts.push(event.call)
    if (event.type !== 'text' && event.type !== 'reasoning') continue
    const last = parts.at(-1)
    const seal = event.sealed === undefined ? {} : { sealed: event.sealed }
    const joins = last !== undefined && last.type === event.type && last.sealed === undefined
    const text = joins ? last.text + event.text : event.text
    parts.splice(joins ? -1 : parts.length, joins ? 1 : 0, { type: event.type, text, ...seal })
  }
  return { role: 'assistant', parts }
}

const thinking: fc.Arbitrary<MockBlock> = fc.oneof(
  fc.record({ thinking: fc.string({ unit: 'grapheme' }), signature: fc.base64String({ minLength: 4 }) }),
  fc.record({ redacted: fc.base64String({ minLength: 4 }) }),
)
const call: fc.Arbitrary<MockBlock> = fc.record({
  id: fc.uuid().map((id) => `toolu_${id}`),
  name: fc.stringMatching(/^[a-z_]{1,10}$/),
  input: fc.dictionary(fc.string(), fc.jsonValue()).map((input) => JSON.stringify(input)),
})
const text: fc.Arbitrary<MockBlock> = fc.string({ unit: 'grapheme' }).map((words) => ({ text: `.${words}` }))
const some = (block: fc.Arbitrary<MockBlock>, minLength: number): fc.Arbitrary<MockBlock[]> => fc.array(block, { minLength, maxLength: 2 })

/** Thinking, words, calls, and thinking between calls: all orders in which a model answers. */
const anyAnswer: fc.Arbitrary<MockBlock[]> = fc
  .tuple(
    some(thinking, 0),
    fc.array(text, { maxLength: 1 }),
    fc.array(fc.tuple(some(call, 1), some(thinking, 1)), { maxLength: 2 }),
    some(call, 1),
  )
  .map((groups) => groups.flat(3))

function sentBlock(block: MockBlock): object {
  if ('redacted' in block) return { type: 'redacted_thinking', data: block.redacted }
  if ('thinking' in block) return { type: 'thinking', ...block }
  return 'text' in block ? { type: 'text', ...block } : { type: 'tool_use', ...block, input: JSON.parse(block.input) as object }
}

void it('an answer is given back block by block as it came', () => {
  const writer = createMessageWriter({ facts: factsOf, official: true })
  fc.assert(
    fc.property(anyAnswer, (blocks) => {
      const reader = createMessageReader({ limits: modelLimits, origin: '', key: '', model: 'claude-opus-4-6', requestChars: 0 })
      const events: ModelEvent[] = []
      reader.feed(messageSse({ blocks }), events)
      assert.equal(reader.problem(null), null)
      events.push(...reader.finish())
      const request = requestOf('', { model: 'claude-opus-4-6', messages: [userMessage('x'), messageOf(events)] })
      const { messages } = JSON.parse(writer.write(request).join('')) as { messages: { content: object[] }[] }
      assert.deepEqual(messages[1]?.content, JSON.parse(JSON.stringify(blocks.map(sentBlock))))
    }),
  )
})
