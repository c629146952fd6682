/** Streams over one port: nothing is lost or mixed up, a reader that stands still holds up nobody, and a stranger breaks nothing. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Duplex, duplexPair } from 'node:stream'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  carryStreams,
  createStreamReader,
  encodeStreamHead,
  leastFrameCost,
  maxStreamPayload,
  type StreamCarrier,
  type StreamFrame,
  type StreamFrameKind,
  streamWindow,
} from './stream-carrier.ts'
import { scaled } from '../../test/support/scale.ts'

interface Pair {
  /** Opens a stream. @returns its two ends, and the connection that was made for it */
  open(): Promise<{ near: Duplex; far: Duplex; made: Duplex }>
  readonly opener: StreamCarrier
  readonly acceptor: StreamCarrier
  readonly broken: string[]
}

function joined({ maxStreams = 8 } = {}): Pair {
  const [one, other] = duplexPair({ highWaterMark: 64 * 1024 })
  const broken: string[] = []
  const waiting: ((ends: { far: Duplex; made: Duplex }) => void)[] = []
  const onBroken = (problem: string): void => void broken.push(problem)
  const opener = carryStreams(one, { maxStreams: 100, onBroken })
  const acceptor = carryStreams(other, {
    maxStreams,
    onBroken,
    accept() {
      const [made, far] = duplexPair()
      waiting.shift()!({ far, made })
      return made
    },
  })
  return {
    opener,
    acceptor,
    broken,
    async open() {
      const accepted = new Promise<{ far: Duplex; made: Duplex }>((resolve) => waiting.push(resolve))
      const [carried, near] = duplexPair()
      opener.open(carried)
      return { near, ...(await accepted) }
    },
  }
}

/** A side that accepts, with a stranger at its port. */
function withStranger(accept: () => Duplex | null = () => duplexPair()[0]): { port: Duplex; acceptor: StreamCarrier; broken: string[] } {
  const [stranger, own] = duplexPair({ highWaterMark: 64 * 1024 })
  const broken: string[] = []
  const acceptor = carryStreams(own, { maxStreams: 4, accept, onBroken: (problem) => broken.push(problem) })
  stranger.on('error', () => undefined)
  return { port: stranger, acceptor, broken }
}

async function allOf(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Long for what takes a few turns. */
async function until(isTrue: () => boolean): Promise<void> {
  for (let turns = 0; !isTrue(); turns += 1) {
    assert.ok(turns < 100_000, 'it never came')
    await turn()
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function frame(kind: StreamFrameKind, stream: number, payload: Buffer | number = 0): Buffer {
  return typeof payload === 'number'
    ? encodeStreamHead(kind, stream, payload)
    : Buffer.concat([encodeStreamHead(kind, stream, payload.length), payload])
}

describe('frames of streams', () => {
  const frames = fc.array(
    fc.oneof(
      fc.tuple(fc.constantFrom<StreamFrameKind>('open', 'end', 'close'), fc.nat(0xffff_ffff), fc.constant(0)),
      fc.tuple(fc.constant<StreamFrameKind>('credit'), fc.nat(0xffff_ffff), fc.integer({ min: 1, max: streamWindow })),
      fc.tuple(
        fc.constant<StreamFrameKind>('data'),
        fc.nat(0xffff_ffff),
        fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      ),
    ),
    { maxLength: 12 },
  )
  it('come through whole, however the bytes arrive', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 4 }), (sent, sizes) => {
        const got: unknown[] = []
        const push = createStreamReader(({ kind, stream, amount, payload }) =>
          got.push([kind, stream, kind === 'data' ? payload.toString('hex') : amount]),
        )
        const bytes = Buffer.concat(sent.map(([kind, stream, what]) => frame(kind, stream, what)))
        for (let at = 0, i = 0; at < bytes.length; i += 1) {
          const size = sizes[i % sizes.length]!
          assert.equal(push(bytes.subarray(at, at + size)), null)
          at += size
        }
        assert.deepEqual(
          got,
          sent.map(([kind, stream, what]) => [kind, stream, typeof what === 'number' ? what : what.toString('hex')]),
        )
      }),
    )
  })

  it('that break the form end it for good, with a reason', () => {
    const broken: readonly (readonly [Buffer, RegExp])[] = [
      [Buffer.alloc(9), /unknown kind/],
      [Buffer.from([6, 0, 0, 0, 1, 0, 0, 0, 0]), /unknown kind/],
      [encodeStreamHead('data', 1, maxStreamPayload + 1), /"data" of 32769/],
      [encodeStreamHead('data', 1, 0), /"data" of 0/],
      [encodeStreamHead('open', 1, 1), /"open" of 1/],
      [encodeStreamHead('credit', 1, 0), /"credit" of 0/],
      [encodeStreamHead('credit', 1, streamWindow + 1), /"credit" of/],
    ]
    for (const [bytes, reason] of broken) {
      const got: StreamFrame[] = []
      const push = createStreamReader((each) => got.push(each))
      assert.match(push(bytes) ?? '', reason)
      assert.match(push(frame('open', 1)) ?? '', reason)
      assert.deepEqual(got, [])
    }
  })
})

