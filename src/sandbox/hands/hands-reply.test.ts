import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HandsOp } from '../../protocol/index.ts'
import { parseReply } from './hands-reply.ts'

describe('a reply of hands', () => {
  const none = Buffer.alloc(0)
  const kind = (op: HandsOp, ok: object) => parseReply(op, JSON.stringify({ ok }), none).kind

  it('is followed by as many bytes as it says, and by none if it says nothing', () => {
    const ok = { offset: 0, totalBytes: 5, modifiedMs: 1.5 }
    const parse = (reply: object, content: string) => parseReply('bytes', JSON.stringify(reply), Buffer.from(content))
    const good = parse({ ok, bytes: 5 }, 'hello')
    assert.ok(good.kind === 'ok' && Buffer.from(good.output.content).toString() === 'hello')
    assert.equal(parse({ ok, bytes: 0 }, '').kind, 'ok')
    const lies: [object, string][] = [
      [{ ok, bytes: 4 }, 'hello'],
      [{ ok }, 'hello'],
      [{ ok }, ''],
      [{ ok, bytes: -1 }, ''],
      [{ ok: { ...ok, content: 'hello' }, bytes: 5 }, 'hello'],
      [{ ok: { ...ok, more: 1 }, bytes: 5 }, 'hello'],
      [{ ok: { ...ok, totalBytes: 1.5 }, bytes: 5 }, 'hello'],
      [{ ok: null, bytes: 5 }, 'hello'],
      [{ failure: { code: 'not_found', message: '', hint: '' } }, 'hello'],
    ]
    for (const [reply, content] of lies) assert.equal(parse(reply, content).kind, 'garbage', JSON.stringify(reply))
    assert.equal(
      parseReply('edit', JSON.stringify({ ok: { replaced: 1, firstLine: 1, hash: '', was: '' }, bytes: 1 }), Buffer.from('x')).kind,
      'garbage',
    )
  })

  it('about a snapshot names only files below its folder', () => {
    const of = (path: string) => kind('snapshot', { snapshot: 's', whole: true, done: true, entries: [{ path, kind: 'file', stamp: '' }] })
    for (const path of ['a', '.hidden/b c', '...', 'a..b/c\\d', '.git/config']) assert.equal(of(path), 'ok', path)
    for (const path of ['', '.', '..', '../state/x', 'a/../../b', '/etc/passwd', 'a//b', 'a/', 'a/.', 'a\0b'])
      assert.equal(of(path), 'garbage', path)
  })

  it('about a patch or a move says only what those can do', () => {
    const file = {
      path: '/shared/a',
      from: '',
      change: 'changed',
      added: 1,
      removed: 0,
      hunks: 1,
      shifted: 0,
      hash: '0123456789ab',
      was: '',
    }
    assert.equal(kind('patch', { files: [file] }), 'ok')
    for (const wrong of [{ change: 'lost' }, { added: -1 }, { path: 'x'.repeat(9_000) }, { hash: 'x' }, { more: 1 }]) {
      assert.equal(kind('patch', { files: [{ ...file, ...wrong }] }), 'garbage', JSON.stringify(wrong).slice(0, 40))
    }
    assert.equal(kind('move', { kind: 'file', replaced: true }), 'ok')
    assert.equal(kind('move', { kind: 'other', replaced: true }), 'garbage')
  })

  it('is refused before it is read when it is small to send and large to have; a long text and a long list are not', () => {
    const arrays = `{"ok":{"x":[${'[],'.repeat(10_000_000)}[]]}}`
    const reply = parseReply('stat', arrays, none)
    assert.ok(reply.kind === 'garbage' && reply.problem === 'a reply has too many values')
    for (const open of ['[', '{"a":']) assert.equal(parseReply('stat', open.repeat(5_000_000), none).kind, 'garbage')

    const text = '[,{"\\\n'.repeat(1_000_000)
    assert.equal(
      kind('read', { text, newline: false, fromLine: 1, lines: 1, totalLines: 1, bytes: text.length, truncated: false, hash: '' }),
      'ok',
    )
    const entry = { path: 'a', kind: 'file', bytes: 1, executable: false, modifiedMs: 1, stamp: '1', target: '' }
    assert.equal(kind('survey', { entries: Array.from({ length: 200_000 }, () => entry), truncated: false }), 'ok')
    // A string that never ends holds up nobody.
    assert.equal(parseReply('stat', `"${'\\'.repeat(5_000_000)}`, none).kind, 'garbage')
  })
})
