import assert from 'node:assert/strict'
import { pbkdf2 } from 'node:crypto'
import { mkdirSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { ErrorCode } from '../../base/index.ts'
import type { WatchedChange } from '../../protocol/index.ts'
import { toReplyFailure } from '../failure.ts'
import type { Root } from '../files/workspace-path.ts'
import { openWatches, type Watches } from './watch-folder.ts'

const calm = new AbortController().signal

describe('a folder that is watched', () => {
  let top = ''
  let roots: readonly Root[] = []
  let watches: Watches
  before(async () => {
    top = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-watch-')))
    roots = [{ virtual: '/shared', real: join(top, 'shared') }]
  })
  beforeEach(async () => {
    await rm(host(''), { recursive: true, force: true })
    await mkdir(host('a/b'), { recursive: true })
    await writeFile(host('file'), 'x')
    watches = openWatches(roots)
  })
  afterEach(() => watches.close())
  after(() => rm(top, { recursive: true }))
  const host = (path: string) => join(top, 'shared', path)

  const ask = (waitMs: number, more: { maxChanges?: number; recursive?: boolean; watch?: string; path?: string } = {}, signal = calm) =>
    watches.ops.watch({ path: '/shared', watch: 'w', recursive: true, maxChanges: 100, waitMs, ...more }, signal)

  /** Asks until all of these have been told, and nothing that is not among the `allowed`. */
  async function told(wanted: Readonly<Record<string, WatchedChange['kind']>>, allowed: readonly string[] = []): Promise<void> {
    const left = new Map(Object.entries(wanted))
    while (left.size > 0) {
      const { changes, overflow } = await ask(20_000)
      assert.equal(overflow, false)
      assert.notDeepEqual(changes, [], `never told: ${[...left.keys()].join()}`)
      for (const { path, kind } of changes) {
        const name = path.slice('/shared/'.length)
        assert.ok(name in wanted || allowed.includes(name), `told of ${path}`)
        if (left.get(name) === kind) left.delete(name)
      }
    }
  }
  async function refused(code: ErrorCode, work: Promise<unknown>): Promise<void> {
    const error: unknown = await work.then(
      () => assert.fail('it was done'),
      (reason: unknown) => reason,
    )
    assert.equal(toReplyFailure(error).code, code)
  }

  it('reports what was created, changed and deleted, at any depth, in its current state', async () => {
    assert.deepEqual(await ask(0), { changes: [], overflow: false })
    await appendFile(host('file'), 'y')
    await writeFile(host('a/b/new'), '')
    await symlink('nowhere', host('a/link'))
    await told({ file: 'file', 'a/b/new': 'file', 'a/link': 'link' })
    await rm(host('file'))
    await rename(host('a/b/new'), host('a/moved'))
    await told({ file: 'missing', 'a/b/new': 'missing', 'a/moved': 'file' })
  })

  it('sees into folders that came later, and no more into those that went', async () => {
    await ask(0)
    await mkdir(host('late/deep'), { recursive: true })
    await writeFile(host('late/deep/one'), '')
    await told({ late: 'folder', 'late/deep': 'folder', 'late/deep/one': 'file' })
    await writeFile(host('late/deep/two'), '')
    await told({ 'late/deep/two': 'file' })
    await rm(host('late'), { recursive: true })
    await told({ late: 'missing' }, ['late/deep', 'late/deep/one', 'late/deep/two'])
    await mkdir(host('late'))
    await told({ late: 'folder' })
    await writeFile(host('late/again'), '')
    await told({ 'late/again': 'file' })
  })

  it('sees into a folder that took the place of another at once', async () => {
    await mkdir(host('made/deep'), { recursive: true })
    await writeFile(host('made/deep/one'), '')
    await ask(0)
    rmSync(host('made'), { recursive: true })
    mkdirSync(host('made/deep'), { recursive: true })
    const around = ['made', 'made/made', 'made/deep', 'made/deep/deep', 'made/deep/one', 'old']
    await told({ made: 'folder', 'made/deep': 'folder', 'made/deep/one': 'missing' }, around)
    await writeFile(host('made/deep/two'), '')
    await told({ 'made/deep/two': 'file' }, around)
    await mkdir(host('next'))
    await told({ next: 'folder' }, around)
    renameSync(host('made'), host('old'))
    renameSync(host('next'), host('made'))
    await told({ old: 'folder', made: 'folder', next: 'missing' }, [...around, 'old/deep', 'old/deep/two', 'made/deep/two'])
    await writeFile(host('made/three'), '')
    await told({ 'made/three': 'file' }, [...around, 'old/deep', 'old/deep/two'])
  })

  it('is reported as removed, even if replaced at once, and watched again by the next request', async () => {
    const there = { path: '/shared/top' }
    mkdirSync(host('top/deep'), { recursive: true })
    await ask(0, there)
    rmSync(host('top'), { recursive: true })
    mkdirSync(host('top'))
    const gone = async (): Promise<void> => {
      // What else was seen of it comes first.
      const error: unknown = await (async () => {
        for (;;) assert.notDeepEqual((await ask(20_000, there)).changes, [])
      })().catch((reason: unknown) => reason)
      assert.deepEqual(toReplyFailure(error).code, 'not_found')
    }
    await gone()
    await ask(0, there)
    await writeFile(host('top/one'), '')
    assert.deepEqual((await ask(20_000, there)).changes, [{ path: '/shared/top/one', kind: 'file' }])
    await rm(host('top'), { recursive: true })
    await gone()
    await refused('not_found', ask(0, there))
  })

  it('can be watched without its subfolders, and leaves out files of hands themselves', async () => {
    await ask(0, { recursive: false })
    await writeFile(host('a/b/deep'), '')
    await writeFile(host('.oxbow-12ab.tmp'), '')
    await writeFile(host('here'), '')
    const { changes } = await ask(20_000, { recursive: false })
    assert.deepEqual(changes, [{ path: '/shared/here', kind: 'file' }])
  })

  it('reports an overflow when more has changed than it lists', async () => {
    await ask(0)
    for (let i = 0; i < 10; i += 1) await writeFile(host(`f${i}`), '')
    const { changes, overflow } = await ask(20_000, { maxChanges: 3 })
    assert.deepEqual([changes.length, overflow], [3, true])
  })

  it('fails when it changes too fast, and begins again with the next request', async () => {
    await ask(0)
    for (let i = 0; i < 2_600; i += 1) mkdirSync(host(`d${i}`))
    for (let i = 0; i < 2_600; i += 1) rmdirSync(host(`d${i}`))
    // Others keep the threads that look: what was seen is looked at when the end was told.
    const busy = Array.from({ length: 4 }, () => promisify(pbkdf2)('x', 'y', 2_000_000, 32, 'sha256'))
    assert.equal((await ask(20_000)).overflow, true)
    await Promise.all(busy)
    await stat(top)
    await refused('limit_reached', ask(0))
    await ask(0)
    await writeFile(host('file'), 'y')
    await told({ file: 'file' })
  })

  it('ends by a cancel, without requests, and with hands; takes one request at a time', async () => {
    await ask(0)
    const cancel = new AbortController()
    const waiting = ask(20_000, {}, cancel.signal)
    await refused('bad_input', ask(0))
    cancel.abort()
    await refused('cancelled', waiting)
    for (let i = 0; i < 16; i += 1) await ask(0, { watch: `w${i}` })
    await refused('limit_reached', ask(0, { watch: 'one more' }))
    watches.close()
    await ask(0, { watch: 'one more' })
    await refused('not_found', ask(0, { watch: 'v', path: '/shared/none' }))
    await refused('path_refused', ask(0, { watch: 'v', path: '/etc' }))
    await refused('bad_input', ask(0, { watch: '' }))
  })
})
