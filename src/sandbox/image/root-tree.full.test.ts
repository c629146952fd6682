/** The root of containers and machines: whole, the same for the same sources, and made once. */
import assert from 'node:assert/strict'
import { chmod, lstat, mkdtemp, readFile, readdir, readlink, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ownSearchPath, runOnHost } from '../host-programs.ts'
import { addFrom, type RootEntries } from './root-entries.ts'
import { buildRootTree, isRootTree, parseLdd, type RootTree, type RootTreeOptions } from './root-tree.ts'

const found = (await runOnHost('/bin/sh', ['-c', 'command -v busybox && command -v ldd'])).exitCode === 0
const skip = found ? false : 'needs busybox: apt-get install busybox-static'

describe('a root tree', { skip }, () => {
  let folder: string
  let tree: RootTree
  const build = async (more: Partial<RootTreeOptions> = {}): Promise<RootTree> => {
    const made = await buildRootTree(folder, { extras: [], files: [], searchPath: ownSearchPath(), ...more })
    assert.ok(isRootTree(made), JSON.stringify(made))
    return made
  }
  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-root-')))
    await writeFile(join(folder, 'tool'), '#!/bin/sh\n')
    await chmod(join(folder, 'tool'), 0o700)
    tree = await build()
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('is made once for the same sources, and leaves no draft', async () => {
    const again = await build()
    assert.deepEqual(again, { ...tree, fresh: false })
    assert.deepEqual((await readdir(folder)).sort(), [tree.key, 'tool'].sort())
  })

  it('has another key for another text, file or program', async () => {
    const path = '/opt/oxbow/x'
    const keys = [tree.key]
    for (const text of ['a', 'b']) keys.push((await build({ files: [{ path, text }] })).key)
    const withTool = await build({ files: [{ path, source: join(folder, 'tool') }] })
    keys.push(withTool.key)
    assert.equal((await stat(join(withTool.root, path))).mode & 0o7777, 0o755)
    await writeFile(join(folder, 'tool'), '#!/bin/sh\ntrue\n')
    keys.push((await build({ files: [{ path, source: join(folder, 'tool') }] })).key)
    assert.equal(new Set(keys).size, 5, keys.join())
  })

  it('holds Node, its libraries with the loader, and a shell', async () => {
    const { stdout } = await runOnHost('ldd', [process.execPath])
    for (const path of [...parseLdd(stdout), '/opt/oxbow/node', '/usr/local/bin/node']) await lstat(join(tree.root, path))
    assert.equal(await readlink(join(tree.root, 'bin')), 'usr/bin')
    assert.equal(await readlink(join(tree.root, 'usr/bin/sh')), 'busybox')
    for (const path of ['shared', 'tmp', 'vault', 'proc', 'dev', 'sys', 'run']) assert.deepEqual(await readdir(join(tree.root, path)), [])
    if (process.getuid?.() !== 0) return
    const { stdout: version } = await runOnHost('chroot', [tree.root, '/bin/sh', '-c', 'node --version'])
    assert.equal(version.trim(), process.version)
  })

  it('belongs to root where root made it, and nobody else can write it', async () => {
    const uid = process.getuid?.()
    for (const name of await readdir(tree.root, { recursive: true })) {
      const stats = await lstat(join(tree.root, name))
      if (uid === 0) assert.equal(`${stats.uid}:${stats.gid}`, '0:0', name)
      if (!stats.isSymbolicLink() && !name.endsWith('tmp')) assert.equal(stats.mode & 0o7022, 0, name)
    }
  })

  it('knows the account that hands run as', async () => {
    assert.match(await readFile(join(tree.root, 'etc/passwd'), 'utf8'), /^agent:x:60999:60999:agent:\/tmp:\/bin\/sh$/m)
  })

  it('names what must be installed when this machine lacks it', async () => {
    const made = await buildRootTree(folder, { extras: ['ripgrep'], files: [], searchPath: '/nowhere' })
    assert.ok(!isRootTree(made))
    assert.equal(made.code, 'sandbox_missing')
    assert.match(made.hint, /apt-get install busybox-static libc-bin ripgrep/)
  })

  it('takes no link that leads out of a copied folder', async () => {
    const { symlinkSync, mkdirSync } = process.getBuiltinModule('node:fs')
    mkdirSync(join(folder, 'from'))
    symlinkSync('../..', join(folder, 'from/up'))
    symlinkSync('/etc', join(folder, 'from/etc'))
    symlinkSync('nothing', join(folder, 'from/dangling'))
    await writeFile(join(folder, 'from/real'), '')
    symlinkSync('real', join(folder, 'from/near'))
    const entries: RootEntries = new Map()
    addFrom(entries, '/usr/from', join(folder, 'from'), () => false)
    assert.deepEqual([...entries.keys()].sort(), ['/usr/from/near', '/usr/from/real'])
    await rm(join(folder, 'from'), { recursive: true })
  })
})

describe('what ldd says', () => {
  it('is read to the libraries, the loader among them', () => {
    const output =
      '/bin/x:\n\tlinux-vdso.so.1 (0x00007ffe)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n\tlibgone.so => not found\n\t/lib64/ld.so.2 (0x0f)\n/bin/s:\n\tstatically linked\n'
    assert.deepEqual(parseLdd(output), ['/lib/libc.so.6', '/lib64/ld.so.2'])
  })
})
