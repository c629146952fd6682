import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CallId } from '../../base/index.ts'
import { type Message, plainFacts, recalledItem, userMessage } from '../../protocol/index.ts'
import { anthropicWire } from '../anthropic/anthropic-wire.ts'
import { geminiWire } from '../gemini/gemini-wire.ts'
import { bytesOf } from '../http/request-body.ts'
import { requestOf } from '../model-contract.ts'
import { chatWire } from '../openai-chat/chat-wire.ts'
import { responsesWire } from '../openai-responses/responses-wire.ts'
import type { Wire } from '../wire.ts'
import { endsWith, firstDifference, readConversation, readConversationEnd, type Conversation } from './request-match.ts'

const facts = plainFacts({ name: 'm', provider: 'p', contextTokens: 1, maxOutputTokens: 1, price: null })
const tools = [{ name: 'time_now', description: 'Tells the time.', parameters: {} }]

function written(wire: Wire, messages: readonly Message[], system = 'Be kind.'): Buffer {
  const request = { ...requestOf(''), system, messages, tools }
  return Buffer.concat(bytesOf(wire.createWriter({ facts: () => facts, official: false }).write(request)))
}

/** One call of a tool and its result. */
function called(id: string, result: string): readonly Message[] {
  return [
    { role: 'assistant', parts: [{ type: 'tool_call', id, name: 'time_now', arguments: '{}' }] },
    { role: 'tool', parts: [{ type: 'tool_result', id, name: 'time_now', ok: true, text: result }] },
  ]
}

for (const wire of [chatWire, responsesWire, anthropicWire, geminiWire]) {
  const spoken = (messages: readonly Message[], system?: string): Conversation => readConversation(written(wire, messages, system)) ?? []
  const compare = (then: readonly Message[], now: readonly Message[]): string | null =>
    firstDifference(spoken(then), spoken(now))?.where ?? null

  void describe(`requests of the wire ${wire.name}`, () => {
    void it('are the same when ids, and times in results of tools, differ', () => {
      const then = [userMessage('now?'), ...called('call_1', 'Sunday, 2026-11-22T19:17:21+00:00 (UTC), in 12 ms')]
      assert.equal(compare(then, [userMessage('now?'), ...called('call_2', 'Monday, 2026-11-23T07:01:02+00:00 (UTC), in 3 ms')]), null)
      assert.notEqual(compare(then, [userMessage('now?'), ...called('call_1', 'denied')]), null)
    })

    void it('differ by a date in a person’s message, by a word of the system prompt, and by a missing message', () => {
      assert.notEqual(compare([userMessage('what was on 2026-11-01?')], [userMessage('what was on 2026-11-02?')]), null)
      assert.notEqual(firstDifference(spoken([userMessage('x')]), spoken([userMessage('x')], 'Be brief.')), null)
      const longer = [userMessage('x'), ...called('c', 'noon')]
      assert.match(compare(longer, [userMessage('x')]) ?? '', /missing$/)
      assert.match(compare([userMessage('x')], longer) ?? '', /not in the recorded request$/)
    })

    void it('are the same whatever memory recalled', () => {
      const { message } = recalledItem('019aa0f2-0000-7000-8000-00000000abcd' as CallId, 'the person said, 2 minutes ago: x')
      assert.equal(compare([message, userMessage('x')], [userMessage('x')]), null)
      assert.equal(compare([userMessage('x')], [message, userMessage('x')]), null)
    })

    void it('are known by their end where the beginning was erased', () => {
      const body = written(wire, [userMessage('first'), ...called('c', 'noon'), userMessage('last')])
      const rest = readConversationEnd(body.subarray(body.lastIndexOf('noon') - 120)) ?? []
      assert.ok(rest.length > 0)
      assert.equal(endsWith(spoken([userMessage('other'), ...called('c', 'noon'), userMessage('last')]), rest), true)
      assert.equal(endsWith(spoken([userMessage('first'), ...called('c', 'noon'), userMessage('least')]), rest), false)
      assert.equal(endsWith(spoken([userMessage('first')]), []), false)
    })
  })
}
