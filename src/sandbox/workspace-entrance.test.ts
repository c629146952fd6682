import assert from 'node:assert/strict'
import { chmod, link, lstat, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { giveAtOnce } from './limits.ts'
import { createGiver, giveFolders } from './workspace-entrance.ts'

describe('folders that sandboxes share', () => {
  it('are given to the first one in, and anew when all have left: never while somebody lives there', async () => {
    let calls = 0
    const enter = createGiver(() => {
      calls += 1
      return Promise.resolve()
    })
    const [first, second] = [await enter(), await enter()]
    assert.equal(calls, 1)
    first()
    // Leaving twice is leaving once.
    first()
    const third = await enter()
    assert.equal(calls, 1)
    second()
    third()
    await enter()
    assert.equal(calls, 2)
  })

  it('let nobody in before they are given', async () => {
    const giving = Promise.withResolvers<void>()
    const enter = createGiver(() => giving.promise)
    let inside = 0
    const both = [enter(), enter()].map((one) => one.then(() => (inside += 1)))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(inside, 0)
    giving.resolve()
    await Promise.all(both)
    assert.equal(inside, 2)
  })

  it('are tried again after they could not be given', async () => {
    let calls = 0
    const enter = createGiver(() => {
      calls += 1
      return calls === 1 ? Promise.reject(new Error('no')) : Promise.resolve()
    })
    await assert.rejects(enter())
    await enter()
    assert.equal(calls, 2)
  })
})

const uid = 60_999

describe('folders given to hands', { skip: process.getuid?.() !== 0 && 'only root can give files away' }, () => {
  let root: string
  let shared: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'oxbow-give-'))
    shared = join(root, 'shared')
    await mkdir(join(shared, 'deep/er'), { recursive: true })
    await writeFile(join(root, 'outside'), '')
    await writeFile(join(shared, 'deep/er/file'), '')
    await writeFile(join(shared, 'marked'), '', { mode: 0o755 })
    await chmod(join(shared, 'marked'), 0o6755)
    await writeFile(join(shared, 'a\nline'), '')
    await symlink(join(root, 'outside'), join(shared, 'link'))
    await symlink(root, join(shared, 'folder-link'))
    await writeFile(join(root, 'two names'), '')
    await link(join(root, 'two names'), join(shared, 'second'))
  })
  afterEach(() => rm(root, { recursive: true }))

  const check = async (): Promise<void> => {
    const ownerOf = async (path: string): Promise<number> => (await lstat(join(root, path))).uid
    for (const path of [
      'shared',
      'shared/deep',
      'shared/deep/er/file',
      'shared/marked',
      'shared/a\nline',
      'shared/link',
      'shared/folder-link',
    ])
      assert.equal(await ownerOf(path), uid, path)
    for (const path of ['', 'outside', 'two names', 'shared/second']) assert.equal(await ownerOf(path), 0, path)
    assert.equal((await lstat(join(shared, 'marked'))).mode & 0o7777, 0o755)
  }

  it('are all theirs, but for what has a second name and what links lead to; nothing is marked to run as its owner', async () => {
    await giveFolders([shared], uid)
    await check()
  })

  it('are the same when they are large, also the second time, when one file of them is new', async () => {
    const many = join(shared, 'many')
    await mkdir(many)
    await Promise.all(Array.from({ length: giveAtOnce + 50 }, (_, i) => writeFile(join(many, `f${i}`), '')))
    await giveFolders([shared], uid)
    await check()
    for (const name of ['f0', `f${giveAtOnce + 49}`]) assert.equal((await lstat(join(many, name))).uid, uid)
    await writeFile(join(many, 'new'), '')
    await chmod(join(many, 'f7'), 0o4755)
    await giveFolders([shared], uid)
    assert.equal((await lstat(join(many, 'new'))).uid, uid)
    assert.equal((await lstat(join(many, 'f7'))).mode & 0o7777, 0o755)
  })

  it('may be missing', async () => {
    await giveFolders([join(root, 'none')], uid)
  })
})
