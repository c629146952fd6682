/** An image of a machine whose hands lie: the tests' image, with another program in place of the hands. */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram, ownSearchPath } from '../../src/sandbox/host-programs.ts'
import { insideHands } from '../../src/sandbox/micro-vm/guest-init.ts'
import { handsMarkFile, imageFiles } from '../../src/sandbox/micro-vm/qemu-command.ts'

export interface LyingImage {
  readonly folder: string
  /** With the snapshot that was made of it. */
  remove(): Promise<void>
}

/** @param image of honest hands; the mark that says whose they are is copied too, as whoever changes an image would do */
export async function makeLyingImage(image: string): Promise<LyingImage> {
  const top = await mkdtemp(join(tmpdir(), 'oxbow-lying-'))
  const folder = join(top, 'image')
  await mkdir(folder)
  for (const name of [...Object.values(imageFiles), handsMarkFile]) {
    await copyFile(join(image, name), join(folder, name), constants.COPYFILE_FICLONE)
  }
  const debugfs = findProgram('debugfs', ownSearchPath()) ?? 'debugfs'
  const change = (command: string) => promisify(execFile)(debugfs, ['-w', '-R', command, join(folder, imageFiles.root)])
  await change(`rm ${insideHands}`)
  // debugfs tells of its failures in words alone; one that has failed leaves a machine that never greets.
  await change(`write ${join(import.meta.dirname, 'lying-hands.js')} ${insideHands}`)
  return { folder, remove: () => rm(top, { recursive: true, force: true }) }
}