describe('connections over one port', () => {
  it('carry every byte both ways, side by side, each end hearing of the other’s', async () => {
    const { open, opener, acceptor, broken } = joined()
    const sizes = [0, 1, 70_000, streamWindow * 3 + 17]
    const done = sizes.map(async (size, i) => {
      const { near, far } = await open()
      const [up, down] = [Buffer.alloc(size, i + 1), Buffer.alloc(size * 2, i + 101)]
      near.end(up)
      assert.ok((await allOf(far)).equals(up))
      // Half of it has ended; the other half goes on.
      far.end(down)
      assert.ok((await allOf(near)).equals(down))
    })
    await Promise.all(done)
    await turn()
    assert.deepEqual([opener.count(), acceptor.count(), broken], [0, 0, []])
  })

  it('hold no more of one that nobody reads than its window, and the others go on', async () => {
    const { open, acceptor } = joined()
    const wedged = await open()
    let sent = 0
    const piece = Buffer.alloc(16_384, 'x')
    const flood = (): void => {
      while (sent < 10_000_000 && wedged.near.write(piece)) sent += piece.length
    }
    wedged.near.on('drain', flood)
    flood()
    for (let i = 0; i < 20; i += 1) {
      const { near, far } = await open()
      near.end(Buffer.alloc(300_000, i))
      assert.equal((await allOf(far)).length, 300_000)
      far.end()
      near.resume()
      await once(near, 'close')
    }
    assert.ok(sent < streamWindow + 1_000_000, `${sent} bytes were taken of a stream that nobody reads`)
    assert.equal(acceptor.count(), 1)
    wedged.far.resume()
    await until(() => sent >= 10_000_000)
  })

  it('share the port in turn: a small answer is not behind a large one', async () => {
    const answers = [Buffer.alloc(2_000_000), Buffer.from('answer')]
    const { port } = withStranger(() => {
      const [carried, far] = duplexPair()
      far.end(answers.shift())
      return carried
    })
    const order: number[] = []
    const push = createStreamReader(({ kind, stream }) => kind === 'data' && order.push(stream))
    port.write(Buffer.concat([frame('open', 1), frame('open', 2)]))
    // Both have something to say before anything of it is read.
    for (let i = 0; i < 10; i += 1) await turn()
    port.on('data', push)
    await until(() => order.includes(2))
    // What stood in the port before it was read, and one piece.
    assert.ok(order.indexOf(2) <= (2 * 64 * 1024) / maxStreamPayload + 1, order.join(' '))
  })

  it('end when the other end is cut, after what was sent before', async () => {
    const { open, opener, acceptor } = joined()
    const { near, far, made } = await open()
    far.write(Buffer.alloc(200_000))
    await until(() => far.writableLength === 0 && made.readableLength === 0)
    made.destroy(new Error('ECONNRESET'))
    await until(() => acceptor.count() === 0)
    await turn()
    assert.equal((await allOf(near)).length, 200_000)
    near.end()
    await until(() => opener.count() + acceptor.count() === 0)
  })

  it('are so many and no more: the next one is closed, and there is room again when one has gone', async () => {
    const { open, opener } = joined({ maxStreams: 2 })
    const [first] = [await open(), await open()]
    const [carried, near] = duplexPair()
    opener.open(carried)
    assert.equal((await allOf(near)).length, 0)
    first.near.end()
    first.far.end()
    for (const end of [first.near, first.far]) end.resume()
    await until(() => opener.count() === 1)
    await open()
  })
})

