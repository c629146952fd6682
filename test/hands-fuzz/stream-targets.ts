/** Both ends of the protocol as they run: hands that are fed garbage, and a kernel that hands feed with garbage. */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { serve } from '../../src/hands/serve.ts'
import { connectHands } from '../../src/sandbox/hands/hands-connection.ts'
import { createMessageReader, encodeFrame, encodeMessage } from '../../src/protocol/hands/hands-frame.ts'
import type { FuzzTarget } from './fuzz-targets.ts'

/** Nothing that is fed takes long; what has not ended by then hangs. */
const hangMs = 20_000

async function within<Value>(what: string, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), hangMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

const request = (id: number, op: string, input: object, content?: Buffer): Buffer =>
  Buffer.concat([...encodeMessage(id, JSON.stringify({ op, input, ...(content !== undefined && { bytes: content.length }) }), content)])

/** @param folder holds what stands for /shared and /tmp */
function servedHands(folder: string): FuzzTarget {
  const roots = ['shared', 'tmp'].map((name) => ({ virtual: `/${name}`, real: join(folder, name) }))
  const piece = { path: '/shared/p', upload: 'u', offset: 0, last: true, overwrite: true }
  return {
    name: 'hands that are served',
    files: ['src/hands/serve.ts', 'src/protocol/hands/hands-frame.ts'],
    seeds: [
      request(1, 'stat', { path: '/shared' }),
      request(2, 'write', { path: '/shared/a', text: 'x' }),
      request(3, 'put', piece, Buffer.from('abc')),
      request(4, 'read', { path: '/shared/a', fromLine: 1, maxLines: 10, maxBytes: 100 }),
      request(5, 'list', { path: '/shared', depth: 1, glob: '', all: false, skip: 0, maxEntries: 10 }),
      Buffer.concat([request(6, 'bytes', { path: '/shared/a', offset: 0, maxBytes: 9 }), encodeFrame('cancel', 6, new Uint8Array())]),
      request(7, 'unpack', { ...piece, transfer: 't' }, Buffer.alloc(1_024)),
      request(8, 'shutdown', {}),
    ],
    words: ['"op":', '"stat"', '"exec"', '"constructor"', '"path":"/shared"', '"bytes":3', 'null', '1e9', '-1', '"/etc/passwd"'].map(
      (word) => Buffer.from(word),
    ),
    async run(input) {
      const [toHands, fromHands] = [new PassThrough(), new PassThrough()]
      const problems: (string | null)[] = []
      const push = createMessageReader(
        { messageBytes: 40_000_000, pendingBytes: 40_000_000 },
        { message: (_id, text) => void JSON.parse(text), cancel: () => assert.fail('only the kernel cancels') },
      )
      fromHands.on('data', (bytes: Buffer) => problems.push(push(bytes)))
      toHands.end(input)
      await within(
        'serve',
        serve(toHands, fromHands, { roots }).catch((error: unknown) => assert.ok(error instanceof Error)),
      )
      assert.ok(
        problems.every((problem) => problem === null),
        'what hands say are frames',
      )
    },
  }
}

const reply = (id: number, body: object, content?: Buffer): Buffer => Buffer.concat([...encodeMessage(id, JSON.stringify(body), content)])
const greeting = reply(0, {})

const connectedKernel: FuzzTarget = {
  name: 'the kernel that is connected',
  files: ['src/sandbox/hands/hands-connection.ts', 'src/sandbox/hands/hands-reply.ts', 'src/protocol/hands/hands-frame.ts'],
  seeds: [
    Buffer.concat([
      greeting,
      reply(1, { ok: { bytes: 1, created: true, hash: '', was: '' } }),
      reply(2, { ok: { offset: 0, totalBytes: 3 }, bytes: 3 }, Buffer.from('abc')),
    ]),
    Buffer.concat([greeting, reply(2, { failure: { code: 'not_found', message: 'm', hint: 'h' } })]),
    Buffer.concat([greeting, reply(1, { failure: { code: 'sandbox_failed', message: 'm', hint: 'h' } })]),
  ],
  words: [greeting, encodeFrame('cancel', 1, new Uint8Array()), reply(1, { ok: {} }), Buffer.from('"ok"'), Buffer.from('"bytes":')],
  async run(input) {
    const [toHands, fromHands] = [new PassThrough(), new PassThrough()]
    toHands.resume()
    let kills = 0
    const hands = connectHands(toHands, fromHands, () => {
      kills += 1
      return Promise.resolve()
    })
    const calm = { signal: new AbortController().signal, timeoutMs: hangMs }
    const asked = [
      hands.ask('write', { path: '/shared/a', text: 'x' }, calm),
      hands.ask('bytes', { path: '/shared/a', offset: 0, maxBytes: 3 }, calm),
    ]
    fromHands.end(input)
    const settled = await within('a request', Promise.allSettled(asked))
    for (const each of settled) assert.ok(each.status === 'fulfilled' || each.reason instanceof Error)
    await within('the end', new Promise<void>((resolve) => (fromHands.destroyed ? resolve() : fromHands.once('close', resolve))))
    assert.equal(hands.isOpen(), false)
    assert.ok(kills <= 1)
  },
}

/** @param top an empty folder, for what hands write; whoever made it removes it */
export async function streamTargets(top: string): Promise<readonly FuzzTarget[]> {
  for (const name of ['shared', 'tmp']) await mkdir(join(top, name), { recursive: true })
  return [servedHands(top), connectedKernel]
}
