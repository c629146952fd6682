import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { homeItems } from '../../config/index.ts'
import { snapshotOf } from './home-files.ts'

test('large files of versions are linked into a backup, not copied, and one that is being written is left out', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-versions-'))
  try {
    for (const name of ['objects/pack/a.pack', 'large/content', 'large/draft', 'refs/heads/main']) {
      mkdirSync(join(folder, name, '..'), { recursive: true })
      writeFileSync(join(folder, name), name)
    }
    const found = await snapshotOf(
      homeItems.find(({ id }) => id === 'versions')!,
      folder,
    )
    const inode = (root: string, name: string): number => statSync(join(root, name)).ino
    for (const name of ['objects/pack/a.pack', 'large/content']) assert.equal(inode(found.folder, name), inode(folder, name), name)
    assert.notEqual(inode(found.folder, 'refs/heads/main'), inode(folder, 'refs/heads/main'), 'refs change')
    assert.ok(!existsSync(join(found.folder, 'large/draft')))
  } finally {
    for (const each of [folder, `${folder}.backing-up`]) rmSync(each, { recursive: true, force: true })
  }
})
