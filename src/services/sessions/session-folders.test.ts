import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Documents } from '../../kernel/index.ts'
import type { SessionId } from '../../base/index.ts'
import { foldersOf } from './session-folders.ts'

const id = (name: string): SessionId => name as SessionId

/** Folders by session; counts what is read. */
function heldFolders(folders: Readonly<Record<string, string>>) {
  const read: string[] = []
  const document = (name: string) => ({ category: 'system/session_folders', name, value: folders[name]!, version: 1, at: 0 })
  const documents = {
    get: async (_: string, name: string) => (read.push(name), name in folders ? document(name) : null),
    list: async (_: string, limit: number) => Object.keys(folders).slice(0, limit).map(document),
  } as unknown as Pick<Documents, 'get' | 'list'>
  return { documents, read }
}

test('a list reads the folders of the sessions that it shows, however many others have one', async () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`s${at}`, `/home/ada/${at}`]))
  const { documents, read } = heldFolders(many)
  assert.deepEqual(
    [...(await foldersOf(documents, [id('s3'), id('none'), id('s7')]))],
    [
      ['s3', '/home/ada/3'],
      ['s7', '/home/ada/7'],
    ],
  )
  assert.deepEqual(read, ['s3', 'none', 's7'])
})

test('where no session has a folder, none is looked for', async () => {
  const { documents, read } = heldFolders({})
  assert.equal((await foldersOf(documents, [id('a'), id('b')])).size, 0)
  assert.deepEqual(read, [])
})
