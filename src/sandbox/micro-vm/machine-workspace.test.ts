/** What becomes of the disk of a machine that died, with a real disk and no machine. */
import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { planBubblewrap } from '../bubblewrap/bubblewrap-plan.ts'
import { findProgram, ownSearchPath } from '../host-programs.ts'
import { prepareFolders } from '../create-sandbox.ts'
import { diskPath } from './launched-program.ts'
import { openMachineWorkspace } from './machine-workspace.ts'

const launcher = await planBubblewrap(ownSearchPath())
const mke2fs = findProgram('mke2fs', ownSearchPath())
const skip = 'code' in launcher ? launcher.message : mke2fs === null ? 'mke2fs is missing: apt-get install e2fsprogs' : false

describe('the disk of a machine that died and does not start again', { skip }, () => {
  it('is kept for the person, also when another one is lost later, but not a disk that was never used', async () => {
    const root = await mkdtemp(join(tmpdir(), 'oxbow-lost-'))
    const cacheFolder = join(root, 'internal')
    const state = join(cacheFolder, 'micro-vm')
    const logged: string[] = []
    const folders = await prepareFolders(root)
    await chmod(root, 0o755)
    const workspace = openMachineWorkspace({
      folders,
      cacheFolder,
      mke2fs: mke2fs!,
      diskMb: 8,
      logger: (text) => void logged.push(text),
      launcher: 'code' in launcher ? assert.fail() : launcher,
    })
    const dieWith = async (text: string): Promise<void> => {
      await mkdir(join(state, 'disk'), { recursive: true })
      await writeFile(diskPath(join(state, 'disk')), text)
      await writeFile(join(state, 'not-taken-over'), '')
    }
    const broken = (): Promise<never> => Promise.reject(new Error('no machine starts'))
    for (const text of ['first', 'second']) {
      await dieWith(text)
      for (let tries = 0; tries < 2; tries += 1) await assert.rejects(workspace.startWork(broken), /no machine starts/)
    }
    const kept = (await readdir(state)).filter((name) => name.startsWith('disk-')).sort()
    assert.deepEqual(kept, ['disk-not-taken-over', 'disk-not-taken-over-2'])
    assert.deepEqual(await Promise.all(kept.map((name) => readFile(diskPath(join(state, name)), 'utf8'))), ['first', 'second'])
    assert.equal(logged.length, 2)
    assert.match(logged[1]!, /internal\/micro-vm\/disk-not-taken-over-2/)
    await rm(root, { recursive: true })
  })
})
