import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readFile, readdir, readlink, realpath, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { ErrorCode } from '../../base/index.ts'
import type { HandsOps } from '../../protocol/index.ts'
import { toReplyFailure } from '../failure.ts'
import type { Root } from '../files/workspace-path.ts'
import { createUploads } from './put-file.ts'
import { sweepUploads } from './transfers.ts'
import { scaled } from '../../../test/support/scale.ts'

const calm = new AbortController().signal
type Input = HandsOps['put']['input']

describe('a file that is written in pieces', () => {
  let top = ''
  let roots: readonly Root[] = []
  before(async () => {
    top = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-put-')))
    roots = ['shared', 'tmp'].map((name) => ({ virtual: `/${name}`, real: join(top, name) }))
  })
  beforeEach(async () => {
    for (const name of ['shared', 'tmp']) {
      await rm(join(top, name), { recursive: true, force: true })
      await mkdir(join(top, name))
    }
  })
  after(() => rm(top, { recursive: true }))

  const piece = (offset: number, text: string, more: Partial<Input> = {}): Input => ({
    path: '/shared/a',
    upload: 'u',
    offset,
    content: Buffer.from(text),
    last: false,
    overwrite: false,
    ...more,
  })
  const refused = async (code: ErrorCode, work: Promise<unknown>): Promise<void> => {
    const error: unknown = await work.then(
      () => assert.fail('it was done'),
      (reason: unknown) => reason,
    )
    assert.equal(toReplyFailure(error).code, code, toReplyFailure(error).message)
  }
  const inShared = () => readdir(join(top, 'shared'))
  const notes = () => readdir(join(top, 'tmp/.oxbow-uploads'))

  it('consists of its chunks, whatever their sizes', async () => {
    const uploads = createUploads(roots)
    let count = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 5_000 }), { minLength: 1, maxLength: 6 }), async (pieces) => {
        const upload = `u${(count += 1)}`
        let offset = 0
        for (const [i, content] of pieces.entries()) {
          await uploads.put(piece(offset, '', { content, upload, last: i === pieces.length - 1, overwrite: true }), calm)
          offset += content.length
        }
        assert.ok(Buffer.concat(pieces).equals(await readFile(join(top, 'shared/a'))))
      }),
      { numRuns: scaled(40) },
    )
    assert.deepEqual([await inShared(), await notes()], [['a'], []])
    await uploads.close()
  })

  it('keeps the mode of the one that it replaces, and is put where a link leads', async () => {
    await writeFile(join(top, 'shared/real'), 'old')
    await chmod(join(top, 'shared/real'), 0o755)
    await symlink('real', join(top, 'shared/a'))
    const uploads = createUploads(roots)
    await uploads.put(piece(0, 'new', { last: true, overwrite: true }), calm)
    assert.equal(await readFile(join(top, 'shared/real'), 'utf8'), 'new')
    assert.equal(await readlink(join(top, 'shared/a')), 'real')
    assert.equal((await stat(join(top, 'shared/real'))).mode & 0o777, 0o755)
    await uploads.close()
  })

  it('does not replace what came there meanwhile', async () => {
    const uploads = createUploads(roots)
    await uploads.put(piece(0, 'x'), calm)
    await writeFile(join(top, 'shared/a'), 'theirs')
    await refused('tool_failed', uploads.put(piece(1, 'y', { last: true }), calm))
    assert.equal(await readFile(join(top, 'shared/a'), 'utf8'), 'theirs')
    assert.deepEqual([await inShared(), await notes()], [['a'], []])
    await uploads.close()
  })

  it('is forgotten when it is cancelled, when it is not continued, and when hands end', async () => {
    const uploads = createUploads(roots, 1)
    await uploads.put(piece(0, 'x'), calm)
    await refused('cancelled', uploads.put(piece(1, 'y'), AbortSignal.abort()))
    while ((await inShared()).length > 0);
    await refused('not_found', uploads.put(piece(1, 'y'), calm))
    await uploads.close()

    const others = createUploads(roots)
    await others.put(piece(0, 'x'), calm)
    await others.put(piece(0, 'x', { upload: 'v', path: '/shared/deep/b' }), calm)
    await others.close()
    assert.deepEqual([await inShared(), await readdir(join(top, 'shared/deep')), await notes()], [['deep'], [], []])
  })

  it('takes one piece at a time, each where the one before ended', async () => {
    const uploads = createUploads(roots)
    const both = await Promise.allSettled([uploads.put(piece(0, 'abc'), calm), uploads.put(piece(0, 'abc'), calm)])
    assert.equal(both.filter((each) => each.status === 'fulfilled').length, 1)
    await refused('bad_input', uploads.put(piece(1, 'x'), calm))
    await uploads.put(piece(3, 'd', { last: true }), calm)
    assert.equal(await readFile(join(top, 'shared/a'), 'utf8'), 'abcd')
    await refused('bad_input', uploads.put(piece(0, 'x', { upload: '' }), calm))
    await refused('limit_reached', uploads.put(piece(0, 'x', { content: Buffer.alloc(9_000_000) }), calm))
    await uploads.close()
  })

  it('leaves nothing for good when hands are killed: the next ones sweep what no hands can be writing any more', async () => {
    const killed = createUploads(roots)
    await killed.put(piece(0, 'x'), calm)
    await killed.put(piece(0, 'x', { upload: 'v', path: '/tmp/b' }), calm)
    const young = await sweepUploads(roots)
    young.stop()
    assert.equal((await inShared()).length, 1)
    const old = new Date(Date.now() - 200_000)
    for (const name of await notes()) await utimes(await readlink(join(top, 'tmp/.oxbow-uploads', name)), old, old)
    // A note of a command's making, which names what is no upload, removes nothing.
    await writeFile(join(top, 'outside.tmp'), 'x')
    await writeFile(join(top, 'shared/mine'), 'x')
    for (const [i, target] of ['outside.tmp', 'shared/mine', 'shared/.oxbow-1.tmp/..'].entries()) {
      await symlink(join(top, target), join(top, 'tmp/.oxbow-uploads', `planted${i}`))
    }
    ;(await sweepUploads(roots)).stop()
    assert.deepEqual([await inShared(), await readdir(join(top, 'tmp')), await notes()], [['mine'], ['.oxbow-uploads'], []])
    assert.equal(await readFile(join(top, 'outside.tmp'), 'utf8'), 'x')
    await killed.close()
  })
})
