/** Bytes, archives and watches through a real sandbox, while commands run in it. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Hands } from '../../protocol/index.ts'
import { makeWorkbench, type Workbench } from '../sandbox-fixture.ts'
import { refusedWith } from '../sandbox-contract.ts'

const calm = { signal: new AbortController().signal, timeoutMs: 60_000 }
const pieceBytes = 1_000_000

describe('hands in a sandbox', () => {
  let bench: Workbench
  let hands: Hands
  before(async () => {
    bench = await makeWorkbench()
    hands = await bench.sandbox.hands('work')
  })
  after(async () => {
    await bench.sandbox.close()
    await bench.remove()
  })
  const run = async (command: string) => {
    const done = await hands.ask('exec', { command, cwd: '/shared', stdin: '', timeoutMs: 20_000, maxOutputBytes: 10_000 }, calm)
    assert.equal(done.exitCode, 0, done.stderr)
    return done.stdout
  }
  const put = async (path: string, bytes: Buffer): Promise<void> => {
    for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
      const content = bytes.subarray(offset, offset + pieceBytes)
      const last = offset + pieceBytes >= bytes.length
      await hands.ask('put', { path, upload: path, offset, content, last, overwrite: true }, calm)
    }
  }

  it('take many large files at once, and give them back, while small requests go on', async () => {
    const files = Array.from({ length: 4 }, () => randomBytes(5_000_000))
    const writing = Promise.all(files.map((bytes, i) => put(`/shared/big/${i}`, bytes)))
    for (let i = 0; i < 50; i += 1) assert.equal((await hands.ask('stat', { path: '/shared' }, calm)).kind, 'folder')
    await writing
    const back = await Promise.all(
      files.map((_, i) => hands.ask('bytes', { path: `/shared/big/${i}`, offset: 0, maxBytes: 8_000_000 }, calm)),
    )
    for (const [i, { content }] of back.entries()) assert.ok(files[i]!.equals(content))
  })

  it('cancel what is still being sent, and go on', async () => {
    const cancel = new AbortController()
    const piece = { path: '/shared/never', upload: 'n', offset: 0, content: Buffer.alloc(8_000_000), last: true, overwrite: true }
    const sending = hands.ask('put', piece, { ...calm, signal: cancel.signal })
    const waiting = hands.ask('put', { ...piece, upload: 'm' }, { ...calm, signal: cancel.signal })
    cancel.abort()
    await refusedWith('cancelled', sending)
    await refusedWith('cancelled', waiting)
    assert.equal((await hands.ask('stat', { path: '/shared/never' }, calm)).kind, 'missing')
  })

  it('pack a folder that tar unpacks there, and unpack what tar has packed', async () => {
    await run('mkdir -p in/sub && printf one >in/a && printf two >in/sub/b && ln -s a in/l && chmod 700 in/a')
    const { content, done } = await hands.ask('archive', { path: '/shared/in', transfer: 't', offset: 0, maxBytes: pieceBytes }, calm)
    assert.equal(done, true)
    await put('/shared/in.tar', Buffer.from(content))
    assert.equal(await run('mkdir out && tar -xf in.tar -C out && diff -r in out && stat -c %a out/a'), '700\n')
    await run('tar -cf theirs.tar -C in .')
    const theirs = await hands.ask('bytes', { path: '/shared/theirs.tar', offset: 0, maxBytes: pieceBytes }, calm)
    const piece = { path: '/shared/again', transfer: 'u', offset: 0, content: theirs.content, last: true, overwrite: false }
    assert.equal((await hands.ask('unpack', piece, calm)).files, 2)
    assert.equal(await run('diff -r in again && cat again/l'), 'one')
    assert.equal(await readFile(join(bench.root, 'shared/again/sub/b'), 'utf8'), 'two')
  })

  it('tell what a command has changed', async () => {
    await hands.ask('write', { path: '/shared/seen/old', text: '' }, calm)
    const ask = (waitMs: number) => hands.ask('watch', { path: '/shared/seen', watch: 'w', recursive: true, waitMs, maxChanges: 10 }, calm)
    assert.deepEqual(await ask(0), { changes: [], overflow: false })
    const waiting = ask(20_000)
    await run('echo x >>seen/old')
    assert.deepEqual((await waiting).changes, [{ path: '/shared/seen/old', kind: 'file' }])
  })

  it('keep hooks and settings of a repository that came later from file calls', async () => {
    await run('mkdir -p later && cd later && git init -q . && git config user.name a')
    await refusedWith('path_refused', hands.ask('write', { path: '/shared/later/.git/hooks/pre-commit', text: 'x' }, calm))
    await refusedWith('path_refused', hands.ask('edit', { path: '/shared/later/.git/config', find: 'core', replace: 'x', all: true }, calm))
    assert.ok(!(await readdir(join(bench.root, 'shared/later/.git/hooks'))).includes('pre-commit'))
  })
})
