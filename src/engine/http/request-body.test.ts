import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { bytesOf, createBodyEncoder, requestBody } from './request-body.ts'

const tools = Buffer.from(',"tools":[]')
const bodyOf = (messages: readonly string[], head = JSON.stringify({ model: 'm' })) =>
  requestBody(head, tools, { name: 'messages', values: messages.map((content) => JSON.stringify({ content })) })

void describe('the encoder of bodies', () => {
  void it('gives the bytes of each body, whatever was encoded before it', () => {
    const message = fc.oneof(fc.string(), fc.constantFrom('Grüße', '😀', ']}', '"}]}', ''))
    const list = fc.array(message, { maxLength: 6 })
    const step = fc.record({ key: fc.constantFrom('a', 'b', undefined), keep: fc.nat(12), more: list })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const encode = createBodyEncoder()
        let messages: readonly string[] = []
        for (const { key, keep, more } of steps) {
          messages = [...messages.slice(0, keep), ...more]
          const body = bodyOf(messages)
          assert.deepEqual(Buffer.concat(encode(body, key)), Buffer.concat(bytesOf(body)))
        }
      }),
    )
  })

  void it('encodes of a growing conversation only what is new, in few pieces', () => {
    const encode = createBodyEncoder()
    const messages: string[] = []
    let before: readonly Buffer[] = []
    let fresh = 0
    for (let turn = 0; turn < 500; turn += 1) {
      messages.push(`message ${turn}, `.repeat(10))
      const pieces = encode(bodyOf(messages), 'a')
      fresh += pieces.filter((piece) => !before.includes(piece)).reduce((sum, { length }) => sum + length, 0)
      assert.ok(pieces.length < 20, `${pieces.length} pieces`)
      before = pieces
    }
    const whole = before.reduce((sum, { length }) => sum + length, 0)
    assert.ok(fresh < 12 * whole, `${fresh} bytes were made for a body of ${whole}`)
  })

  void it('encodes a conversation that was shortened, or has another system prompt, anew', () => {
    const encode = createBodyEncoder()
    for (const messages of [['one', 'two', 'three'], ['two', 'three'], ['three']]) {
      assert.deepEqual(JSON.parse(Buffer.concat(encode(bodyOf(messages), 'a')).toString()), {
        model: 'm',
        tools: [],
        messages: messages.map((content) => ({ content })),
      })
    }
  })
})
