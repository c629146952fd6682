/** What the file operations do that the sandbox contract does not ask of every sandbox. */
import assert from 'node:assert/strict'
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile as readHost,
  readdir,
  realpath,
  rm,
  symlink,
  writeFile as writeHost,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { ErrorCode, Failure } from '../../base/index.ts'
import type { HandsOps } from '../../protocol/index.ts'
import { toReplyFailure } from '../failure.ts'
import { deletePath } from './move-path.ts'
import { editFile } from './edit-file.ts'
import { listFolder } from '../find/walk-folder.ts'
import { readFile } from './read-file.ts'
import { searchFiles } from '../find/search-files.ts'
import { type Root, toPlace } from './workspace-path.ts'
import { writeFile } from './write-file.ts'
import { scaled } from '../../../test/support/scale.ts'

const calm = new AbortController().signal

describe('file operations', () => {
  let folder: string
  let roots: readonly Root[]
  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-files-')))
    for (const name of ['shared', 'tmp']) await mkdir(join(folder, name))
    roots = ['shared', 'tmp'].map((name) => ({ virtual: `/${name}`, real: join(folder, name) }))
  })
  after(() => rm(folder, { recursive: true }))
  const host = (path: string) => join(folder, path)
  const fails = async (code: ErrorCode, work: Promise<unknown>): Promise<Failure> => {
    const failure = toReplyFailure(
      await work.then(
        () => assert.fail('it did not fail'),
        (error: unknown) => error,
      ),
    )
    assert.equal(failure.code, code, failure.message)
    return failure
  }
  const read = (path: string, more: Partial<HandsOps['read']['input']> = {}) =>
    readFile(roots, { path, fromLine: 1, maxLines: 1_000, maxBytes: 1_000_000, ...more }, calm)
  const search = (more: Partial<HandsOps['search']['input']>) =>
    searchFiles(
      roots,
      {
        path: '/shared',
        pattern: 'x',
        regex: true,
        ignoreCase: false,
        glob: '',
        all: false,
        contextLines: 0,
        skip: 0,
        maxMatches: 100,
        ...more,
      },
      calm,
    )

  it('no path string escapes the roots', () => {
    const part = fc.constantFrom('..', '.', '', 'a', '...', 'shared', 'tmp', '~', '\\', '%2e%2e', '..;', 'ü')
    fc.assert(
      fc.property(fc.constantFrom('', '/', '/shared/', '/tmp/', '//shared/', '/shared'), fc.array(part), (start, parts) => {
        const path = start + parts.join('/')
        let real: string
        try {
          ;({ real } = toPlace(roots, path))
        } catch (error) {
          assert.equal(toReplyFailure(error).code, 'path_refused')
          return
        }
        assert.ok(
          roots.some((root) => real === root.real || join(real).startsWith(`${root.real}/`)),
          `${path} led to ${real}`,
        )
      }),
    )
  })

  it('reading in pages gives the whole file, whatever its lines and blocks', async () => {
    const line = fc.oneof(fc.string({ maxLength: 12 }), fc.constant('ü'.repeat(200)), fc.constant(''))
    await fc.assert(
      fc.asyncProperty(fc.array(line.map((text) => text.replaceAll(/[\n\0]/g, '').toWellFormed())), fc.boolean(), async (lines, ends) => {
        const text = lines.join('\n') + (ends && lines.length > 0 ? '\n' : '')
        await writeHost(host('tmp/pages'), text)
        let got: string[] = []
        let total: number
        for (;;) {
          const page = await read('/tmp/pages', { fromLine: got.length + 1, maxLines: 3, maxBytes: 500 })
          total = page.totalLines
          if (page.lines === 0) break
          got = [...got, ...page.text.split('\n')]
          assert.equal(page.newline, got.length < total || text.endsWith('\n'))
          assert.equal(page.truncated, got.length < total)
        }
        assert.equal(total, got.length)
        assert.equal(got.join('\n'), text.replace(/\n$/, ''))
      }),
      { numRuns: scaled(60) },
    )
  })

  it('gives the beginning of a line that is longer than a page, whole characters only', async () => {
    await writeHost(host('tmp/long'), `${'ü'.repeat(100)}\nnext\n`)
    const page = await read('/tmp/long', { maxBytes: 51 })
    assert.deepEqual([page.text, page.newline, page.lines, page.totalLines, page.truncated], ['ü'.repeat(25), false, 1, 2, true])
  })

  it('takes files with a NUL or invalid UTF-8 anywhere for binary', async () => {
    const late = Buffer.concat([Buffer.alloc(600_000, 'a'), Buffer.from([0xc3])])
    for (const bytes of [Buffer.from('a\0b'), Buffer.from([0xff, 0xfe]), late]) {
      await writeHost(host('tmp/binary'), bytes)
      await fails('not_text', read('/tmp/binary'))
      await fails('not_text', editFile(roots, { path: '/tmp/binary', find: 'a', replace: 'b', all: true }))
    }
    await writeHost(host('tmp/bom'), '\uFEFFtext')
    assert.equal((await read('/tmp/bom')).text, '\uFEFFtext')
  })

  it('writes in place of a file with its mode and leaves no temporary file', async () => {
    await writeHost(host('shared/script'), '#!/bin/sh')
    await chmod(host('shared/script'), 0o4755)
    await writeFile(roots, { path: '/shared/script', text: 'new' })
    assert.equal((await lstat(host('shared/script'))).mode & 0o7777, 0o755)
    assert.deepEqual(
      (await readdir(host('shared'))).filter((name) => name.includes('.tmp')),
      [],
    )
  })

  it('writes through a link that stays inside, and leaves the link', async () => {
    await symlink('../tmp/target', host('shared/inside'))
    await writeHost(host('tmp/target'), 'old')
    await writeFile(roots, { path: '/shared/inside', text: 'new' })
    assert.equal(await readHost(host('tmp/target'), 'utf8'), 'new')
    assert.ok((await lstat(host('shared/inside'))).isSymbolicLink())
  })

  it('shows the nearest match of an edit that fails, and what differs', async () => {
    await writeHost(host('tmp/code.ts'), 'function one() {\n  return 1\n}\n\nfunction twoThings(a) {\n    return a + 2\n}\n')
    const edit = (find: string) => fails('edit_mismatch', editFile(roots, { path: '/tmp/code.ts', find, replace: '', all: false }))
    const near = await edit('function twoThings(b) {\n    return b + 2\n}')
    assert.match(near.message, /Nearest match, at line 5:\nfunction twoThings\(a\) \{\n {4}return a \+ 2\n\}/)
    assert.match((await edit('function twoThings(a) {\n\treturn a + 2')).hint, /Only spaces/)
    assert.match((await edit('    5\tfunction twoThings(a) {')).hint, /line numbers/)
    assert.match((await edit('zzzz qqqq')).message, /Nothing in the file resembles it/)
    assert.match((await edit('return ')).message, /occurs 2 times .* at lines 2, 6/)
  })

  it('looks for the nearest match only for so long: the first of many alike has to do', async () => {
    await writeHost(host('tmp/alike'), `${'alike\n'.repeat(12_000)}end\n`)
    const nearest = async (find: string): Promise<string> =>
      (await fails('edit_mismatch', editFile(roots, { path: '/tmp/alike', find, replace: '', all: false }))).message
    assert.match(await nearest(`${'alike\n'.repeat(20)}end\nof all`), /Nearest match, at line 11981:/)
    assert.match(await nearest(`${'alike\n'.repeat(2_000)}end\nof all`), /Nearest match, at line 1:/)
  })

  it('refuses an edit that would take all memory, and leaves the file as it is', async () => {
    for (const [bytes, replace] of [
      [100_000, 'b'.repeat(200)],
      [1_000_001, 'b'],
    ] as const) {
      await writeHost(host('tmp/many'), 'a'.repeat(bytes))
      await fails('limit_reached', editFile(roots, { path: '/tmp/many', find: 'a', replace, all: true }))
      assert.equal((await lstat(host('tmp/many'))).size, bytes)
    }
    assert.equal((await editFile(roots, { path: '/tmp/many', find: 'aa', replace: '', all: true })).replaced, 500_000)
  })

  it('deletes a folder with all it holds, also names that are no text', async () => {
    await mkdir(host('tmp/odd/deep'), { recursive: true })
    await writeHost(Buffer.concat([Buffer.from(host('tmp/odd/deep/')), Buffer.from([0xff, 0x0a])]), '')
    assert.deepEqual(await deletePath(roots, { path: '/tmp/odd', recursive: true }, calm), { deleted: 3 })
  })

  it('searches files that fit the glob, and neither binary files, .git nor node_modules', async () => {
    const files = ['src/a.ts', 'src/deep/b.tsx', 'src/c.js', 'README.md', '.git/d.ts', 'node_modules/e.ts']
    for (const path of files) {
      await writeFile(roots, { path: `/shared/project/${path}`, text: 'needle\r\n' })
    }
    await writeHost(host('shared/project/binary.ts'), 'needle\0')
    const found = async (glob: string) =>
      (await search({ path: '/shared/project', pattern: 'needle', glob })).matches.map((match) =>
        match.path.slice('/shared/project/'.length),
      )
    assert.deepEqual(await found(''), ['src/deep/b.tsx', 'src/a.ts', 'src/c.js', 'README.md'])
    assert.deepEqual(await found('*.ts'), ['src/a.ts'])
    assert.deepEqual(await found('src/**/*.{ts,tsx}'), ['src/deep/b.tsx', 'src/a.ts'])
    assert.deepEqual(await found('src/*'), ['src/a.ts', 'src/c.js'])
    assert.deepEqual(await found('[!Rb]*'), ['src/a.ts', 'src/c.js'])
    assert.deepEqual(await found('*.(ts'), [])
  })

  it('finds every line of a large file at its number, and shows long lines around the match', async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => (i % 20_000 === 19_999 ? `${'-'.repeat(900)}mark` : `line ${i + 1}`))
    await writeHost(host('tmp/large'), lines.join('\n'))
    const { matches } = await search({ path: '/tmp/large', pattern: 'mark$' })
    assert.deepEqual(
      matches.map((match) => match.line),
      [20_000, 40_000, 60_000],
    )
    assert.ok(matches.every((match) => match.text.endsWith('mark') && match.text.length <= 302))
  })

  it('stops a pattern that would run for ever, and an invalid one', async () => {
    await writeHost(host('tmp/evil'), `${'a'.repeat(60)}b\n`)
    assert.match((await fails('bad_input', search({ path: '/tmp/evil', pattern: '^(a+)+$' }))).message, /takes too long/)
    await fails('bad_input', search({ pattern: '(' }))
    await fails('bad_input', search({ pattern: '' }))
  })

  it('stops when it is cancelled', async () => {
    const stopped = AbortSignal.abort()
    await fails(
      'cancelled',
      searchFiles(
        roots,
        { path: '/shared', pattern: 'x', regex: true, ignoreCase: false, glob: '', all: false, contextLines: 0, skip: 0, maxMatches: 1 },
        stopped,
      ),
    )
    await fails('cancelled', listFolder(roots, { path: '/shared', depth: 1, glob: '', all: false, skip: 0, maxEntries: 10 }, stopped))
    await fails('cancelled', readFile(roots, { path: '/tmp/large', fromLine: 1, maxLines: 1, maxBytes: 1 }, stopped))
  })

  it('names what a path is that it refuses', async () => {
    assert.match((await fails('path_refused', read('/shared'))).message, /folder/)
    assert.match((await fails('bad_input', read('/shared/a\0b'))).message, /NUL/)
    await fails('bad_input', read(`/shared/${'x'.repeat(5_000)}`))
    assert.match((await fails('not_found', read('/shared/script/below'))).message, /not a folder/)
  })
})
