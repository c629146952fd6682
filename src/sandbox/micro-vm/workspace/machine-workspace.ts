/**
 * What a machine has of the person's folders. The workspace is copied onto a disk when a machine starts; the vault onto one that
 * is thrown away.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { BubblewrapPlan } from '../../bubblewrap/bubblewrap-tier.ts'
import type { HandsProcess } from '../../hands/hands-process.ts'
import type { TierOptions } from '../../tier-plan.ts'
import { giveFolders } from '../../workspace-folders.ts'
import { makeDisk, sandboxUser } from './disk-image.ts'

export interface MachineWorkspace {
  /** @param start starts a machine with the disk in this folder */
  startWork(start: (diskFolder: string) => Promise<HandsProcess>): Promise<HandsProcess>
  startVault(start: (diskFolder: string) => Promise<HandsProcess>): Promise<HandsProcess>
  close(): Promise<void>
}

export interface MachineWorkspaceOptions extends Pick<TierOptions, 'folders' | 'logger'> {
  readonly launcher: BubblewrapPlan
  readonly mke2fs: string
  readonly diskMb: number
}

export function openMachineWorkspace(options: MachineWorkspaceOptions): MachineWorkspace {
  const { folders } = options
  const state = join(dirname(folders.shared), 'internal/micro-vm')
  const give = (folder: string): Promise<void> => (process.getuid?.() === 0 ? giveFolders([folder], sandboxUser()) : Promise.resolve())
  return {
    async startWork(start) {
      const diskFolder = join(state, 'disk')
      await give(folders.shared)
      await makeDisk({ ...options, from: folders.shared, name: 'shared', diskFolder })
      return start(diskFolder)
    },
    async startVault(start) {
      await mkdir(state, { recursive: true, mode: 0o700 })
      const diskFolder = await mkdtemp(join(state, 'vault-'))
      const remove = (): Promise<void> => rm(diskFolder, { recursive: true, force: true })
      try {
        await give(folders.vault)
        await makeDisk({ ...options, from: folders.vault, name: 'vault', diskFolder })
        const started = await start(diskFolder)
        return { ...started, isOpen: () => started.isOpen(), kill: () => started.kill().then(remove) }
      } catch (error) {
        await remove()
        throw error
      }
    },
    close: () => Promise.resolve(),
  }
}
