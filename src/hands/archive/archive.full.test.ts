/** Archives in and out, held against the tar of this machine, and against archives that were made to do harm. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, lstat, mkdir, mkdtemp, readFile, readdir, readlink, realpath, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { encodeHeader, encodeRecord, type TarHeader } from '../../tar/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import { toReplyFailure } from '../failure.ts'
import { contentHash } from '../files/file-state.ts'
import type { Root } from '../files/workspace-path.ts'
import { createPacker } from './pack-folder.ts'
import { createUnpacker } from './unpack-folder.ts'
import { scaled } from '../../../test/support/scale.ts'

const calm = new AbortController().signal

describe('an archive', () => {
  let [top, count] = ['', 0]
  let roots: readonly Root[] = []
  before(async () => {
    top = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-tar-')))
    roots = ['shared', 'tmp'].map((name) => ({ virtual: `/${name}`, real: join(top, name) }))
  })
  beforeEach(async () => {
    for (const name of ['shared', 'tmp']) {
      await rm(join(top, name), { recursive: true, force: true })
      await mkdir(join(top, name))
    }
  })
  after(() => rm(top, { recursive: true }))
  const host = (path: string) => join(top, 'shared', path)

  async function pack(path: string, maxBytes = 700): Promise<{ bytes: Buffer; skipped: number }> {
    const packer = createPacker(roots)
    const pieces: Uint8Array[] = []
    const transfer = `t${(count += 1)}`
    for (let offset = 0; ;) {
      const { content, done, skipped } = await packer.archive({ path: `/shared/${path}`, transfer, offset, maxBytes }, calm)
      pieces.push(content)
      offset += content.length
      if (done) return { bytes: Buffer.concat(pieces), skipped }
      assert.equal(content.length, maxBytes)
    }
  }
  async function unpack(bytes: Buffer, path = 'out', options: { piece?: number; overwrite?: boolean } = {}) {
    const { piece = 1_000, overwrite = false } = options
    const unpacker = createUnpacker(roots)
    const transfer = `t${(count += 1)}`
    try {
      for (let offset = 0; ; offset += piece) {
        const last = offset + piece >= bytes.length
        const content = bytes.subarray(offset, offset + piece)
        const done = await unpacker.unpack({ path: `/shared/${path}`, transfer, offset, content, last, overwrite }, calm)
        if (last) return done
      }
    } finally {
      await unpacker.close()
    }
  }
  async function refused(code: ErrorCode, work: Promise<unknown>): Promise<string> {
    const error: unknown = await work.then(
      () => assert.fail('it was done'),
      (reason: unknown) => reason,
    )
    const failure = toReplyFailure(error)
    assert.equal(failure.code, code, failure.message)
    return failure.message
  }

  /** Every path below with what it is. */
  async function tree(folder: string): Promise<Record<string, string>> {
    const all: Record<string, string> = {}
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      const stats = await lstat(path)
      const what = stats.isFile()
        ? (await readFile(path)).toString('base64')
        : stats.isSymbolicLink()
          ? `-> ${await readlink(path)}`
          : 'folder'
      all[path.slice(folder.length + 1)] = stats.isSymbolicLink() ? what : `${(stats.mode & 0o777).toString(8)} ${what}`
    }
    return all
  }

  async function makeTree(name: string): Promise<void> {
    await mkdir(host(`${name}/deep/${'d'.repeat(90)}/${'e'.repeat(90)}`), { recursive: true })
    await mkdir(host(`${name}/empty`))
    await writeFile(host(`${name}/plain`), 'plain\n')
    await writeFile(host(`${name}/nothing`), '')
    await writeFile(host(`${name}/block`), Buffer.alloc(512, 1))
    await writeFile(host(`${name}/large`), Buffer.alloc(700_001, 'xy'))
    await writeFile(host(`${name}/ü ñ "name"\n`), 'ü')
    await writeFile(host(`${name}/deep/${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(120)}`), 'deep')
    await chmod(host(`${name}/plain`), 0o755)
    await utimes(host(`${name}/plain`), 1_600_000_000, 1_600_000_000)
    await symlink('../plain', host(`${name}/deep/up`))
    await symlink(`deep/${'d'.repeat(90)}/${'e'.repeat(90)}`, host(`${name}/long-link`))
  }

  it('can be unpacked by tar, and by hands', async () => {
    await makeTree('in')
    const { bytes, skipped } = await pack('in')
    assert.equal(skipped, 0)
    await mkdir(host('theirs'))
    execFileSync('tar', ['-x', '-C', host('theirs')], { input: bytes })
    const done = await unpack(bytes)
    assert.deepEqual([done.files, done.folders, done.links, done.bytes], [6, 4, 2, bytes.length])
    assert.deepEqual(await tree(host('theirs')), await tree(host('in')))
    assert.deepEqual(await tree(host('out')), await tree(host('in')))
    assert.equal((await stat(host('out/plain'))).mtimeMs, 1_600_000_000_000)
    assert.ok((await pack('in', 8_000_000)).bytes.equals(bytes), 'the size of the pieces changes nothing')
  })

  for (const format of ['gnu', 'pax', 'ustar', 'v7']) {
    it(`that tar packed (${format}) is unpacked`, async () => {
      await makeTree('in')
      if (format === 'ustar' || format === 'v7') await rm(host('in/deep'), { recursive: true })
      if (format === 'ustar' || format === 'v7') await rm(host('in/long-link'))
      const bytes = execFileSync('tar', ['-c', `--format=${format}`, '-C', host('in'), '.'], { maxBuffer: 10_000_000 })
      await unpack(bytes)
      assert.deepEqual(await tree(host('out')), await tree(host('in')))
    })
  }

  it('keeps hard links, and leaves out devices and sockets', async () => {
    await mkdir(host('in'))
    await writeFile(host('in/a'), 'one')
    execFileSync('ln', [host('in/a'), host('in/b')])
    const bytes = execFileSync('tar', ['-c', '-C', host('in'), '.'])
    assert.equal((await unpack(bytes)).files, 2)
    assert.equal((await stat(host('out/b'))).nlink, 2)
    execFileSync('mkfifo', [host('in/fifo')])
    assert.equal((await pack('in')).skipped, 1)
  })

  it('is as the folder was, whatever the names, sizes and pieces', async () => {
    const name = fc.constantFrom('a', 'b', 'ü', 'x'.repeat(120), ' ', '-', '.h', '=\n')
    const file = fc.tuple(
      fc.array(name, { minLength: 1, maxLength: 4 }),
      fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(new Uint8Array(512), new Uint8Array(1_025))),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(file, { maxLength: 8 }),
        fc.integer({ min: 1, max: 3_000 }),
        fc.integer({ min: 1, max: 3_000 }),
        async (files, out, into) => {
          const at = `p${(count += 1)}`
          await mkdir(host(at))
          for (const [path, content] of files) {
            await mkdir(host(join(at, ...path.slice(0, -1))), { recursive: true }).catch(() => undefined)
            await writeFile(host(join(at, ...path)), content).catch(() => undefined)
          }
          await unpack((await pack(at, out)).bytes, `${at}-out`, { piece: into })
          assert.deepEqual(await tree(host(`${at}-out`)), await tree(host(at)))
        },
      ),
      { numRuns: scaled(40) },
    )
  })

  const header = (more: Partial<Omit<TarHeader, 'name' | 'linkName'>> & { name: string; linkName?: string }) =>
    encodeHeader({
      flag: '0',
      mode: 0o644,
      bytes: 0,
      modifiedSeconds: 0,
      ...more,
      name: Buffer.from(more.name),
      linkName: Buffer.from(more.linkName ?? ''),
    })
  const end = Buffer.alloc(1_024)
  const tar = (...parts: Buffer[]) => Buffer.concat([...parts, end])
  const body = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
  const pax = (key: string, value: string) => {
    const record = encodeRecord(key, Buffer.from(value))
    return Buffer.concat([header({ name: 'x', flag: 'x', bytes: record.length }), body(record)])
  }
  const link = (name: string, linkName: string) => header({ name, linkName, flag: '2' })

  const harmful: readonly (readonly [what: string, code: ErrorCode, archive: Buffer])[] = [
    ['an absolute path', 'path_refused', tar(header({ name: '/etc/x' }))],
    ['a path that leads up', 'path_refused', tar(header({ name: 'a/../../x' }))],
    ['a path that leads up in an extended header', 'path_refused', tar(pax('path', '../x'), header({ name: 'x' }))],
    ['an absolute link', 'path_refused', tar(link('l', '/etc'))],
    ['a link that leads up', 'path_refused', tar(link('a/l', '../../x'))],
    ['a link that leads up behind a name', 'path_refused', tar(link('p/q/x', '../..'), link('z', 'p/q/x/../y'))],
    ['a link that leads nowhere', 'path_refused', tar(link('l', ''))],
    ['a file through a link', 'path_refused', tar(link('l', '.'), header({ name: 'l/x' }))],
    ['a folder over a link', 'path_refused', tar(link('l', '.'), header({ name: 'l', flag: '5' }))],
    ['a file over a link', 'path_refused', tar(link('l', 'x'), header({ name: 'l' }))],
    ['a file that stands there twice', 'path_refused', tar(header({ name: 'a' }), header({ name: './a' }))],
    ['a hard link out', 'path_refused', tar(header({ name: 'h', flag: '1', linkName: '/etc/passwd' }))],
    ['a hard link up', 'path_refused', tar(header({ name: 'h', flag: '1', linkName: '../x' }))],
    ['a hard link to a link', 'path_refused', tar(link('l', 'x'), header({ name: 'h', flag: '1', linkName: 'l' }))],
    ['a hard link to nothing', 'path_refused', tar(header({ name: 'h', flag: '1', linkName: 'no' }))],
    ['a device', 'bad_input', tar(header({ name: 'd', flag: '3' }))],
    ['a FIFO', 'bad_input', tar(header({ name: 'd', flag: '6' }))],
    ['a sparse file', 'bad_input', tar(header({ name: 'd', flag: 'S' }))],
    ['a sparse file of pax', 'bad_input', tar(pax('GNU.sparse.realsize', '1099511627776'), header({ name: 'd' }))],
    ['a file of 1 TiB', 'limit_reached', tar(pax('size', '1099511627776'), header({ name: 'd' }))],
    ['a file larger than any number', 'bad_input', tar(pax('size', '99999999999999999999'), header({ name: 'd' }))],
    [
      'files that are too large together',
      'limit_reached',
      tar(header({ name: 'a', bytes: 512 }), Buffer.alloc(512), header({ name: 'b', bytes: 2 ** 31 - 100 })),
    ],
    ['a setuid bit', 'path_refused', tar(header({ name: 's', mode: 0o4755 }))],
    ['a setgid bit', 'path_refused', tar(header({ name: 's', mode: 0o2755 }))],
    ['a hook of git', 'path_refused', tar(header({ name: '.git/hooks/pre-commit', mode: 0o755 }))],
    ['settings of git', 'path_refused', tar(header({ name: 'r/.git/config' }))],
    ['a folder with bytes', 'bad_input', tar(header({ name: 'd', flag: '5', bytes: 512 }), Buffer.alloc(512))],
    [
      'a name that is not text',
      'bad_input',
      tar(encodeHeader({ flag: '0', name: Buffer.from([0xff]), linkName: Buffer.alloc(0), mode: 0, bytes: 0, modifiedSeconds: 0 })),
    ],
    ['a name with a NUL', 'bad_input', tar(pax('path', 'a\0b'), header({ name: 'd' }))],
    ['an extended header without end', 'bad_input', tar(header({ name: 'x', flag: 'x', bytes: 10_000_000 }))],
    ['a damaged extended header', 'bad_input', tar(header({ name: 'x', flag: 'x', bytes: 5 }), body(Buffer.from('99 a=')))],
    ['a wrong checksum', 'bad_input', tar(Buffer.alloc(512, 1))],
    ['an end too early', 'bad_input', header({ name: 'x', bytes: 5 })],
    ['an end without its mark', 'bad_input', header({ name: 'x' })],
    ['nothing', 'bad_input', Buffer.alloc(0)],
    ['a path too deep', 'path_refused', tar(pax('path', 'a/'.repeat(70)), header({ name: 'x' }))],
  ]
  for (const [what, code, archive] of harmful) {
    it(`with ${what} is refused as a whole`, async () => {
      await refused(code, unpack(Buffer.concat([header({ name: 'good', bytes: 0 }), archive]), 'deep/out'))
      assert.deepEqual(await readdir(host('deep')), ['out'])
      assert.deepEqual([await readdir(host('deep/out')), await readdir(join(top, 'tmp/.oxbow-uploads'))], [[], []])
    })
  }

  it('of more entries than there may be is refused', async () => {
    const many = Buffer.concat(Array.from({ length: 50_001 }, () => header({ name: 'd/', flag: '5' })))
    assert.match(await refused('limit_reached', unpack(tar(many), 'out', { piece: 8_000_000 })), /entries/)
  })

  it('is merged into an existing folder, and replaces files only with overwrite, never folders, never through a link', async () => {
    await mkdir(host('out/sub'), { recursive: true })
    await writeFile(host('out/sub/old'), 'old')
    await symlink(join(top, 'tmp'), host('out/way'))
    const archive = (name: string) => tar(header({ name: 'new/deep' }), header({ name, bytes: 3 }), body(Buffer.from('new')))
    await refused('tool_failed', unpack(archive('sub/old')))
    await refused('path_refused', unpack(archive('sub'), 'out', { overwrite: true }))
    await refused('path_refused', unpack(archive('way/x'), 'out', { overwrite: true }))
    assert.deepEqual((await readdir(host('out'))).sort(), ['sub', 'way'])
    await unpack(archive('sub/old'), 'out', { overwrite: true })
    assert.equal(await readFile(host('out/sub/old'), 'utf8'), 'new')
    assert.deepEqual((await readdir(host('out'))).sort(), ['new', 'sub', 'way'])
    await unpack(tar(header({ name: 'top' })), '', {})
    assert.deepEqual((await readdir(host(''))).sort(), ['out', 'top'])
  })

  it('of a version puts back links that lead anywhere, and leaves who may read a file', async () => {
    await mkdir(host('out'))
    await writeFile(host('out/key'), 'old')
    await writeFile(host('out/run'), 'old')
    await chmod(host('out/key'), 0o600)
    await chmod(host('out/run'), 0o740)
    const content = tar(
      header({ name: 'key', bytes: 3 }), body(Buffer.from('new')), header({ name: 'run', bytes: 3, mode: 0o755 }), body(Buffer.from('new')),
      link('way', '/etc/hostname'),
    ) // prettier-ignore
    const replaces = ['key', 'run', 'way'].map((path) => ({ path, hash: path === 'way' ? '' : contentHash(Buffer.from('old')) }))
    const unpacker = createUnpacker(roots)
    const { kept } = await unpacker.unpack(
      { path: '/shared/out', transfer: 'v', offset: 0, content, last: true, overwrite: true, replaces },
      calm,
    )
    await unpacker.close()
    assert.deepEqual(kept, [])
    assert.equal(await readlink(host('out/way')), '/etc/hostname')
    assert.deepEqual([(await stat(host('out/key'))).mode & 0o777, (await stat(host('out/run'))).mode & 0o777], [0o600, 0o750])
  })

  it('that is not finished leaves nothing', async () => {
    const unpacker = createUnpacker(roots)
    const part = header({ name: 'a', bytes: 2_000 })
    await unpacker.unpack({ path: '/shared/out', transfer: 't', offset: 0, content: part, last: false, overwrite: false }, calm)
    assert.equal((await readdir(host(''))).length, 2)
    await unpacker.close()
    assert.deepEqual(await readdir(host('')), ['out'])
  })

  it('is only made of folders', async () => {
    const packer = createPacker(roots)
    const ask = (path: string) => packer.archive({ path, transfer: 't', offset: 0, maxBytes: 100 }, calm)
    await writeFile(host('file'), 'x')
    await refused('not_found', ask('/shared/file'))
    await refused('not_found', ask('/shared/none'))
    await refused('path_refused', ask('/etc'))
  })
})
