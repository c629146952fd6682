/** The folders of a tool, spoken to as a module does: by descriptors and paths. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpenFile, wasi } from '@bjorn3/browser_wasi_shim'
import fc from 'fast-check'
import { isFailed } from './tool-failure.ts'
import { changesIn, type MountedFolder, mountFolders, movePath } from './tool-tree.ts'
import { isPlainPath } from './wasm-tool.ts'
import { scaled } from '../../../test/support/scale.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const all = BigInt(wasi.RIGHTS_FD_READ | wasi.RIGHTS_FD_WRITE)
const readOnly = BigInt(wasi.RIGHTS_FD_READ)

function twoMounts(maxBytes = 1_000): readonly [MountedFolder, MountedFolder] {
  const [ro, rw] = mountFolders(
    [
      {
        guest: '/ro',
        mode: 'ro',
        files: [
          { path: 'a', bytes: bytes('one') },
          { path: 'd/b', bytes: bytes('two') },
        ],
      },
      {
        guest: '/rw',
        mode: 'rw',
        files: [
          { path: 'a', bytes: bytes('one') },
          { path: 'd/b', bytes: bytes('two') },
        ],
      },
    ],
    maxBytes,
  )
  assert.ok(ro !== undefined && rw !== undefined)
  return [ro, rw]
}

function openFile({ open }: MountedFolder, path: string, oflags = 0, rights = all): OpenFile {
  const { ret, fd_obj: file } = open.path_open(0, path, oflags, rights, 0n, 0)
  assert.ok(file instanceof OpenFile, `${path}: errno ${ret}`)
  return file
}

function changesWithin(mounts: readonly MountedFolder[], maxBytes = 1_000) {
  const changes = changesIn(mounts, maxBytes)
  assert.ok(!isFailed(changes))
  return changes
}

const changed = (mounts: readonly MountedFolder[]): readonly string[] =>
  changesWithin(mounts).map(
    (each) => `${each.kind} ${each.path}${each.kind === 'written' ? ` ${new TextDecoder().decode(each.bytes)}` : ''}`,
  )

void test('nothing in a read-only mount can be changed in any way', () => {
  const [ro, rw] = twoMounts()
  const { open } = ro
  const file = openFile(ro, 'a', 0, readOnly)
  assert.deepEqual(
    [
      open.path_open(0, 'a', 0, all, 0n, 0).ret,
      open.path_open(0, 'a', wasi.OFLAGS_TRUNC, readOnly, 0n, 0).ret,
      open.path_open(0, 'new', wasi.OFLAGS_CREAT, readOnly, 0n, 0).ret,
      open.path_create_directory('new'),
      open.path_create_directory('d'),
      open.path_unlink('a').ret,
      open.path_unlink_file('a'),
      open.path_remove_directory('d'),
      open.path_link('c', openFile(rw, 'a').file, true),
    ],
    Array.from({ length: 9 }, () => wasi.ERRNO_ROFS),
  )
  assert.deepEqual(
    [file.fd_write(bytes('x')).ret, file.fd_pwrite(bytes('x'), 0n).ret, file.fd_filestat_set_size(0n), file.fd_allocate(0n, 99n)],
    Array.from({ length: 4 }, () => wasi.ERRNO_BADF),
  )
  assert.deepEqual(file.fd_read(10).data, bytes('one'))
  // A second name for it in a folder that may be written changes nothing about that.
  assert.equal(rw.open.path_link('stolen', file.file, false), 0)
  assert.equal(rw.open.path_open(0, 'stolen', 0, all, 0n, 0).ret, wasi.ERRNO_ROFS)
  assert.deepEqual(changed([ro, rw]), ['written /rw/stolen one'])
})

void test('no path leads out of its mount, and there are no symbolic links', () => {
  const [ro, rw] = twoMounts()
  for (const { open } of [ro, rw]) {
    for (const path of ['..', '../rw/a', 'd/../../a', '/a', '/etc/passwd', 'd/../../../etc/passwd']) {
      assert.equal(open.path_open(0, path, wasi.OFLAGS_CREAT, readOnly, 0n, 0).ret, wasi.ERRNO_NOTCAPABLE, path)
      assert.notEqual(open.path_create_directory(path), 0, path)
    }
    assert.equal(open.path_open(0, 'd/../a', 0, readOnly, 0n, 0).ret, 0)
    assert.equal(open.path_open(0, 'a\0b', wasi.OFLAGS_CREAT, readOnly, 0n, 0).ret, wasi.ERRNO_INVAL)
    assert.equal(open.path_readlink('a').ret, wasi.ERRNO_NOTSUP)
  }
  assert.deepEqual(changed([ro, rw]), [])
})

void test('what was changed is told: written, made, removed, and what became something else', () => {
  const [ro, rw] = twoMounts()
  openFile(rw, 'a', wasi.OFLAGS_TRUNC).fd_write(bytes('1'))
  openFile(rw, 'n', wasi.OFLAGS_CREAT)
  // Written with what was there: no change.
  openFile(rw, 'd/b').fd_write(bytes('two'))
  assert.equal(rw.open.path_create_directory('e'), 0)
  assert.equal(rw.open.path_create_directory('e'), wasi.ERRNO_EXIST)
  assert.deepEqual(changed([ro, rw]), ['written /rw/a 1', 'written /rw/n ', 'folder_made /rw/e'])
  assert.equal(rw.open.path_unlink_file('a'), 0)
  assert.equal(rw.open.path_create_directory('a'), 0)
  assert.equal(movePath(rw.open, 'd', rw.open, 'd/inside'), wasi.ERRNO_NOENT)
  assert.equal(movePath(rw.open, 'd/', rw.open, 'd2/'), 0)
  assert.deepEqual(changed([ro, rw]), [
    'removed /rw/d/b',
    'removed /rw/d',
    'removed /rw/a',
    'written /rw/n ',
    'folder_made /rw/e',
    'folder_made /rw/a',
    'folder_made /rw/d2',
    'written /rw/d2/b two',
  ])
})

void test('a file grows where it is, keeps its content, and shows nothing of what it lost', () => {
  const [, rw] = twoMounts()
  const file = openFile(rw, 'a')
  for (let i = 0; i < 50; i += 1) assert.equal(file.fd_write(bytes('ab')).ret, 0)
  assert.equal(file.file.data.length, 100)
  // Within its capacity, and back to a part of it.
  for (const [less, more] of [
    [96n, 99n],
    [20n, 23n],
  ] as const) {
    assert.equal(file.fd_filestat_set_size(less), 0)
    assert.equal(file.fd_filestat_set_size(more), 0)
    assert.deepEqual(file.file.data.subarray(Number(less) - 1), new Uint8Array([98, 0, 0, 0]))
  }
  assert.equal(file.fd_pwrite(bytes('z'), 25n).ret, 0)
  assert.deepEqual(file.file.data.subarray(20), new Uint8Array([0, 0, 0, 0, 0, 122]))
})

void test('all files together have a size, at any time and in every way of growing', () => {
  const [, rw] = twoMounts(100)
  const file = openFile(rw, 'a')
  assert.equal(file.fd_filestat_set_size(10n ** 18n), wasi.ERRNO_FBIG)
  assert.equal(file.fd_allocate(0n, 101n), wasi.ERRNO_FBIG)
  assert.equal(file.fd_allocate(0n, -5n), 0)
  assert.equal(file.fd_pwrite(bytes('x'), -1n).ret, wasi.ERRNO_INVAL)
  assert.equal(file.fd_pwrite(bytes('x'), 2n ** 62n).ret, wasi.ERRNO_FBIG)
  assert.equal(file.fd_filestat_set_size(91n), 0)
  assert.equal(openFile(rw, 'n', wasi.OFLAGS_CREAT).fd_write(bytes('xy')).ret, wasi.ERRNO_NOSPC)
  openFile(rw, 'a', wasi.OFLAGS_TRUNC)
  assert.equal(openFile(rw, 'n').fd_write(bytes('xy')).ret, 0)
})

void test('a file of many names counts with each of them in what is given back', () => {
  const [, rw] = twoMounts(100)
  const { file } = openFile(rw, 'n', wasi.OFLAGS_CREAT)
  assert.equal(openFile(rw, 'n').fd_write(new Uint8Array(50)).ret, 0)
  assert.equal(rw.open.path_link('n2', file, false), 0)
  assert.equal(changesWithin([rw], 100).length, 2)
  assert.equal(rw.open.path_link('n3', file, false), 0)
  const refused = changesIn([rw], 100)
  assert.ok(isFailed(refused) && refused.failure.code === 'limit_reached')
})

void test('entries are counted, also those that are gone again', () => {
  const [, rw] = twoMounts()
  let made = 0
  for (; made < 20_000; made += 1) {
    if (rw.open.path_open(0, 'x', wasi.OFLAGS_CREAT, all, 0n, 0).ret !== 0) break
    rw.open.path_unlink_file('x')
  }
  assert.equal(made, 10_000 - 4)
  assert.equal(rw.open.path_open(0, 'x'.repeat(2_000), wasi.OFLAGS_CREAT, all, 0n, 0).ret, wasi.ERRNO_NAMETOOLONG)
})

const step = fc.record({
  mount: fc.nat(1),
  verb: fc.constantFrom('create', 'truncate', 'write', 'resize', 'folder', 'unlink', 'unfolder', 'link', 'move'),
  path: fc.array(fc.constantFrom('a', 'b', 'd', 'é', '.', '..', '', 'a\0'), { minLength: 1, maxLength: 4 }).map((names) => names.join('/')),
  other: fc.array(fc.constantFrom('a', 'b', 'd', '..'), { minLength: 1, maxLength: 3 }).map((names) => names.join('/')),
  size: fc.bigInt({ min: -10n, max: 300n }),
})

void test('law: whatever a tool does, read-only mounts stay as they are, changes are plain paths of writable ones, sizes hold', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const [ro, rw] = twoMounts(200)
      const mounts = [ro, rw]
      for (const { mount, verb, path, other, size } of steps) {
        const { open } = mounts[mount] ?? rw
        const target = (mounts[1 - mount] ?? ro).open
        const opened = open.path_open(0, path, verb === 'create' ? wasi.OFLAGS_CREAT : 0, readOnly, 0n, 0).fd_obj
        if (verb === 'truncate') open.path_open(0, path, wasi.OFLAGS_TRUNC, all, 0n, 0)
        else if (verb === 'write') opened?.fd_pwrite(bytes('some text'), size)
        else if (verb === 'resize') opened?.fd_filestat_set_size(size)
        else if (verb === 'folder') open.path_create_directory(path)
        else if (verb === 'unlink') open.path_unlink_file(path)
        else if (verb === 'unfolder') open.path_remove_directory(path)
        else if (verb === 'link' && opened instanceof OpenFile) target.path_link(other, opened.file, false)
        else if (verb === 'move') movePath(open, path, target, other)
      }
      assert.deepEqual([...ro.open.dir.contents.keys()], ['a', 'd'])
      assert.deepEqual(openFile(ro, 'a', 0, readOnly).file.data, bytes('one'))
      assert.deepEqual(openFile(ro, 'd/b', 0, readOnly).file.data, bytes('two'))
      const changes = changesWithin(mounts, 2_000)
      for (const { path } of changes) assert.ok(path.startsWith('/rw/') && isPlainPath(path.slice(4)), path)
      assert.ok(changes.reduce((sum, each) => sum + (each.kind === 'written' ? each.bytes.length : 0), 0) <= 2_000)
    }),
    { numRuns: scaled(500) },
  )
})
