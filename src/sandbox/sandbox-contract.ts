/** What every sandbox must do, whatever holds it; run by each implementation and by the fake. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isOxbowError } from '../types/index.ts'
import type { ErrorCode, HandsOp, HandsOps, Sandbox } from '../types/index.ts'

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

export function describeSandboxContract(name: string, make: () => Promise<SandboxUnderTest>): void {
  describe(`sandbox contract: ${name}`, () => {
    let made: SandboxUnderTest
    let ask: Ask
    before(async () => {
      made = await make()
      ask = asker(made.sandbox)
    })
    after(async () => {
      await made.sandbox.close()
      await made.remove()
    })

    it('reads back what was written, and says whether the file is new', async () => {
      const text = 'one\nzwei ü\n\n  three'
      assert.deepEqual(await ask('write', { path: '/shared/deep/er/a.txt', text }), { bytes: Buffer.byteLength(text), created: true })
      assert.deepEqual(await ask('write', { path: '/shared/deep/er/a.txt', text }), { bytes: Buffer.byteLength(text), created: false })
      const read = await ask('read', { path: '/shared/deep/er/a.txt', ...all })
      assert.deepEqual(read, { text, fromLine: 1, lines: 4, totalLines: 4, bytes: Buffer.byteLength(text), truncated: false })
    })

    it('reads a range of lines and tells how many there are', async () => {
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

    it('lists folders before files, each before what it holds, to a depth', async () => {
      for (const path of ['z.txt', 'b/two', 'b/c/three', 'a/one']) await ask('write', { path: `/shared/list/${path}`, text: 'x' })
      const names = async (depth: number, maxEntries = 100) => {
        const listed = await ask('list', { path: '/shared/list', depth, maxEntries })
        return [listed.entries.map((entry) => entry.path.slice('/shared/list/'.length)), listed.truncated]
      }
      assert.deepEqual(await names(1), [['a', 'b', 'z.txt'], false])
      assert.deepEqual(await names(9), [['a', 'a/one', 'b', 'b/c', 'b/c/three', 'b/two', 'z.txt'], false])
      assert.deepEqual(await names(1, 2), [['a', 'b'], true])
    })

    it('finds lines by pattern or by plain text', async () => {
      await ask('write', { path: '/shared/find/a.txt', text: 'first\nSecond (x)\n' })
      const base = { path: '/shared/find', regex: true, ignoreCase: false, glob: '', maxMatches: 10 }
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

    it('edits a text that is there once, or every one of them', async () => {
      const path = '/shared/edit.txt'
      await ask('write', { path, text: 'a\nb\nb\n' })
      await refusedWith('edit_mismatch', ask('edit', { path, find: 'b', replace: 'c', all: false }))
      await refusedWith('edit_mismatch', ask('edit', { path, find: 'nowhere', replace: 'c', all: false }))
      assert.deepEqual(await ask('edit', { path, find: 'b', replace: '$&', all: true }), { replaced: 2, firstLine: 2 })
      assert.equal((await ask('read', { path, ...all })).text, 'a\n$&\n$&')
    })

    it('deletes files, and folders only when told to', async () => {
      await ask('write', { path: '/shared/gone/file', text: '' })
      await refusedWith('tool_failed', ask('delete', { path: '/shared/gone', recursive: false }))
      await ask('delete', { path: '/shared/gone', recursive: true })
      await refusedWith('not_found', ask('read', { path: '/shared/gone/file', ...all }))
      await refusedWith('not_found', ask('delete', { path: '/shared/gone', recursive: true }))
      await refusedWith('path_refused', ask('delete', { path: '/shared', recursive: true }))
    })

    it('knows nothing outside /shared and /tmp', async () => {
      for (const path of ['/etc/passwd', '/', '/shared/../etc/passwd', '/sharedx', 'shared/a', '/proc/1/environ']) {
        await refusedWith('path_refused', ask('read', { path, ...all }))
        await refusedWith('path_refused', ask('write', { path, text: '' }))
      }
    })

    it('tells what is missing from what is refused', async () => {
      await refusedWith('not_found', ask('read', { path: '/shared/nothing', ...all }))
      await refusedWith('path_refused', ask('read', { path: '/shared', ...all }))
      await refusedWith('path_refused', ask('write', { path: '/shared', text: '' }))
      await refusedWith('not_found', ask('list', { path: '/shared/nothing', depth: 1, maxEntries: 1 }))
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
