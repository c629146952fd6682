import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isOxbowError } from '../base/index.ts'
import { addFolder, type FolderPlace, foldersFile, listFolders, removeFolder, sharedPathOf } from './folders.ts'
import { openHome, openWorkspace, parseUser } from './home.ts'

function withPlace(run: (place: FolderPlace, root: string) => void): void {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-folders-')))
  try {
    mkdirSync(join(root, 'person/projects/site'), { recursive: true })
    // Run as root, agents work under another account.
    for (const path of ['person', 'person/projects', 'person/projects/site']) chmodSync(join(root, path), 0o777)
    const env = { HOME: join(root, 'person'), OXBOW_HOME: join(root, 'oxbow') }
    const home = openHome(env)
    run({ home, workspace: openWorkspace(home, parseUser('ada')), env }, root)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

test('a folder is listed under its name until it is removed, and links lead to the folder itself', () => {
  withPlace((place, root) => {
    const site = join(root, 'person/projects/site')
    symlinkSync(site, join(root, 'link'))
    const added = addFolder(place, { path: join(root, 'link'), readOnly: true })
    assert.deepEqual(added, { name: 'site', path: site, readOnly: true })
    assert.equal(sharedPathOf(place, site), '/shared/site')
    assert.deepEqual(addFolder(place, { path: site, name: 'web', readOnly: false }), { name: 'web', path: site, readOnly: false })
    assert.equal(listFolders(place.home, place.workspace.user).length, 1, 'the same folder is listed once')
    removeFolder(place, 'web')
    assert.deepEqual(listFolders(place.home, place.workspace.user), [])
  })
})

test('homes, dot folders, devices, system folders and Oxbow’s own are refused', () => {
  withPlace((place, root) => {
    mkdirSync(join(root, 'person/.ssh/deep'), { recursive: true })
    symlinkSync(join(root, 'person/.ssh'), join(root, 'keys'))
    for (const name of ['person', 'person/.ssh', 'person/.ssh/deep', 'keys', 'oxbow', 'oxbow/users/ada/shared', '.'])
      assert.throws(
        () => addFolder(place, { path: join(root, name), readOnly: true }),
        (error) => isOxbowError(error, 'path_refused'),
        name,
      )
    for (const path of ['/', '/dev', '/dev/shm', '/proc/self', '/etc', '/usr/lib'])
      assert.throws(
        () => addFolder(place, { path, readOnly: true }),
        (error) => isOxbowError(error, 'path_refused'),
        path,
      )
    writeFileSync(join(root, 'file'), '')
    assert.throws(
      () => addFolder(place, { path: join(root, 'file'), readOnly: true }),
      (error) => isOxbowError(error, 'bad_input'),
    )
    assert.throws(
      () => addFolder(place, { path: join(root, 'nothing'), readOnly: true }),
      (error) => isOxbowError(error, 'not_found'),
    )
  })
})

test('a folder inside another one, or around it, is refused; its path for agents leads through that one', () => {
  withPlace((place, root) => {
    mkdirSync(join(root, 'person/projects/site/pages'))
    chmodSync(join(root, 'person/projects/site/pages'), 0o777)
    addFolder(place, { path: join(root, 'person/projects/site'), readOnly: false })
    assert.equal(sharedPathOf(place, join(root, 'person/projects/site/pages')), '/shared/site/pages')
    assert.equal(sharedPathOf(place, join(root, 'person/projects')), undefined)
    for (const name of ['person/projects/site/pages', 'person/projects'])
      assert.throws(
        () => addFolder(place, { path: join(root, name), readOnly: false }),
        (error) => isOxbowError(error, 'path_refused'),
        name,
      )
  })
})

test('a name that is taken, leads elsewhere or hides files of the workspace is refused', () => {
  withPlace((place, root) => {
    const path = join(root, 'person/projects/site')
    writeFileSync(join(place.workspace.shared, 'file'), '')
    mkdirSync(join(place.workspace.shared, 'full/inside'), { recursive: true })
    for (const name of ['..', 'a/b', '.git', '', 'file', 'full', 'a\nb'])
      assert.throws(
        () => addFolder(place, { path, name, readOnly: false }),
        (error) => isOxbowError(error, 'bad_input'),
        name,
      )
    mkdirSync(join(root, 'person/other/site'), { recursive: true })
    chmodSync(join(root, 'person/other/site'), 0o777)
    addFolder(place, { path, readOnly: false })
    assert.throws(() => addFolder(place, { path: join(root, 'person/other/site'), readOnly: false }), /already a folder site/)
    writeFileSync(foldersFile(place.home, place.workspace.user), '{')
    assert.throws(() => listFolders(place.home, place.workspace.user), /is damaged/)
  })
})

test(
  'as root, a folder in which agents cannot write is refused with what to do; read-only it is not',
  { skip: process.getuid?.() !== 0 && 'only root is another account than its agents' },
  () => {
    withPlace((place, root) => {
      const site = join(root, 'person/projects/site')
      chmodSync(site, 0o755)
      assert.throws(() => addFolder(place, { path: site, readOnly: false }), { code: 'path_refused', hint: /--read-only.*chown -R/ })
      assert.deepEqual(listFolders(place.home, place.workspace.user), [])
      assert.equal(addFolder(place, { path: site, readOnly: true }).name, 'site')
    })
  },
)
