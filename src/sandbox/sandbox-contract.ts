/** What every sandbox must do, whatever holds it; run by each implementation and by the fake. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isOxbowError } from '../base/index.ts'
import type { ErrorCode } from '../base/index.ts'
import type { HandsOp, HandsOps, Sandbox } from '../protocol/index.ts'

export interface SandboxUnderTest {
  readonly sandbox: Sandbox
  /** Removes what `make` made. */
  remove(): Promise<void>
}

type Ask = <Op extends HandsOp>(op: Op, input: HandsOps[Op]['input'], options?: AskOptions) => Promise<HandsOps[Op]['output']>

interface AskOptions {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

/** @returns a short way to ask, with a limit that only a broken sandbox reaches. */
export function asker(sandbox: Sandbox): Ask {
  return async (op, input, { signal = new AbortController().signal, timeoutMs = 30_000 } = {}) =>
    (await sandbox.hands('work')).ask(op, input, { signal, timeoutMs })
}

/** Asserts that a request is refused with this code, and a hint. @returns the message. */
export async function refusedWith(code: ErrorCode, request: Promise<unknown>): Promise<string> {
  const error: unknown = await request.then(
    (value) => assert.fail(`expected ${code}, got ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  assert.ok(isOxbowError(error), String(error))
  assert.equal(error.code, code, error.message)
  assert.notEqual(error.hint, '')
  return error.message
}

const all = { fromLine: 1, maxLines: 1_000, maxBytes: 1_000_000 }
const whole = { glob: '', all: false, skip: 0, maxEntries: 100 }

export function describeSandboxContract(name: string, make: () => Promise<SandboxUnderTest>): void {
  describe(`sandbox contract: ${name}`, () => {
    let made: SandboxUnderTest | undefined
    let ask: Ask
    before(async () => {
      made = await make()
      ask = asker(made.sandbox)
    })
    after(async () => {
      // Without a sandbox where `make` has failed.
      await made?.sandbox.close()
      await made?.remove()
    })

    it('reads back what was written, and says whether the file is new', async () => {
      const text = 'one\nzwei ü\n\n  three'
      const first = await ask('write', { path: '/shared/deep/er/a.txt', text })
      assert.deepEqual([first.bytes, first.created, first.was], [Buffer.byteLength(text), true, ''])
      const second = await ask('write', { path: '/shared/deep/er/a.txt', text })
      assert.deepEqual([second.bytes, second.created, second.was], [Buffer.byteLength(text), false, first.hash])
      const read = await ask('read', { path: '/shared/deep/er/a.txt', ...all })
      assert.deepEqual(read, {
        text,
        newline: false,
        fromLine: 1,
        lines: 4,
        totalLines: 4,
        bytes: Buffer.byteLength(text),
        truncated: false,
        hash: first.hash,
      })
    })

    it('reads a range of lines and returns their total number', async () => {
      await ask('write', { path: '/tmp/lines', text: 'a\nb\nc\nd\n' })
      const read = await ask('read', { path: '/tmp/lines', fromLine: 2, maxLines: 2, maxBytes: 1_000 })
      assert.deepEqual([read.text, read.fromLine, read.lines, read.totalLines, read.truncated], ['b\nc', 2, 2, 4, true])
      const past = await ask('read', { path: '/tmp/lines', fromLine: 9, maxLines: 2, maxBytes: 1_000 })
      assert.deepEqual([past.text, past.lines, past.totalLines], ['', 0, 4])
    })

    it('ends a page at the last line that fits', async () => {
      await ask('write', { path: '/tmp/page', text: 'aaaa\nbbbb\ncccc\n' })
      const read = await ask('read', { path: '/tmp/page', fromLine: 1, maxLines: 10, maxBytes: 12 })
      assert.deepEqual([read.text, read.lines, read.truncated], ['aaaa\nbbbb', 2, true])
    })

    it('lists folders before files, each before its contents, to a depth', async () => {
      for (const path of ['z.txt', 'b/two', 'b/c/three', 'a/one']) await ask('write', { path: `/shared/list/${path}`, text: 'x' })
      const names = async (depth: number, maxEntries = 100) => {
        const listed = await ask('list', { ...whole, path: '/shared/list', depth, maxEntries })
        return [listed.entries.map((entry) => entry.path.slice('/shared/list/'.length)), listed.truncated]
      }
      assert.deepEqual(await names(1), [['a', 'b', 'z.txt'], false])
      assert.deepEqual(await names(9), [['a', 'a/one', 'b', 'b/c', 'b/c/three', 'b/two', 'z.txt'], false])
      assert.deepEqual(await names(1, 2), [['a', 'b'], true])
    })

    it('finds lines by pattern or by plain text', async () => {
      await ask('write', { path: '/shared/find/a.txt', text: 'first\nSecond (x)\n' })
      const base = { path: '/shared/find', regex: true, ignoreCase: false, glob: '', all: false, contextLines: 0, skip: 0, maxMatches: 10 }
      const lines = async (more: Partial<HandsOps['search']['input']>) => {
        const found = await ask('search', { ...base, pattern: '', ...more })
        return found.matches.map((match) => `${match.path.slice('/shared/find/'.length)}:${match.line}:${match.text}`)
      }
      assert.deepEqual(await lines({ pattern: '^fir' }), ['a.txt:1:first'])
      assert.deepEqual(await lines({ pattern: 'second' }), [])
      assert.deepEqual(await lines({ pattern: 'second', ignoreCase: true }), ['a.txt:2:Second (x)'])
      assert.deepEqual(await lines({ pattern: '(x)', regex: false }), ['a.txt:2:Second (x)'])
      const cut = await ask('search', { ...base, pattern: 's', maxMatches: 1, ignoreCase: true })
      assert.deepEqual([cut.matches.length, cut.truncated], [1, true])
    })

    it('shows a list page by page, and only names that fit', async () => {
      for (const file of ['a.ts', 'b.md', 'c.ts', 'd.ts']) await ask('write', { path: `/shared/pages/${file}`, text: 'x' })
      const names = async (skip: number, glob: string) => {
        const listed = await ask('list', { ...whole, path: '/shared/pages', depth: 1, skip, glob, maxEntries: 2 })
        return [listed.entries.map((entry) => entry.path.slice('/shared/pages/'.length)).join(), listed.truncated]
      }
      assert.deepEqual(await names(0, ''), ['a.ts,b.md', true])
      assert.deepEqual(await names(2, ''), ['c.ts,d.ts', false])
      assert.deepEqual(await names(1, '*.ts'), ['c.ts,d.ts', false])
      assert.deepEqual(await names(9, ''), ['', false])
    })

    it('shows matches page by page, with the lines around them and no line twice', async () => {
      await ask('write', { path: '/shared/around/a', text: '1\n2\nx3\n4\n5\n6\nx7\nx8\n9\n' })
      const base = { path: '/shared/around', pattern: 'x', regex: true, ignoreCase: false, glob: '', all: false, maxMatches: 2 }
      const page = async (contextLines: number, skip: number) => {
        const { matches, truncated } = await ask('search', { ...base, contextLines, skip })
        const shown = matches.map((match) => `${match.before.join('')}[${match.line}:${match.text}]${match.after.join('')}`)
        return [shown.join(' '), truncated]
      }
      assert.deepEqual(await page(0, 0), ['[3:x3] [7:x7]', true])
      assert.deepEqual(await page(0, 2), ['[8:x8]', false])
      assert.deepEqual(await page(2, 0), ['12[3:x3]45 6[7:x7]', true])
      assert.deepEqual(await page(1, 0), ['2[3:x3]4 6[7:x7]', true])
      assert.deepEqual(await page(0, 3), ['', false])
    })

    it('reads any range of bytes, and returns the size', async () => {
      await ask('write', { path: '/tmp/bytes', text: 'aüb' })
      const range = async (offset: number, maxBytes: number) => {
        const { content, totalBytes } = await ask('bytes', { path: '/tmp/bytes', offset, maxBytes })
        return [Buffer.from(content).toString('latin1'), content.length, totalBytes]
      }
      assert.deepEqual(await range(0, 100), ['a\u00c3\u00bcb', 4, 4])
      assert.deepEqual(await range(1, 1), ['\u00c3', 1, 4])
      assert.deepEqual(await range(9, 9), ['', 0, 4])
      await refusedWith('not_found', ask('bytes', { path: '/tmp/nothing', offset: 0, maxBytes: 1 }))
      await refusedWith('path_refused', ask('bytes', { path: '/etc/passwd', offset: 0, maxBytes: 1 }))
    })

    it('writes a file in pieces, shows it after the last one, and overwrites only on request', async () => {
      const path = '/shared/put/deep'
      const put = (offset: number, text: string, last: boolean, overwrite = false) =>
        ask('put', { path, upload: 'one', offset, content: Buffer.from(text), last, overwrite })
      assert.deepEqual(await put(0, 'abc', false), { bytes: 3, created: true, hash: '', was: '' })
      await refusedWith('bad_input', put(7, 'x', false))
      await refusedWith('not_found', ask('read', { path, ...all }))
      const last = await put(3, 'de', true)
      assert.deepEqual([last.bytes, last.created, last.was], [5, true, ''])
      assert.equal((await ask('read', { path, ...all })).text, 'abcde')
      await refusedWith('not_found', put(5, 'f', true, true))
      await refusedWith('tool_failed', put(0, 'new', true))
      const replaced = await put(0, 'new', true, true)
      assert.deepEqual([replaced.bytes, replaced.created, replaced.was], [3, false, last.hash])
      assert.equal((await put(0, '', true, true)).was, replaced.hash)
      assert.equal((await ask('read', { path, ...all })).text, '')
      await refusedWith(
        'path_refused',
        ask('put', { path: '/etc/x', upload: 'a', offset: 0, content: Buffer.from('x'), last: true, overwrite: true }),
      )
    })

    it('describes what has a name, or that nothing does', async () => {
      await ask('write', { path: '/shared/facts/a', text: 'four' })
      const facts = async (path: string) => {
        const { kind, bytes } = await ask('stat', { path })
        return [kind, bytes]
      }
      assert.deepEqual(await facts('/shared/facts/a'), ['file', 4])
      assert.deepEqual(await facts('/shared/facts'), ['folder', 0])
      assert.deepEqual(await facts('/shared'), ['folder', 0])
      assert.deepEqual(await facts('/shared/facts/b'), ['missing', 0])
      await refusedWith('path_refused', ask('stat', { path: '/etc/passwd' }))
    })

    it('moves files and folders, also between /shared and /tmp, and overwrites only on request', async () => {
      const textAt = async (path: string) => (await ask('read', { path, ...all })).text
      const move = (from: string, to: string, overwrite = false) => ask('move', { from, to, overwrite })
      await ask('write', { path: '/shared/move/one', text: 'one' })
      await ask('write', { path: '/shared/move/two', text: 'two' })
      await refusedWith('tool_failed', move('/shared/move/one', '/shared/move/two'))
      await refusedWith('not_found', move('/shared/move/three', '/shared/move/four'))
      await refusedWith('path_refused', move('/shared/move/one', '/shared', true))
      await refusedWith('path_refused', move('/shared', '/tmp/all'))
      await refusedWith('path_refused', move('/shared/move/one', '/etc/one'))
      await refusedWith('path_refused', move('/shared/move/one', '/shared/move', true))
      await refusedWith('bad_input', move('/shared/move', '/shared/move/in/itself'))
      assert.deepEqual(await move('/shared/move/one', '/shared/move/two', true), { kind: 'file', replaced: true })
      assert.deepEqual(await move('/shared/move', '/tmp/moved/here'), { kind: 'folder', replaced: false })
      assert.equal(await textAt('/tmp/moved/here/two'), 'one')
      await refusedWith('not_found', ask('read', { path: '/shared/move/two', ...all }))
      assert.deepEqual(await move('/tmp/moved/here/two', '/shared/back'), { kind: 'file', replaced: false })
      assert.equal(await textAt('/shared/back'), 'one')
    })

    it('applies a diff to all its files, or to none', async () => {
      const textAt = async (path: string) => (await ask('read', { path, ...all })).text
      const hunk = (header: string, ...lines: string[]) => `${[header, ...lines].join('\n')}\n`
      await ask('write', { path: '/shared/diff/a', text: '1\n2\n3\n' })
      await ask('write', { path: '/shared/diff/b', text: 'gone\n' })
      const changeA = `--- a/a\n+++ b/a\n${hunk('@@ -1,3 +1,3 @@', ' 1', '-2', '+two', ' 3')}`
      const createC = `--- /dev/null\n+++ b/new/c\n${hunk('@@ -0,0 +1,2 @@', '+x', '+y')}`
      const deleteB = `--- a/b\n+++ /dev/null\n${hunk('@@ -1 +0,0 @@', '-gone')}`
      const wrongB = `--- a/b\n+++ b/b\n${hunk('@@ -1 +1 @@', '-other', '+x')}`
      const patch = (...parts: string[]) => ask('patch', { path: '/shared/diff', diff: parts.join('') })
      assert.match(await refusedWith('edit_mismatch', patch(changeA, createC, wrongB)), /\/shared\/diff\/b/)
      await refusedWith('bad_input', patch('no diff at all\n'))
      await refusedWith('path_refused', patch('--- /dev/null\n+++ b/../../etc/x\n', hunk('@@ -0,0 +1 @@', '+x')))
      assert.equal(await textAt('/shared/diff/a'), '1\n2\n3')
      await refusedWith('not_found', ask('read', { path: '/shared/diff/new/c', ...all }))
      const { files } = await patch(changeA, createC, deleteB)
      assert.deepEqual(
        files.map(({ path, change, added, removed }) => [path, change, added, removed]),
        [
          ['/shared/diff/a', 'changed', 1, 1],
          ['/shared/diff/new/c', 'created', 2, 0],
          ['/shared/diff/b', 'deleted', 0, 1],
        ],
      )
      assert.deepEqual([await textAt('/shared/diff/a'), await textAt('/shared/diff/new/c')], ['1\ntwo\n3', 'x\ny'])
      await refusedWith('not_found', ask('read', { path: '/shared/diff/b', ...all }))
    })

    it('edits a text that is there once, or every one of them', async () => {
      const path = '/shared/edit.txt'
      await ask('write', { path, text: 'a\nb\nb\n' })
      await refusedWith('edit_mismatch', ask('edit', { path, find: 'b', replace: 'c', all: false }))
      await refusedWith('edit_mismatch', ask('edit', { path, find: 'nowhere', replace: 'c', all: false }))
      const edited = await ask('edit', { path, find: 'b', replace: '$&', all: true })
      assert.deepEqual([edited.replaced, edited.firstLine], [2, 2])
      const read = await ask('read', { path, ...all })
      assert.deepEqual([read.text, read.hash], ['a\n$&\n$&', edited.hash])
    })

    it('changes a file only if it has the required hash', async () => {
      const path = '/shared/hashed'
      const { hash } = await ask('write', { path, text: 'one' })
      assert.match(hash, /^[0-9a-f]{12}$/)
      const edited = await ask('edit', { path, find: 'one', replace: 'two', all: false, ifHash: hash })
      assert.equal(edited.was, hash)
      assert.match(await refusedWith('edit_mismatch', ask('write', { path, text: 'x', ifHash: hash })), new RegExp(edited.hash))
      assert.match(await refusedWith('edit_mismatch', ask('edit', { path, find: 'two', replace: 'x', all: false, ifHash: hash })), /hash/)
      assert.equal((await ask('read', { path, ...all })).text, 'two')
      assert.equal((await ask('write', { path, text: 'x', ifHash: edited.hash })).created, false)
    })

    it('keeps every one of many edits of one file that come at once', async () => {
      const path = '/shared/appended'
      await ask('write', { path, text: 'end\n' })
      const lines = Array.from({ length: 8 }, (_, i) => `x${i}`)
      await Promise.all(lines.map((line) => ask('edit', { path, find: 'end', replace: `${line}\nend`, all: false })))
      assert.deepEqual((await ask('read', { path, ...all })).text.split('\n').toSorted(), ['end', ...lines])
    })

    it('deletes files, and folders only with `recursive`', async () => {
      await ask('write', { path: '/shared/gone/file', text: '' })
      await refusedWith('tool_failed', ask('delete', { path: '/shared/gone', recursive: false }))
      await ask('delete', { path: '/shared/gone', recursive: true })
      await refusedWith('not_found', ask('read', { path: '/shared/gone/file', ...all }))
      await refusedWith('not_found', ask('delete', { path: '/shared/gone', recursive: true }))
      await refusedWith('path_refused', ask('delete', { path: '/shared', recursive: true }))
    })

    it('refuses paths outside /shared and /tmp', async () => {
      for (const path of ['/etc/passwd', '/', '/shared/../etc/passwd', '/sharedx', 'shared/a', '/proc/1/environ']) {
        await refusedWith('path_refused', ask('read', { path, ...all }))
        await refusedWith('path_refused', ask('write', { path, text: '' }))
      }
    })

    it('reports a missing path and a refused one with different codes', async () => {
      await refusedWith('not_found', ask('read', { path: '/shared/nothing', ...all }))
      await refusedWith('path_refused', ask('read', { path: '/shared', ...all }))
      await refusedWith('path_refused', ask('write', { path: '/shared', text: '' }))
      await refusedWith('not_found', ask('list', { path: '/shared/nothing', depth: 1, ...whole }))
    })

    it('does nothing for a request that was cancelled before', async () => {
      await refusedWith('cancelled', ask('write', { path: '/shared/never', text: '' }, { signal: AbortSignal.abort() }))
      await refusedWith('not_found', ask('read', { path: '/shared/never', ...all }))
    })

    it('answers many requests at once, each with its own answer', async () => {
      const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`)
      await Promise.all(texts.map((text, i) => ask('write', { path: `/tmp/many/${i}`, text })))
      const read = await Promise.all(texts.map((_, i) => ask('read', { path: `/tmp/many/${i}`, ...all })))
      assert.deepEqual(
        read.map((each) => each.text),
        texts,
      )
    })

    it('carries a megabyte both ways', async () => {
      const text = 'ü'.repeat(600_000)
      await ask('write', { path: '/tmp/large', text })
      assert.equal((await ask('read', { path: '/tmp/large', ...all, maxBytes: 2_000_000 })).text, text)
    })
  })
}
