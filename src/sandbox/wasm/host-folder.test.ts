import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { readHostFolder, writeHostFolder } from './host-folder.ts'
import type { ToolChange } from './wasm-tool.ts'

let base = ''
let folder = ''

beforeEach(() => {
  if (base !== '') rmSync(base, { recursive: true })
  base = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-mount-')))
  folder = join(base, 'data')
  mkdirSync(join(folder, 'sub'), { recursive: true })
  writeFileSync(join(base, 'outside'), 'secret')
  writeFileSync(join(folder, 'a'), 'one', { mode: 0o755 })
  writeFileSync(join(folder, 'sub', 'b'), 'two')
})

after(() => rmSync(base, { recursive: true, force: true }))

const written = (path: string, text: string): ToolChange => ({ kind: 'written', path, bytes: new TextEncoder().encode(text) })
const read = (...names: readonly string[]): string => readFileSync(join(folder, ...names), 'utf8')

async function refusal(changes: readonly ToolChange[], between = (): void => {}): Promise<string> {
  const mounted = await readHostFolder(folder, 'rw')
  between()
  try {
    await writeHostFolder(mounted, changes)
  } catch (error) {
    assert.ok(isOxbowError(error, 'path_refused'), String(error))
    return error.message
  }
  throw new assert.AssertionError({ message: 'it was written' })
}

void test('files are read by their path, and links, also to folders, are named and left out', async () => {
  symlinkSync('../outside', join(folder, 'link'))
  symlinkSync('..', join(folder, 'up'))
  const { mount, leftOut } = await readHostFolder(folder, 'ro')
  assert.deepEqual([mount.guest, mount.mode], ['/data', 'ro'])
  assert.deepEqual(mount.files.map(({ path, bytes }) => `${path} ${new TextDecoder().decode(bytes)}`).sort(), ['a one', 'sub/b two'])
  assert.deepEqual([...leftOut].sort(), ['link', 'up'])
})

void test('what is no folder cannot be mounted', async () => {
  await assert.rejects(readHostFolder(join(folder, 'a'), 'ro'), { code: 'path_refused' })
  await assert.rejects(readHostFolder(join(folder, 'none'), 'ro'), { code: 'not_found' })
  await assert.rejects(readHostFolder('/', 'ro'), { code: 'path_refused' })
})

void test('changes are written, made and removed, modes stay, and nothing else is touched', async () => {
  const mounted = await readHostFolder(folder, 'rw')
  await writeHostFolder(mounted, [
    { kind: 'removed', path: '/data/sub/b' },
    { kind: 'removed', path: '/data/sub' },
    written('/data/a', 'changed'),
    { kind: 'folder_made', path: '/data/new' },
    written('/data/new/c', ''),
    written('/elsewhere/x', 'not of this mount'),
  ])
  assert.deepEqual(readdirSync(folder).sort(), ['a', 'new'])
  assert.deepEqual([read('a'), read('new', 'c')], ['changed', ''])
  assert.equal(statSync(join(folder, 'a')).mode & 0o777, 0o755)
})

void test('a read-only mount is never written', async () => {
  await writeHostFolder(await readHostFolder(folder, 'ro'), [written('/data/a', 'changed')])
  assert.equal(read('a'), 'one')
})

void test('nothing is written through a link, over one, or by a path that climbs', async () => {
  symlinkSync('../outside', join(folder, 'link'))
  symlinkSync('..', join(folder, 'up'))
  assert.match(await refusal([written('/data/link', 'x')]), /not a regular file/)
  assert.match(await refusal([written('/data/up/outside', 'x')]), /folder is a link/)
  assert.match(await refusal([{ kind: 'removed', path: '/data/up/outside' }]), /folder is a link/)
  assert.match(await refusal([written('/data/../outside', 'x')]), /not a plain name/)
  assert.match(await refusal([written('/data/', 'x')]), /not a plain name/)
  // Also when the link came while the tool ran.
  const swap = (): void => {
    rmSync(join(folder, 'sub'), { recursive: true })
    symlinkSync('..', join(folder, 'sub'))
  }
  assert.match(await refusal([written('/data/sub/outside', 'x')], swap), /folder is a link/)
  assert.equal(readFileSync(join(base, 'outside'), 'utf8'), 'secret')
})

void test('a change that cannot be written leaves no half of it', async () => {
  assert.match(await refusal([written('/data/sub', 'a file over a folder')]), /EISDIR|ENOTEMPTY|EEXIST/)
  assert.match(await refusal([{ kind: 'removed', path: '/data/sub' }]), /ENOTEMPTY/)
  assert.deepEqual(readdirSync(folder).sort(), ['a', 'sub'])
  assert.equal(existsSync(join(folder, 'sub', 'b')), true)
})
