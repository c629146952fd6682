/** What is fed with garbage, and what must hold whatever comes. A target throws when it does not. */
import assert from 'node:assert/strict'
import { createTarReader, encodeHeader, encodeRecord } from '../../src/tar/index.ts'
import { noArchive } from '../../src/hands/archive/unpack-folder.ts'
import { parseReply } from '../../src/sandbox/hands/hands-reply.ts'
import type { HandsOp } from '../../src/protocol/index.ts'
import { createMessageReader, encodeFrame, encodeMessage } from '../../src/protocol/hands/hands-frame.ts'
import { carrierTarget } from './carrier-target.ts'

export interface FuzzTarget {
  readonly name: string
  /** Whose blocks count, by the end of the file's name. */
  readonly files: readonly string[]
  readonly seeds: readonly Buffer[]
  readonly words: readonly Buffer[]
  /** Longest input; absent: as mutation makes them. */
  readonly maxBytes?: number
  /** @returns the input's outcome, one of a small set of short texts; nothing where only the code that ran tells inputs apart */
  run(input: Buffer): string | void | Promise<void>
}

/** Pieces whose sizes follow from the bytes themselves, so that a case is one buffer. */
function cut(input: Buffer, about = 1): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < input.length;) {
    const size = 1 + (((input[at]! * 7) ^ input.length) % 40) * about
    pieces.push(input.subarray(at, at + size))
    at += size
  }
  return pieces
}

/** Small, so that short inputs pass them: what a case costs follows from its length. */
const bounds = { messageBytes: 300, pendingBytes: 500 }
const maxFrameInput = 800

interface Said {
  readonly id: number
  readonly text: string
  readonly content: string
}

/** Everything that a reader says of the pieces. */
function readMessages(pieces: readonly Buffer[]): { said: Said[]; problem: string | null } {
  const said: Said[] = []
  const push = createMessageReader(bounds, {
    message: (id, text, content) => said.push({ id, text, content: content.toString('latin1') }),
    cancel: (id, begun) => said.push({ id, text: `cancel ${begun}`, content: '' }),
  })
  let problem: string | null = null
  for (const piece of pieces) {
    const next = push(piece)
    assert.ok(problem === null || next === problem, 'a reader that has refused takes nothing more')
    problem = next
  }
  return { said, problem }
}

/** By hand: a hundred times as quick as by `deepEqual`, and no text is made of it. */
function isSame(a: ReturnType<typeof readMessages>, b: ReturnType<typeof readMessages>): boolean {
  if (a.problem !== b.problem || a.said.length !== b.said.length) return false
  return a.said.every((each, i) => {
    const other = b.said[i]!
    return each.id === other.id && each.text === other.text && each.content === other.content
  })
}

const frames: FuzzTarget = {
  name: 'frames and messages',
  maxBytes: maxFrameInput,
  files: ['src/protocol/hands/hands-frame.ts'],
  seeds: [
    Buffer.concat([...encodeMessage(1, '{"ok":{}}')]),
    Buffer.concat([...encodeMessage(2, 'text', Buffer.from('content'))]),
    Buffer.concat([
      encodeFrame('part', 1, Buffer.from('a')),
      encodeFrame('cancel', 1, new Uint8Array()),
      encodeFrame('last', 3, Buffer.from('b')),
    ]),
    Buffer.concat([...encodeMessage(7, 'x'.repeat(280))]),
  ],
  words: [
    encodeFrame('cancel', 1, new Uint8Array()),
    encodeFrame('data', 1, Buffer.from('x')),
    encodeFrame('last', 1, new Uint8Array()),
    encodeFrame('part', 2, Buffer.from('y')),
  ],
  run(input) {
    const whole = readMessages([input])
    const inPieces = readMessages(cut(input))
    assert.ok(isSame(inPieces, whole), 'what is read does not depend on how it comes')
    const bytes = whole.said.reduce((sum, each) => sum + each.content.length, 0)
    assert.ok(bytes <= input.length)
    const cancels = whole.said.filter(({ text }) => text.startsWith('cancel ')).length
    const sizes = [whole.said.length, cancels, bytes].map((size) => Math.ceil(Math.log2(size + 1)))
    return `${(whole.problem ?? 'all read').replaceAll(/\d+/g, 'N')} ${sizes.join(' ')}`
  },
}

const replies: readonly (readonly [HandsOp, object])[] = [
  ['bytes', { ok: { offset: 0, totalBytes: 3 }, bytes: 3 }],
  ['stat', { ok: { kind: 'file', bytes: 1, modifiedMs: 1, executable: false, linkTarget: '', names: 1 } }],
  ['list', { ok: { entries: [{ path: '/shared/a', kind: 'file', bytes: 1 }], truncated: false } }],
  ['exec', { ok: { exitCode: 0, signal: null, timedOut: false, stdout: '', stderr: '', stdoutBytes: 0, stderrBytes: 0, durationMs: 1 } }],
  ['archive', { ok: { done: true, skipped: 0 }, bytes: 0 }],
  ['watch', { ok: { changes: [{ path: '/a', kind: 'missing' }], overflow: false } }],
  ['shutdown', { ok: {} }],
  ['put', { failure: { code: 'not_found', message: 'm', hint: 'h' } }],
]

