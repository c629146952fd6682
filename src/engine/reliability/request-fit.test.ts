import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { MediaPart, Message } from '../../protocol/index.ts'
import { requestOf } from '../model-contract.ts'
import { facts } from './chain-fixture.ts'
import { outputRoom } from './route.ts'

const room = (contextTokens: number, messages: readonly Message[], maxOutputTokens = 4_000): number | null =>
  outputRoom(requestOf('', { messages, system: '', maxOutputTokens }), { ...facts, contextTokens, maxOutputTokens: 8_000 })

const text = (chars: number, letter = 'x'): Message => ({ role: 'user', parts: [{ type: 'text', text: letter.repeat(chars) }] })
const picture: MediaPart = { type: 'media', mediaType: 'image/png', name: '', data: 'A'.repeat(1_000_000) }

void describe('the room for an answer in a fallback’s window', () => {
  void it('is all that was asked for, what the request leaves, or null when too little is left', () => {
    assert.deepEqual([room(10_000, [text(4_000)]), room(3_000, [text(4_000)]), room(2_000, [text(4_000)])], [4_000, 2_000, null])
  })

  void it('may be small when no more was asked for', () => {
    assert.equal(room(1_100, [text(4_000)], 100), 100)
  })

  void it('counts scripts by their bytes, calls, results and tools by their text, and pictures by a guess, not by their data', () => {
    assert.equal(room(3_000, [text(4_000, '語')]), null)
    const call: Message = { role: 'assistant', parts: [{ type: 'tool_call', id: '', name: '', arguments: 'x'.repeat(8_000) }] }
    const result = (media: readonly MediaPart[]): Message => ({
      role: 'tool',
      parts: [{ type: 'tool_result', id: '', name: '', ok: true, text: 'x'.repeat(4_000), media }],
    })
    assert.equal(room(5_000, [call, result([])]), 2_000)
    assert.equal(room(7_000, [call, result([picture])]), 2_000)
    assert.equal(room(4_000, [{ role: 'user', parts: [picture] }]), 2_000)
    const tool = { name: '', description: 'x'.repeat(4_000), parameters: { type: 'x'.repeat(3_989) } }
    assert.equal(
      outputRoom(requestOf('', { system: '', tools: [tool], maxOutputTokens: 4_000 }), {
        ...facts,
        contextTokens: 4_000,
        maxOutputTokens: 8_000,
      }),
      2_000,
    )
  })

  void it('never is more than the request, the model or the window allows', () => {
    const counts = fc.integer({ min: 1, max: 20_000 })
    fc.assert(
      fc.property(counts, counts, counts, counts, (contextTokens, maxOutputTokens, asked, chars) => {
        const request = requestOf('', { messages: [text(chars)], system: '', maxOutputTokens: asked })
        const found = outputRoom(request, { ...facts, contextTokens, maxOutputTokens })
        assert.ok(found === null || (found > 0 && found <= Math.min(asked, maxOutputTokens, contextTokens - chars / 4)))
      }),
    )
  })
})
