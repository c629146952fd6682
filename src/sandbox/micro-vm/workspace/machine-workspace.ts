/**
 * What a machine has of the person's folders, and what they get back.
 *
 * A start copies the workspace onto a fresh disk. What the machine changes comes back by itself: a moment after the last request
 * that may have changed something, and when the machine is ended. A machine that died before that leaves its disk, marked as not
 * taken over; the next start wakes a machine with that disk first, takes it over, and then goes on as usual. What the person
 * changes meanwhile reaches the machine at its next start. The vault goes onto a disk that is thrown away.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { HandsProcess } from '../../hands/hands-process.ts'
import { toFailure } from '../../../types/index.ts'
import type { BubblewrapPlan } from '../../bubblewrap/bubblewrap-tier.ts'
import { archivePieceMs, importAtEndMs } from '../../limits.ts'
import type { TierOptions } from '../../tier-plan.ts'
import { giveFolders } from '../../workspace-folders.ts'
import { diskPath, makeDisk, sandboxUser } from './disk-image.ts'
import { loadTree, readTree, saveTree } from './host-tree.ts'
import { mergeTree } from './merge-tree.ts'
import { takeArchive } from './take-archive.ts'
import { takeChangesBack } from './changing-hands.ts'

export interface MachineWorkspace {
  /** @param start starts a machine with the disk in this folder */
  startWork(start: StartMachine): Promise<HandsProcess>
  startVault(start: StartMachine): Promise<HandsProcess>
}

type StartMachine = (diskFolder: string) => Promise<HandsProcess>

export interface MachineWorkspaceOptions extends Pick<TierOptions, 'folders' | 'logger'> {
  readonly launcher: BubblewrapPlan
  readonly mke2fs: string
  readonly diskMb: number
}

export function openMachineWorkspace(options: MachineWorkspaceOptions): MachineWorkspace {
  const { folders, logger, diskMb } = options
  const state = join(dirname(folders.shared), 'internal/micro-vm')
  const diskFolder = join(state, 'disk')
  const agreedFile = join(state, 'agreed.json')
  const mark = join(state, 'not-taken-over')
  const isRoot = process.getuid?.() === 0
  const give = (folder: string): Promise<void> => (isRoot ? giveFolders([folder], sandboxUser()) : Promise.resolve())

  /** Brings what the machine has to the host. @throws what takeArchive and mergeTree throw */
  const takeOver = async (hands: HandsProcess['hands'], signal: AbortSignal): Promise<void> => {
    const incoming = await mkdtemp(join(state, 'incoming-'))
    try {
      const taken = await takeArchive(hands, incoming, diskMb * 1024 * 1024, signal)
      const uid = isRoot ? sandboxUser() : null
      const isGone = async (path: string): Promise<boolean> =>
        (await hands.ask('stat', { path: `/shared/${path}` }, { signal, timeoutMs: archivePieceMs })).kind === 'missing'
      const merged = await mergeTree({ root: folders.shared, agreed: await loadTree(agreedFile), taken, isGone, uid, now: new Date() })
      for (const text of merged.reports) logger(text)
      await saveTree(agreedFile, merged.agreed)
    } finally {
      await rm(incoming, { recursive: true, force: true })
    }
  }

  /** After a machine that died: its disk is read once more. What cannot be read is kept beside, and said. */
  const recover = async (start: StartMachine): Promise<void> => {
    let machine: HandsProcess | undefined
    try {
      machine = await start(diskFolder)
      await takeOver(machine.hands, AbortSignal.timeout(importAtEndMs))
    } catch (error) {
      const lost = join(state, 'disk-not-taken-over')
      await rm(lost, { recursive: true, force: true })
      await rename(diskFolder, lost)
      logger(
        `The disk of a micro VM that died could not be taken over and is kept as ${lost}: ${toFailure(error, 'sandbox_failed', '').message}`,
      )
    } finally {
      await machine?.kill()
    }
    await rm(mark, { force: true })
  }

  return {
    async startWork(start) {
      await mkdir(state, { recursive: true, mode: 0o700 })
      await removeLeftovers(state)
      if (existsSync(mark) && existsSync(diskPath(diskFolder))) await recover(start)
      await give(folders.shared)
      await saveTree(agreedFile, await readTree(folders.shared, await loadTree(agreedFile)))
      await makeDisk({ ...options, from: folders.shared, name: 'shared', diskFolder })
      await writeFile(mark, '')
      return takeChangesBack(await start(diskFolder), takeOver, {
        logger,
        taken: () => rm(mark, { force: true }),
      })
    },
    async startVault(start) {
      await mkdir(state, { recursive: true, mode: 0o700 })
      const vaultDisk = await mkdtemp(join(state, vaultPrefix))
      const remove = (): Promise<void> => rm(vaultDisk, { recursive: true, force: true })
      try {
        await give(folders.vault)
        await makeDisk({ ...options, from: folders.vault, name: 'vault', diskFolder: vaultDisk })
        const started = await start(vaultDisk)
        return { hands: started.hands, isOpen: () => started.isOpen(), kill: () => started.kill().then(remove) }
      } catch (error) {
        await remove()
        throw error
      }
    },
  }
}

const vaultPrefix = 'vault-'

/** What kernels that were killed have left. A workspace has one kernel at a time; the disk of a vault that is open now stays. */
async function removeLeftovers(state: string): Promise<void> {
  const names = (await readdir(state)).filter((name) => name.startsWith('incoming-'))
  await Promise.all(names.map((name) => rm(join(state, name), { recursive: true, force: true })))
}
