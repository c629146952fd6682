import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HandsOp } from '../../types/index.ts'
import { parseReply } from './hands-reply.ts'

describe('a reply of hands', () => {
  const kind = (op: HandsOp, ok: object) => parseReply(op, JSON.stringify({ ok })).kind

  it('with bytes holds as many as it says, as base64 and nothing else', () => {
    const range = { base64: 'aGVsbG8=', offset: 0, bytes: 5, totalBytes: 5 }
    assert.equal(kind('bytes', range), 'ok')
    assert.equal(kind('bytes', { ...range, base64: '', bytes: 0 }), 'ok')
    for (const wrong of [
      { base64: 'aGVsbG8' },
      { base64: 'aGVs\nbG8=' },
      { base64: '\u001b[2J' },
      { bytes: 4 },
      { bytes: -1 },
      { totalBytes: 1.5 },
      { more: 1 },
    ]) {
      assert.equal(kind('bytes', { ...range, ...wrong }), 'garbage', JSON.stringify(wrong))
    }
  })

  it('about a patch or a move says only what those can do', () => {
    const file = { path: '/shared/a', from: '', change: 'changed', added: 1, removed: 0, hunks: 1, shifted: 0 }
    assert.equal(kind('patch', { files: [file] }), 'ok')
    for (const wrong of [{ change: 'lost' }, { added: -1 }, { path: 'x'.repeat(9_000) }, { more: 1 }]) {
      assert.equal(kind('patch', { files: [{ ...file, ...wrong }] }), 'garbage', JSON.stringify(wrong).slice(0, 40))
    }
    assert.equal(kind('move', { kind: 'file', replaced: true }), 'ok')
    assert.equal(kind('move', { kind: 'other', replaced: true }), 'garbage')
  })
})