const reply: FuzzTarget = {
  name: 'replies',
  files: ['src/sandbox/hands/hands-reply.ts', 'src/protocol/hands/hands-frame.ts'],
  // Operation, length of the bytes, bytes, JSON.
  seeds: replies.map(([, body], i) =>
    Buffer.concat([Buffer.from([i, i === 0 ? 3 : 0]), Buffer.from(i === 0 ? 'abc' : ''), Buffer.from(JSON.stringify(body))]),
  ),
  words: [
    '"ok":',
    '"failure":',
    '"bytes":0',
    '"__proto__":{}',
    '"constructor":',
    'null',
    '[]',
    '{}',
    '1e999',
    '-0',
    '"\\ud800"',
    '[[[[',
  ].map((word) => Buffer.from(word)),
  run(input) {
    const [op] = replies[(input[0] ?? 0) % replies.length]!
    const length = (input[1] ?? 0) % 8
    const said = parseReply(op, input.toString('utf8', 2 + length), input.subarray(2, 2 + length))
    assert.ok(['ok', 'failed', 'garbage'].includes(said.kind))
    if (said.kind === 'ok') assert.equal(Object.getPrototypeOf(said.output), Object.prototype)
    if (said.kind === 'failed') assert.ok(said.error.message.length <= 4_000)
    assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  },
}

function header(name: string, flag: string, bytes: number, linkName = ''): Buffer {
  return encodeHeader({ flag, name: Buffer.from(name), linkName: Buffer.from(linkName), mode: 0o644, bytes, modifiedSeconds: 1 })
}

function block(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
}

/** A checksum that a mutation has broken hides all that lies behind it: each header gets the one that fits. */
function mendChecksums(input: Buffer): Buffer {
  const out = Buffer.from(input)
  for (let at = 0; at + 512 <= out.length; at += 512) {
    if (out.toString('latin1', at + 257, at + 262) !== 'ustar') continue
    out.fill(0x20, at + 148, at + 156)
    let sum = 0
    for (let i = at; i < at + 512; i += 1) sum += out[i]!
    out.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1')
  }
  return out
}

function readTar(pieces: readonly Buffer[]): unknown[] {
  const said: unknown[] = []
  const reader = createTarReader(noArchive)
  try {
    for (const piece of pieces) {
      for (const event of reader.push(piece)) {
        const before = said.at(-1)
        if (event.kind !== 'data') said.push(event)
        else if (typeof before === 'string') said[said.length - 1] = before + event.bytes.toString('latin1')
        else said.push(event.bytes.toString('latin1'))
      }
    }
    reader.finish()
  } catch (error) {
    assert.ok(error instanceof Error && 'failure' in error, String(error))
    said.push((error.failure as { message: string }).message)
  }
  return said
}

const record = encodeRecord('path', Buffer.from('long/ü'))
const tar: FuzzTarget = {
  name: 'tar archives',
  files: ['src/tar/tar-reader.ts', 'src/tar/tar-header.ts'],
  seeds: [
    Buffer.concat([header('a', '0', 5), block(Buffer.from('hello')), Buffer.alloc(1_024)]),
    Buffer.concat([header('d/', '5', 0), header('l', '2', 0, 'a'), header('h', '1', 0, 'a'), Buffer.alloc(1_024)]),
    Buffer.concat([header('x', 'x', record.length), block(record), header('y', '0', 1), block(Buffer.from('z')), Buffer.alloc(512)]),
    Buffer.concat([
      header('L', 'L', 4),
      block(Buffer.from('abc\0')),
      header('g', 'g', record.length),
      block(record),
      header('y', '0', 0),
      Buffer.alloc(512),
    ]),
  ],
  words: [
    header('w', '0', 3),
    header('S', 'S', 0),
    encodeRecord('size', Buffer.from('9')),
    encodeRecord('GNU.sparse.major', Buffer.from('1')),
    Buffer.alloc(512),
    Buffer.from([0x80]),
    Buffer.from('ustar'),
    Buffer.from('777'),
  ],
  run(input) {
    const mended = mendChecksums(input)
    const whole = readTar([mended])
    assert.equal(JSON.stringify(readTar(cut(mended, 13))), JSON.stringify(whole), 'what is read does not depend on how it comes')
    const bytes = whole.reduce((sum: number, each, i) => sum + (typeof each === 'string' && i < whole.length - 1 ? each.length : 0), 0)
    assert.ok(bytes <= input.length)
  },
}

export const fuzzTargets: readonly FuzzTarget[] = [frames, reply, tar, carrierTarget(cut)]
