import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { createFolderBook } from './folder-book.ts'

describe('a folder that a tier does not show', () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-book-')))
  after(() => rmSync(root, { recursive: true }))
  const place = (name: string) => {
    const [shared, path] = [join(root, name, 'shared'), join(root, name, 'proj')]
    for (const folder of [shared, path]) mkdirSync(folder, { recursive: true })
    return { shared, folder: { name: 'ro', path, readOnly: true } }
  }

  it('has no mount point, which would be an empty folder that agents can write, and says why', async () => {
    for (const shows of ['writable', undefined] as const) {
      const { shared, folder } = place(`a-${shows}`)
      const book = createFolderBook(shared, () => {})
      await book.open([folder], shows)
      assert.deepEqual([book.mounts(), readdirSync(shared)], [[], []])
      assert.match(book.list()[0]!.problem, shows === undefined ? /not visible in this tier/ : /read-only, which only/)
    }
  })

  it('loses the empty mount point of another tier, and nothing that the workspace has under the name', async () => {
    const { shared, folder } = place('b')
    await createFolderBook(shared, () => {}).open([folder], true)
    assert.deepEqual(readdirSync(shared), ['ro'])
    await createFolderBook(shared, () => {}).open([folder], 'writable')
    assert.deepEqual(readdirSync(shared), [])
    mkdirSync(join(shared, 'ro'))
    writeFileSync(join(shared, 'ro/own.txt'), '')
    await createFolderBook(shared, () => {}).open([folder], 'writable')
    assert.deepEqual(readdirSync(join(shared, 'ro')), ['own.txt'])
  })

  it('is missed in the same way where it is gone from the host', async () => {
    const { shared, folder } = place('c')
    await createFolderBook(shared, () => {}).open([folder], true)
    rmSync(folder.path, { recursive: true })
    const book = createFolderBook(shared, () => {})
    await book.open([folder], true)
    assert.deepEqual([book.list()[0]!.problem, readdirSync(shared)], ['does not exist', []])
  })
})
