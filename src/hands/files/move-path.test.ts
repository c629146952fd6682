/** What moving does that the sandbox contract does not ask of every sandbox. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  link,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  realpath,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ErrorCode, Failure } from '../../base/index.ts'
import { toReplyFailure } from '../failure.ts'
import { movePath } from './move-path.ts'
import { readBytes } from './read-file.ts'
import type { Root } from './workspace-path.ts'

const calm = new AbortController().signal

describe('moving', () => {
  let home: string
  let roots: readonly Root[]
  beforeEach(async () => {
    home = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-move-')))
    for (const name of ['shared', 'out']) await mkdir(join(home, name))
    roots = [{ virtual: '/shared', real: join(home, 'shared') }]
    await writeFile(host('a'), 'a')
    await writeFile(host('b'), 'b')
  })
  afterEach(() => rm(home, { recursive: true }))
  const host = (path: string) => join(home, 'shared', path)
  const move = (from: string, to: string, overwrite = false, signal = calm) =>
    movePath(roots, { from: `/shared/${from}`, to: `/shared/${to}`, overwrite }, signal)
  const refused = async (code: ErrorCode, work: () => Promise<unknown>): Promise<Failure> => {
    const was = await readdir(host(''), { recursive: true })
    const failure = toReplyFailure(
      await work().then(
        () => assert.fail('it was moved'),
        (error: unknown) => error,
      ),
    )
    assert.equal(failure.code, code, failure.message)
    assert.deepEqual(await readdir(host(''), { recursive: true }), was)
    return failure
  }

  it('moves a link itself and replaces a link itself, wherever they point', async () => {
    await writeFile(join(home, 'out/secret'), 'secret')
    await symlink(join(home, 'out/secret'), host('link'))
    assert.deepEqual(await move('link', 'moved'), { kind: 'link', replaced: false })
    assert.equal(await readlink(host('moved')), join(home, 'out/secret'))
    assert.deepEqual(await move('a', 'moved', true), { kind: 'file', replaced: true })
    assert.ok((await lstat(host('moved'))).isFile())
    assert.equal(await readFile(join(home, 'out/secret'), 'utf8'), 'secret')
  })

  it('follows no folder that leads outside', async () => {
    await writeFile(join(home, 'out/x'), 'x')
    await symlink(join(home, 'out'), host('out'))
    await symlink('nowhere', host('broken'))
    await refused('path_refused', () => move('out/x', 'x'))
    await refused('path_refused', () => move('a', 'out/a'))
    await refused('path_refused', () => move('a', 'out/new/a'))
    await refused('path_refused', () => move('a', 'broken/a'))
    assert.deepEqual(await readdir(join(home, 'out')), ['x'])
  })

  it('names what is in the way, and how to choose the target', async () => {
    await mkdir(host('folder'))
    assert.match((await refused('path_refused', () => move('a', 'folder'))).hint, /\/shared\/folder\/a\./)
    assert.match((await refused('path_refused', () => move('a', 'folder/', true))).hint, /\/shared\/folder\/a\./)
    assert.match((await refused('tool_failed', () => move('a', 'b'))).hint, /overwrite/)
    assert.match((await refused('path_refused', () => move('folder', 'b', true))).message, /cannot replace/)
    await refused('bad_input', () => move('a', './a', true))
    await refused('bad_input', () => move('folder', 'folder/in/it'))
    await refused('not_found', () => move('a/b', 'c'))
    await refused('cancelled', () => move('a', 'new/c', false, AbortSignal.abort()))
    assert.match((await refused('not_found', () => move('none', 'c'))).message, /\/shared\/none/)
  })

  it('takes back the folders that it made for a move that failed', async () => {
    // Longer than a name may be, which is found out when all folders are there.
    await refused('bad_input', () => move('a', `x/y/${'z'.repeat(300)}`))
  })

  it('copies to another file system, with links as links, and leaves nothing behind when it fails', async (test) => {
    const memory = '/dev/shm'
    const device = async (path: string) => (await lstat(path).catch(() => null))?.dev
    if ([undefined, await device(home)].includes(await device(memory))) {
      test.skip(`needs a second file system: mount one at ${memory}`)
      return
    }
    const far = await mkdtemp(join(memory, 'oxbow-move-'))
    try {
      roots = [...roots, { virtual: '/tmp', real: far }]
      await mkdir(host('tree/deep'), { recursive: true })
      const bytes = Buffer.from(Array.from({ length: 600_000 }, (_, i) => (i * 7) & 0xff))
      await writeFile(host('tree/deep/run'), bytes, { mode: 0o750 })
      await utimes(host('tree/deep/run'), 1_000_000, 2_000_000)
      await symlink('../nowhere', host('tree/link'))
      const across = (from: string, to: string, overwrite = false, signal = calm) => movePath(roots, { from, to, overwrite }, signal)
      assert.deepEqual(await across('/shared/tree', '/tmp/new/tree'), { kind: 'folder', replaced: false })
      assert.deepEqual((await readdir(far, { recursive: true })).sort(), [
        'new',
        'new/tree',
        'new/tree/deep',
        'new/tree/deep/run',
        'new/tree/link',
      ])
      assert.deepEqual(
        [await readlink(join(far, 'new/tree/link')), (await lstat(join(far, 'new/tree/deep/run'))).mode & 0o777],
        ['../nowhere', 0o750],
      )
      assert.ok(bytes.equals(await readFile(join(far, 'new/tree/deep/run'))))
      assert.equal((await lstat(join(far, 'new/tree/deep/run'))).mtimeMs, 2_000_000_000)
      assert.deepEqual((await readdir(host(''))).sort(), ['a', 'b'])
      await refused('tool_failed', () => across('/shared/a', '/tmp/new/tree/deep/run'))
      assert.deepEqual(await across('/shared/a', '/tmp/new/tree/deep/run', true), { kind: 'file', replaced: true })
      assert.deepEqual(await across('/tmp/new/tree/link', '/shared/link'), { kind: 'link', replaced: false })
      // A FIFO cannot be copied.
      await mkdir(host('odd'))
      execFileSync('mkfifo', [host('odd/fifo')])
      await assert.rejects(across('/shared/odd', '/tmp/made/odd'), /\/shared\/odd cannot be copied .* FIFO/)
      await rm(host('odd/fifo'))
      await writeFile(Buffer.concat([Buffer.from(host('odd/')), Buffer.from([0xff])]), '')
      await assert.rejects(across('/shared/odd', '/tmp/made/odd'), /\/shared\/odd cannot be copied .* not valid text/)
      assert.deepEqual(await readdir(far), ['new'])
    } finally {
      await rm(far, { recursive: true })
    }
  })

  it('stops in the middle of a large file when it is cancelled, and leaves nothing of it', async (test) => {
    const far = await mkdtemp('/dev/shm/oxbow-move-').catch(() => null)
    if (far === null || (await lstat(far)).dev === (await lstat(home)).dev) {
      test.skip('needs a second file system: mount one at /dev/shm')
      return
    }
    try {
      roots = [...roots, { virtual: '/tmp', real: far }]
      // A file of holes: it takes no room before it is copied.
      await mkdir(host('tree'))
      await writeFile(host('tree/large'), '')
      await truncate(host('tree/large'), 2 * 1024 ** 3)
      const control = new AbortController()
      const moving = movePath(roots, { from: '/shared/tree', to: '/tmp/tree', overwrite: false }, control.signal)
      moving.catch(() => undefined)
      const begun = async () => (await readdir(far, { recursive: true })).find((name) => name.endsWith('/large'))
      let copy: string | undefined
      while ((copy = await begun()) === undefined) await new Promise((resolve) => setImmediate(resolve))
      control.abort()
      let bytes = 0
      const measuring = setInterval(
        () =>
          void lstat(join(far, copy)).then(
            ({ size }) => (bytes = size),
            () => undefined,
          ),
        1,
      )
      await refused('cancelled', () => moving)
      clearInterval(measuring)
      assert.ok(bytes < 1024 ** 3, `${bytes} bytes were copied`)
      assert.deepEqual(await readdir(far), [])
    } finally {
      await rm(far, { recursive: true, force: true })
    }
  })

  it('leaves one name of a file that had both', async () => {
    await link(host('a'), host('c'))
    await refused('tool_failed', () => move('a', 'c'))
    assert.deepEqual(await move('a', 'c', true), { kind: 'file', replaced: true })
    assert.deepEqual((await readdir(host(''))).sort(), ['b', 'c'])
  })

  it('reads ranges of binary files up to their end', async () => {
    const bytes = Buffer.from(Array.from({ length: 700_000 }, (_, i) => (i * 7) & 0xff))
    await writeFile(host('binary'), bytes)
    const range = (offset: number, maxBytes: number, signal = calm) =>
      readBytes(roots, { path: '/shared/binary', offset, maxBytes }, signal)
    const all = await range(0, 1_000_000)
    assert.ok(Buffer.from(all.content).equals(bytes))
    assert.deepEqual([all.content.length, all.totalBytes], [700_000, 700_000])
    const end = await range(699_998, 50)
    assert.deepEqual([...end.content], [...bytes.subarray(699_998)])
    assert.equal((await range(Number.MAX_SAFE_INTEGER, 50)).content.length, 0)
    await refused('cancelled', () => range(0, 1, AbortSignal.abort()))
    await refused('path_refused', () => readBytes(roots, { path: '/shared', offset: 0, maxBytes: 1 }, calm))
  })
})
