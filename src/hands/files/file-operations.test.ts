/** Requests that change the same files side by side: each is one step, and none is lost. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, readdir, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { isFailureError } from '../failure.ts'
import { createUploads } from '../transfer/put-file.ts'
import { fileOperations } from './file-operations.ts'
import { replaceFile } from './write-file.ts'

const { signal } = new AbortController()

describe('changes to the same files at once', () => {
  let folder = ''
  let ops: ReturnType<typeof fileOperations>
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-locks-')))
    for (const name of ['shared', 'tmp']) await mkdir(join(folder, name))
    const roots = ['shared', 'tmp'].map((name) => ({ virtual: `/${name}`, real: join(folder, name) }))
    ops = fileOperations(roots, createUploads(roots))
  })
  afterEach(() => rm(folder, { recursive: true }))
  const host = (path: string): string => join(folder, path)
  const text = (path: string): Promise<string> => readFile(host(path), 'utf8')
  const numbers = Array.from({ length: 12 }, (_, i) => i)
  const append = (path: string, line: string, stop = signal) => ops.edit({ path, find: 'end', replace: `${line}\nend`, all: false }, stop)
  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.then(
      () => null,
      (reason: unknown) => reason,
    )
    assert.ok(isFailureError(error), 'it was done')
    return error.failure.code
  }

  it('keeps every edit, also of a file with two names', async () => {
    await writeFile(host('shared/l.txt'), 'end\n')
    await symlink('l.txt', host('shared/link'))
    await Promise.all(numbers.map((i) => append(i % 2 === 0 ? '/shared/l.txt' : '/shared/../shared/link', `x${i}`)))
    const lines = (await text('shared/l.txt')).trim().split('\n')
    assert.deepEqual(lines.toSorted(), ['end', ...numbers.map((i) => `x${i}`)].toSorted())
    assert.deepEqual((await readdir(host('shared'))).toSorted(), ['l.txt', 'link'])
  })

  it('creates a file once, even with concurrent writers', async () => {
    const piece = { upload: '', offset: 0, content: Buffer.from('p'), last: true, overwrite: true }
    const done = await Promise.all([
      ...numbers.map((i) => ops.write({ path: '/shared/new/file', text: `${i}` }, signal)),
      ...numbers.map((i) => ops.put({ ...piece, path: '/shared/new/file', upload: `u${i}` }, signal)),
    ])
    assert.equal(done.filter(({ created }) => created).length, 1)
  })

  it('applies patches and edits of the same files one after the other', async () => {
    for (const name of ['a', 'b']) await writeFile(host(`shared/${name}`), `${name}\n1\n2\n3\n4\nend\n`)
    const diff = (name: string) => `--- a/${name}\n+++ b/${name}\n@@ -1 +1,2 @@\n ${name}\n+patched\n`
    await Promise.all([
      ...numbers.flatMap((i) => [append('/shared/a', `x${i}`), append('/shared/b', `x${i}`)]),
      ops.patch({ path: '/shared', diff: diff('a') + diff('b') }, signal),
      ops.patch({ path: '/shared', diff: diff('b') + diff('a') }, signal),
    ])
    for (const name of ['a', 'b']) {
      const lines = (await text(`shared/${name}`)).trim().split('\n')
      assert.equal(lines.length, 6 + numbers.length + 2, lines.join())
    }
  })

  it('loses nothing when files and folders above them are moved crosswise meanwhile', async () => {
    await mkdir(host('shared/one'))
    await writeFile(host('shared/one/l'), 'end\n')
    const there = async (from: string, to: string): Promise<void> => {
      await ops.move({ from: `/shared/${from}`, to: `/shared/${to}`, overwrite: false }, signal)
    }
    const edits = await Promise.allSettled([
      ...numbers.map((i) => append('/shared/one/l', `x${i}`)),
      there('one', 'two'),
      ...numbers.map((i) => append('/shared/two/l', `y${i}`)),
      there('two', 'one'),
    ])
    const kept = (await text('shared/one/l').catch(() => text('shared/two/l'))).trim().split('\n')
    const edited = edits.filter((each) => each.status === 'fulfilled' && each.value !== undefined)
    assert.equal(kept.length - 1, edited.length)
  })

  it('refuses a change for another version of the file, and names the current hash', async () => {
    const { hash } = await ops.write({ path: '/shared/a', text: 'one end' }, signal)
    const read = await ops.read({ path: '/shared/a', fromLine: 1, maxLines: 1, maxBytes: 100 }, signal)
    assert.equal(read.hash, hash)
    const edit = (ifHash: string) => ops.edit({ path: '/shared/a', find: 'one', replace: 'two', all: false, ifHash }, signal)
    const first = await edit(hash)
    assert.deepEqual([first.was, first.hash === hash], [hash, false])
    assert.equal(await codeOf(edit(hash)), 'edit_mismatch')
    await assert.rejects(ops.write({ path: '/shared/a', text: 'x', ifHash: hash }, signal), new RegExp(`its hash is ${first.hash} now`))
    await assert.rejects(ops.write({ path: '/shared/b', text: 'x', ifHash: hash }, signal), /no such file/)
    assert.deepEqual([await text('shared/a'), await readdir(host('shared'))], ['two end', ['a']])
    const second = await ops.write({ path: '/shared/a', text: 'x', ifHash: first.hash }, signal)
    assert.deepEqual([second.was, second.created], [first.hash, false])
  })

  it('leaves a file alone that a program without locks has changed since it was read, and works the edit out again', async () => {
    const path = host('shared/a')
    await writeFile(path, 'end\n')
    const target = { virtual: '/shared/a', real: path, mode: 0o644 }
    const read = await stat(path)
    await writeFile(path, 'theirs\nend\n')
    assert.equal(await replaceFile(target, Buffer.from('mine'), read), false)
    assert.equal(await replaceFile(target, Buffer.from('mine'), 'nothing'), false)
    assert.deepEqual([await text('shared/a'), await readdir(host('shared'))], ['theirs\nend\n', ['a']])
    // The edit opens the file first; a writer that never stops meets some edits between their look and their rename.
    const over = new AbortController()
    let written = 0
    const writer = (async () => {
      for (; !over.signal.aborted; written += 1) {
        const draft = host('tmp/draft')
        await writeFile(draft, `theirs${written}\n${(await text('shared/a')).replace(/^theirs\d*\n/, '')}`)
        await rename(draft, path)
      }
    })()
    const edits = await Promise.allSettled(numbers.map((i) => append('/shared/a', `x${i}`)))
    over.abort()
    await writer
    assert.ok(written > 0)
    for (const edit of edits) if (edit.status === 'rejected') assert.match(String(edit.reason), /keeps changing/)
  })

  it('a request that is cancelled while it waits ends at once, and those behind it go on', async () => {
    await writeFile(host('shared/l'), 'end\n')
    const stop = new AbortController()
    const first = append('/shared/l', 'a')
    const second = append('/shared/l', 'b', stop.signal)
    const third = append('/shared/l', 'c')
    stop.abort()
    assert.equal(await codeOf(second), 'cancelled')
    await Promise.all([first, third])
    assert.deepEqual((await text('shared/l')).trim().split('\n').toSorted(), ['a', 'c', 'end'])
  })
})
