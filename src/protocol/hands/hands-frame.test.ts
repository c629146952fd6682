import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import {
  createFrameReader,
  createMessageReader,
  createMessageWriter,
  encodeFrame,
  encodeMessage,
  joinContent,
  maxPayloadBytes,
  splitContent,
} from './hands-frame.ts'

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

  it('transmit the bytes that come with a message unchanged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat(2), fc.integer({ min: 1, max: 100_000 }), (bytes, large, cut) => {
        const content = Buffer.concat([Buffer.alloc(large * maxPayloadBytes, 0xff), bytes])
        const seen: unknown[] = []
        const push = createMessageReader(roomy, { message: (...message) => seen.push(message), cancel: () => assert.fail() })
        for (const piece of pieces(Buffer.concat([...encodeMessage(3, 'text', content)]), [cut])) assert.equal(push(piece), null)
        assert.deepEqual(seen, [[3, 'text', content]])
      }),
      { numRuns: 30 },
    )
    const listener = { message: () => undefined, cancel: () => undefined }
    const late = Buffer.concat([encodeFrame('part', 1, Buffer.from('{')), encodeFrame('data', 1, Buffer.from('x'))])
    assert.match(createMessageReader(roomy, listener)(late) ?? '', /bytes after the text/)
  })

  it('join a body with its bytes only when it says how many they are', () => {
    const content = Buffer.from('abc')
    assert.deepEqual(splitContent({ a: 1, content }), { plain: { a: 1 }, content })
    assert.deepEqual(splitContent({ a: 1, content: 'text' }), { plain: { a: 1, content: 'text' }, content: null })
    assert.deepEqual(joinContent({ a: 1 }, 3, content), { a: 1, content })
    assert.deepEqual(joinContent({ a: 1 }, undefined, Buffer.alloc(0)), { a: 1 })
    for (const [body, said, came] of [
      [{ a: 1 }, 2, content],
      [{ a: 1 }, undefined, content],
      [{ content: 1 }, 3, content],
      [null, 3, content],
      [{ a: 1 }, '3', content],
    ]) {
      assert.equal(joinContent(body, said, came as Buffer), null)
    }
  })

  it('forget what has come of a message that is cancelled', () => {
    const seen: string[] = []
    const push = createMessageReader(
      { messageBytes: 100, pendingBytes: 100 },
      { message: (id, text) => seen.push(`${id} ${text}`), cancel: (id, begun) => seen.push(`${id} ${begun}`) },
    )
    const half = encodeFrame('data', 1, Buffer.alloc(90))
    const cancel = encodeFrame('cancel', 1, new Uint8Array())
    assert.equal(push(Buffer.concat([half, cancel, half, cancel, cancel, ...encodeMessage(1, 'x')])), null)
    assert.deepEqual(seen, ['1 true', '1 true', '1 false', '1 x'])
  })

  it('go at the pace of the reader: one large message after another, small ones between, nothing that is not wanted', async () => {
    const sink = createSlowSink()
    const writer = createMessageWriter(sink)
    // With the text behind it 24 frames, which go eight at a time.
    const content = Buffer.alloc(23 * maxPayloadBytes)
    let wanted = true
    const first = writer.send(1, 'a', content)
    const second = writer.send(2, 'b', content)
    const third = writer.send(3, 'c', content, () => wanted)
    const fourth = writer.send(4, 'd', content, () => false)
    assert.equal(await writer.send(9, 'small', null), 'all')
    await sink.drain(0)
    assert.deepEqual(sink.ids, [9, ...eight(1)])
    await sink.drain(2)
    assert.equal(await first, 'all')
    await sink.drain(2)
    assert.equal(await second, 'all')
    assert.deepEqual(sink.ids, [9, ...eight(1, 1, 1, 2, 2, 2, 3)])
    wanted = false
    await sink.drain(1)
    assert.deepEqual([await third, await fourth], ['some', 'none'])
    sink.destroy()
    assert.equal(await writer.send(5, 'e', content), 'none')
  })

  it('are held by what they bring, however small the pieces and however many the messages', () => {
    const push = createMessageReader(
      { messageBytes: 1_000_000, pendingBytes: 1_000_000 },
      { message: () => assert.fail(), cancel: () => assert.fail() },
    )
    const single = encodeFrame('data', 1, Buffer.from('x'))
    const before = heldBytes()
    const thousand = Buffer.concat(Array.from({ length: 1_000 }, () => single))
    for (let i = 0; i < 900; i += 1) assert.equal(push(thousand), null)
    const grown = heldBytes() - before
    assert.equal(push(encodeFrame('data', 1, Buffer.from('x'))), null)
    assert.ok(grown < 30_000_000, `${grown} bytes for 900 000`)
    const many = createMessageReader(roomy, { message: () => undefined, cancel: () => undefined })
    const problems = Array.from({ length: 300 }, (_, i) => many(encodeFrame('part', i, Buffer.from('x'))))
    assert.match(problems.at(-1) ?? '', /unfinished messages/)
  })
})

/** What is in use, without what only waits to be collected. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function eight(...ids: number[]): number[] {
  return ids.flatMap((id) => Array.from({ length: 8 }, () => id))
}

/** A stream that is full after every frame, until it is drained. */
function createSlowSink() {
  const ids: number[] = []
  const listeners: (() => void)[] = []
  const sink = {
    ids,
    writableNeedDrain: false,
    destroyed: false,
    cork: () => undefined,
    uncork: () => undefined,
    /** Heads come alone, or before the payload of a small message. */
    write(bytes: Uint8Array): boolean {
      const isHead = bytes.length >= 9 && Buffer.from(bytes).readUInt32BE(0) <= 5 + maxPayloadBytes && bytes[4]! > 0
      if (isHead) ids.push(Buffer.from(bytes).readUInt32BE(5))
      sink.writableNeedDrain = true
      return false
    },
    on: (_event: 'drain' | 'close', listener: () => void) => void listeners.push(listener),
    async drain(times: number): Promise<void> {
      for (let i = 0; i <= times; i += 1) {
        // Everything that can run now has run when the next turn of the loop begins.
        await new Promise((resolve) => setImmediate(resolve))
        if (i === times) return
        sink.writableNeedDrain = false
        for (const listener of listeners) listener()
      }
    },
    destroy(): void {
      sink.destroyed = true
      for (const listener of listeners) listener()
    },
  }
  return sink
}