describe('a stranger at the port', () => {
  const breaks: readonly (readonly [what: string, bytes: Buffer, reason: RegExp])[] = [
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n'), /unknown kind/],
    ['bytes of no stream', frame('data', 1, Buffer.from('x')), /never opened/],
    ['a stream without number', frame('end', 0), /never opened/],
    ['a number again', Buffer.concat([frame('open', 2), frame('open', 2)]), /was there before/],
    ['a number of the past', Buffer.concat([frame('open', 2), frame('open', 1)]), /was there before/],
    ['bytes behind an end', Buffer.concat([frame('open', 1), frame('end', 1), frame('data', 1, Buffer.from('x'))]), /behind the end/],
    ['bytes behind a close', Buffer.concat([frame('open', 1), frame('close', 1), frame('data', 1, Buffer.from('x'))]), /behind the end/],
    ['two ends', Buffer.concat([frame('open', 1), frame('end', 1), frame('end', 1)]), /second end/],
    ['credit for nothing', Buffer.concat([frame('open', 1), frame('credit', 1, 1)]), /credit for what/],
  ]
  for (const [what, bytes, reason] of breaks) {
    it(`that sends ${what} loses all its connections`, async () => {
      const made: Duplex[] = []
      const { port, acceptor, broken } = withStranger(() => {
        const [carried, far] = duplexPair()
        far.on('error', () => undefined)
        made.push(far)
        return carried
      })
      port.write(bytes)
      await until(() => broken.length > 0)
      assert.match(broken.join(), reason)
      // Whatever comes behind is heard by nobody.
      port.write(frame('open', 9))
      await until(() => acceptor.count() === 0)
      await turn()
      assert.equal(broken.length, 1)
      assert.ok(made.length <= 1)
    })
  }

  it('cannot send more than a window to a reader that stands still, in large frames or in small ones', async () => {
    for (const size of [maxStreamPayload, 1]) {
      const stuck = new Duplex({ read: () => undefined, write: () => undefined })
      const { port, broken } = withStranger(() => stuck)
      const payload = Buffer.alloc(size)
      port.write(frame('open', 1))
      const fits = streamWindow / Math.max(size, leastFrameCost)
      for (let i = 0; i < fits; i += 1) port.write(frame('data', 1, payload))
      await until(() => stuck.writableLength >= fits * size)
      assert.deepEqual(broken, [])
      port.write(frame('data', 1, payload))
      await until(() => broken.length > 0)
      assert.match(broken.join(), /window/)
      assert.ok(stuck.destroyed)
    }
  })

  it('that opens streams and reads no answer is read no more, and costs no memory', async () => {
    const [stranger, own] = duplexPair({ highWaterMark: 64 * 1024 })
    const broken: string[] = []
    carryStreams(own, { maxStreams: 0, accept: () => null, onBroken: (problem) => broken.push(problem) })
    let id = 0
    for (let still = 0; still < 50;) {
      const opens = Buffer.concat(Array.from({ length: 1_000 }, () => frame('open', (id += 1))))
      if (stranger.write(opens)) still = 0
      else {
        const before = stranger.writableLength
        await turn()
        if (stranger.writableLength === before) still += 1
        else still = 0
      }
      if (id > 1_000_000) break
    }
    assert.ok(id < 500_000, `${id} streams were answered to somebody who does not listen`)
    assert.ok(own.writableLength < 1_000_000, String(own.writableLength))
    // As soon as it listens it goes on.
    let answers = 0
    stranger.on('data', (bytes: Buffer) => (answers += bytes.length))
    await until(() => answers >= id * 9)
    assert.deepEqual(broken, [])
  })

  it('breaks nothing by whatever it sends, in whatever pieces', async () => {
    const word = fc.oneof(
      fc.tuple(fc.constantFrom<StreamFrameKind>('open', 'end', 'close'), fc.nat(6)).map(([kind, id]) => frame(kind, id)),
      fc.tuple(fc.nat(6), fc.integer({ min: 1, max: streamWindow })).map(([id, amount]) => frame('credit', id, amount)),
      fc.tuple(fc.nat(6), fc.integer({ min: 1, max: maxStreamPayload })).map(([id, size]) => frame('data', id, Buffer.alloc(size, 1))),
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 30 }), fc.integer({ min: 1, max: 70_000 }), fc.boolean(), async (words, size, cut) => {
        const { port, acceptor } = withStranger(() => {
          const [carried, far] = duplexPair()
          far.on('error', () => undefined)
          far.resume().write('answer')
          return carried
        })
        port.resume()
        const bytes = Buffer.concat(words)
        for (let at = 0; at < bytes.length; at += size) {
          port.write(bytes.subarray(at, at + size))
          if (cut) await turn()
        }
        await turn()
        assert.ok(acceptor.count() <= 4)
        port.destroy()
        acceptor.close()
        await until(() => acceptor.count() === 0)
      }),
      { numRuns: scaled(100) },
    )
  })
})
