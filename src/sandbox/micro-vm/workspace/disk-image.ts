/** Makes the disk of a machine out of a folder of the host. mke2fs runs inside the launcher: nobody's files are read with rights. */
import { chown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { OxbowError } from '../../../types/index.ts'
import type { BubblewrapPlan } from '../../bubblewrap/bubblewrap-plan.ts'
import { sandboxUid } from '../../bubblewrap/launch-command.ts'
import { diskBuildMs, diskBuildMemoryMb } from '../../limits.ts'
import { launchProgram } from '../launched-program.ts'
import { diskFile, insideDisk } from '../qemu-command.ts'

export interface DiskImage {
  readonly launcher: BubblewrapPlan
  /** Absolute path. */
  readonly mke2fs: string
  /** Folder on the host, and its name at the top of the disk. */
  readonly from: string
  readonly name: 'shared' | 'vault'
  /** Where the disk goes; emptied before. */
  readonly diskFolder: string
  readonly diskMb: number
}

/** The size of the disk is the quota of the workspace. @throws OxbowError `sandbox_failed` when the folder does not fit, or cannot be read */
export async function makeDisk({ launcher, mke2fs, from, name, diskFolder, diskMb }: DiskImage): Promise<void> {
  await rm(diskFolder, { recursive: true, force: true })
  await mkdir(diskFolder, { recursive: true, mode: 0o700 })
  const asRoot = process.getuid?.() === 0
  if (asRoot) await chown(diskFolder, sandboxUid, sandboxUid)
  const uid = sandboxUser()
  const form = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-b', '4096', '-m', '0', '-E', `root_owner=${uid}:${uid}`]
  const { child, exited, diagnostics } = launchProgram({
    launcher,
    program: () => [mke2fs, ...form, '-d', '/tree', `${insideDisk}/${diskFile}`, `${diskMb}M`],
    descriptors: [],
    folders: [
      { host: diskFolder, inside: insideDisk, writable: true },
      { host: from, inside: `/tree/${name}`, writable: false },
    ],
    devices: [],
    memoryMb: diskBuildMemoryMb,
    maxFileMb: diskMb,
  })
  const late = new AbortController()
  const limit = delay(diskBuildMs, 'late' as const, { signal: late.signal }).catch(() => 'ended' as const)
  const ended = await Promise.race([exited, limit])
  late.abort()
  child.kill('SIGKILL')
  if (ended === 0) return
  const why = ended === 'late' ? `not done after ${diskBuildMs / 1000} s` : withoutPaths(diagnostics())
  throw new OxbowError('sandbox_failed', `The disk of the micro VM could not be made from the folder ${name}: ${why}`, {
    hint: `The disk has ${diskMb} MB: raise sandbox.disk_mb when the folder is larger, or remove what it does not need.`,
  })
}

/** Who hands are inside, and to whom the files on the disk belong: as in the process tier. */
export function sandboxUser(): number {
  const own = process.getuid?.() ?? sandboxUid
  return own === 0 ? sandboxUid : own
}

export function diskPath(diskFolder: string): string {
  return join(diskFolder, diskFile)
}

/** mke2fs names files as it sees them. */
function withoutPaths(text: string): string {
  return text.replaceAll(/\/tree\//g, '').replaceAll(/^mke2fs: /gm, '') || 'no message'
}
