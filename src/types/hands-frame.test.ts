import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { createFrameReader, createMessageReader, encodeFrame, encodeMessage, maxPayloadBytes } from './hands-frame.ts'

const roomy = { messageBytes: 1_000_000, pendingBytes: 1_000_000 }

/** Cuts bytes into pieces of the given sizes, over and over. */
function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const cut: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length]!
    cut.push(bytes.subarray(at, at + size))
    at += size
  }
  return cut
}

describe('frames between kernel and hands', () => {
  it('bring every message through whole, however the bytes arrive and the messages interleave', () => {
    const messages = fc.array(fc.tuple(fc.string({ unit: 'binary', maxLength: 40 }), fc.nat(2)), { minLength: 1, maxLength: 5 })
    const sizes = fc.array(fc.oneof(fc.integer({ min: 5, max: 20 }), fc.integer({ min: 1, max: 100_000 })), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(messages, sizes, (texts, cuts) => {
        const sent = texts.map(([text, large]) => text.toWellFormed() + 'x'.repeat(large * maxPayloadBytes))
        const streams = sent.map((text, i) => [...encodeMessage(i + 1, text)])
        const frames: Buffer[] = []
        for (let turn = 0; streams.some((stream) => turn < stream.length); turn += 1) {
          frames.push(...streams.flatMap((stream) => stream.slice(turn, turn + 1)))
        }
        const got = new Map<number, string>()
        const push = createMessageReader(roomy, { message: (id, text) => got.set(id, text), cancel: () => assert.fail() })
        for (const piece of pieces(Buffer.concat(frames), cuts)) assert.equal(push(piece), null)
        assert.deepEqual(
          sent.map((_, i) => got.get(i + 1)),
          sent,
        )
      }),
      { numRuns: 20 },
    )
  })

  it('never throw on garbage, and stay refused once they are', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
        const push = createMessageReader({ messageBytes: 100, pendingBytes: 150 }, { message: () => undefined, cancel: () => undefined })
        let refused: string | null = null
        for (const chunk of chunks) {
          const problem = push(Buffer.from(chunk))
          if (refused !== null) assert.equal(problem, refused)
          refused = problem
        }
      }),
    )
  })

  it('refuse a length beyond the limit before they wait for the bytes', () => {
    const head = Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1])
    assert.match(createFrameReader(() => undefined)(head) ?? '', /frame of 4294967295 bytes/)
    assert.match(createFrameReader(() => undefined)(Buffer.from([0, 0, 0, 5, 9, 0, 0, 0, 1])) ?? '', /unknown kind/)
  })

  it('bound a message, all unfinished messages, and parts that bring nothing', () => {
    const listener = { message: () => undefined, cancel: () => undefined }
    const part = (id: number, bytes: number) => encodeFrame('part', id, Buffer.alloc(bytes))
    assert.match(createMessageReader({ messageBytes: 100, pendingBytes: 1_000 }, listener)(part(1, 101)) ?? '', /message over 100/)
    const push = createMessageReader({ messageBytes: 100, pendingBytes: 150 }, listener)
    assert.equal(push(part(1, 90)), null)
    assert.match(push(part(2, 90)) ?? '', /more than 150 bytes/)
    assert.match(createMessageReader(roomy, listener)(part(1, 0)) ?? '', /empty part/)
  })

  it('pass a cancel between the parts of a message', () => {
    const seen: string[] = []
    const push = createMessageReader(roomy, { message: (id) => seen.push(`message ${id}`), cancel: (id) => seen.push(`cancel ${id}`) })
    const nothing = new Uint8Array()
    push(Buffer.concat([encodeFrame('part', 1, Buffer.from('a')), encodeFrame('cancel', 7, nothing), encodeFrame('last', 1, nothing)]))
    assert.deepEqual(seen, ['cancel 7', 'message 1'])
  })
})
