/** The control socket with hostile, slow and many clients. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { OxbowError } from '../../base/index.ts'
import { maxControlBytes } from '../../protocol/index.ts'
import { askDaemon } from './control-client.ts'
import { controlFrame, createControlReader } from './control-frames.ts'
import { type ControlServer, openControlServer } from './control-server.ts'
import { maxControlRequests } from './limits.ts'

const folder = mkdtempSync(join(tmpdir(), 'oxbow-control-'))
const path = join(folder, 'a.sock')
let server: ControlServer
const never = new Promise<never>(() => {})
before(async () => {
  server = await openControlServer(
    path,
    async (op, input) => {
      if (op === 'wait') return never
      if (op === 'fail') throw new OxbowError('denied', 'no', { hint: 'ask' })
      if (op === 'large') return 'x'.repeat(maxControlBytes)
      return { op, input }
    },
    assert.ifError,
  )
})
after(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

function client() {
  const socket = connect(path)
  const replies: { id: string; ok: boolean; output?: unknown; failure?: { code: string } }[] = []
  const reader = createControlReader((message) => void replies.push(message as never))
  let wake = (): void => {}
  socket.on('data', (bytes: Buffer) => {
    reader.push(bytes)
    wake()
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  void closed.then(() => wake())
  const reply = async (count: number): Promise<(typeof replies)[number]> => {
    while (replies.length < count && !socket.destroyed) await new Promise<void>((resolve) => (wake = resolve))
    return replies[count - 1] ?? assert.fail('closed without a reply')
  }
  return { socket, replies, closed, reply }
}

/** As a program with good manners. */
async function isServed(): Promise<void> {
  const { socket, reply } = client()
  socket.write(controlFrame({ id: 'me', op: 'echo', input: { a: 1 } }))
  assert.deepEqual(await reply(1), { id: 'me', ok: true, output: { op: 'echo', input: { a: 1 } } })
  socket.destroy()
}

test('messages come whole, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue(), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 }),
      (values, cuts) => {
        const bytes = Buffer.concat(values.map((value) => controlFrame({ value })))
        const found: unknown[] = []
        const reader = createControlReader((message) => void found.push(message))
        let at = 0
        for (const cut of [...cuts, bytes.length]) {
          assert.equal(reader.push(bytes.subarray(at, at + cut)), null)
          at += cut
        }
        assert.deepEqual(found, JSON.parse(JSON.stringify(values.map((value) => ({ value })))))
        assert.equal(reader.isAmid(), false)
      },
    ),
  )
})

test('random bytes, lengths that lie and text that is no request end their connection and no other', async () => {
  const length = (bytes: number): Buffer => Buffer.from(Uint32Array.of(bytes).buffer).swap32()
  const odd = [
    length(0),
    length(0xff_ff_ff_ff),
    length(maxControlBytes + 1),
    Buffer.concat([length(4), Buffer.from('nope')]),
    ...[null, 7, [], {}, { id: 1, op: 'x' }, { id: '', op: 'x' }, { id: 'a', op: 'b', more: 1 }, { id: 'a', op: 'b', input: [] }].map(
      (value) => {
        const text = Buffer.from(JSON.stringify(value))
        return Buffer.concat([length(text.length), text])
      },
    ),
    ...fc
      .sample(fc.uint8Array({ minLength: 64, maxLength: 2_000 }), 60)
      .map((bytes) => Buffer.concat([length(bytes.length), Buffer.from(bytes)])),
  ]
  for (const bytes of odd) {
    const { socket, replies, closed } = client()
    socket.write(bytes)
    await closed
    assert.ok(replies.every(({ ok, failure }) => !ok && failure?.code === 'bad_input'))
  }
  await isServed()
})

test('a failure, an unknown error and a reply that is too long are replies like others', async () => {
  const { socket, replies, reply } = client()
  for (const op of ['fail', 'large']) socket.write(controlFrame({ id: op, op, input: {} }))
  await reply(2)
  assert.deepEqual(
    new Map(replies.map(({ id, failure }) => [id, failure?.code])),
    new Map([
      ['fail', 'denied'],
      ['large', 'limit_reached'],
    ]),
  )
  socket.destroy()
})

test('requests that wait, messages that never end and clients that do not read delay nobody', async () => {
  const waiting = client()
  for (let id = 0; id <= maxControlRequests; id += 1) waiting.socket.write(controlFrame({ id: String(id), op: 'wait', input: {} }))
  assert.equal((await waiting.reply(1)).failure?.code, 'limit_reached')
  const half = client()
  half.socket.write(controlFrame({ id: '1', op: 'echo', input: {} }).subarray(0, 9))
  const deaf = client()
  deaf.socket.pause()
  const long = { id: '1', op: 'echo', input: { text: 'x'.repeat(100_000) } }
  for (let count = 0; count < 200 && !deaf.socket.destroyed; count += 1) deaf.socket.write(controlFrame(long))
  const others: Socket[] = Array.from({ length: 30 }, () => connect(path))
  await isServed()
  for (const socket of [waiting.socket, half.socket, deaf.socket, ...others]) socket.destroy()
})

test('more clients than a socket takes are turned away, and come in when others have gone', async () => {
  const others = Array.from({ length: 80 }, () => client())
  await Promise.race(others.map(({ closed }) => closed))
  for (const { socket } of others) socket.destroy()
  await Promise.all(others.map(({ closed }) => closed))
  for (let tries = 0; ; tries += 1) {
    try {
      await isServed()
      return
    } catch (error) {
      if (tries > 50) throw error
    }
  }
})

test('where nothing listens there is no daemon', async () => {
  assert.equal(await askDaemon(join(folder, 'none.sock'), 'health', {}), null)
})
