/**
 * What a machine has of the person's folders, and what they get back.
 *
 * A start copies the workspace onto a fresh disk. What the machine changes comes back by itself: a moment after the last request
 * that may have changed something, and when the machine is ended. A machine that died before that leaves its disk, marked as not
 * taken over; the next start wakes a machine with that disk first, takes it over, and then goes on as usual. What the person
 * changes meanwhile reaches the machine at its next start. The vault goes onto a disk that is thrown away.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { HandsProcess } from '../../hands/hands-process.ts'
import { toFailure } from '../../../types/index.ts'
import type { Hands } from '../../../types/index.ts'
import type { BubblewrapPlan } from '../../bubblewrap/bubblewrap-plan.ts'
import { importAtEndMs } from '../../limits.ts'
import type { TierOptions } from '../../tier-plan.ts'
import { giveFolders } from '../../disk/give-folders.ts'
import type { Machine } from '../machine.ts'
import { ownName, removeOrphans } from '../../image/made-files.ts'
import { diskPath, makeDisk, sandboxUser } from './disk-image.ts'
import { loadAgreement, readTree, saveAgreement } from './host-tree.ts'
import { mergeTree } from './merge-tree.ts'
import { stampsOf, surveyMachine, takeChanges } from './take-changes.ts'
import { takeChangesBack } from './changing-hands.ts'

export interface MachineWorkspace {
  /** @param start starts a machine with the disk in this folder */
  startWork(start: StartMachine): Promise<Machine>
  startVault(start: StartMachine): Promise<HandsProcess>
}

type StartMachine = (diskFolder: string) => Promise<Machine>

export interface MachineWorkspaceOptions extends Pick<TierOptions, 'folders' | 'cacheFolder' | 'logger'> {
  readonly launcher: BubblewrapPlan
  readonly mke2fs: string
  readonly diskMb: number
}

export function openMachineWorkspace(options: MachineWorkspaceOptions): MachineWorkspace {
  const { folders, cacheFolder } = options
  const state = join(cacheFolder, 'micro-vm')
  const isRoot = process.getuid?.() === 0
  const give = (folder: string): Promise<void> => (isRoot ? giveFolders([folder], sandboxUser()) : Promise.resolve())
  const copy: WorkspaceCopy = {
    ...options,
    state,
    diskFolder: join(state, 'disk'),
    agreed: join(state, 'agreed.json'),
    mark: join(state, 'not-taken-over'),
    uid: isRoot ? sandboxUser() : null,
  }
  return {
    async startWork(start) {
      await mkdir(state, { recursive: true, mode: 0o700 })
      await removeOrphans(state)
      if (existsSync(copy.mark) && existsSync(diskPath(copy.diskFolder))) await recover(copy, start)
      await give(folders.shared)
      const known = await loadAgreement(copy.agreed)
      await saveAgreement(copy.agreed, { tree: await readTree(folders.shared, known.tree), stamps: null })
      await makeDisk({ ...options, from: folders.shared, name: 'shared', diskFolder: copy.diskFolder })
      await writeFile(copy.mark, '')
      const machine = await start(copy.diskFolder).catch(async (error: unknown) => {
        // Nobody has worked on this disk: there is nothing to take over.
        await rm(copy.mark, { force: true })
        throw error
      })
      return takeChangesBack(machine, {
        logger: options.logger,
        look: (hands, signal) => look(copy, hands, signal),
        takeOver: (hands, signal) => takeOver(copy, hands, signal),
        ended: () => rm(copy.mark, { force: true }),
      })
    },
    async startVault(start) {
      await mkdir(state, { recursive: true, mode: 0o700 })
      await removeOrphans(state)
      const vaultDisk = await mkdtemp(`${ownName(join(state, 'vault'))}-`)
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

interface WorkspaceCopy extends MachineWorkspaceOptions {
  /** Absolute paths: the folder of all this, the disk, what both sides agreed on, and the mark of a disk that was not taken over. */
  readonly state: string
  readonly diskFolder: string
  readonly agreed: string
  readonly mark: string
  /** Who the files belong to; null: to us. */
  readonly uid: number | null
}

/** Notes what the machine has before it changes anything. @throws as surveyMachine does */
async function look({ agreed }: WorkspaceCopy, hands: Hands, signal: AbortSignal): Promise<void> {
  const stamps = stampsOf(await surveyMachine(hands, signal))
  await saveAgreement(agreed, { ...(await loadAgreement(agreed)), stamps })
}

/** Brings what the machine has changed to the host. @throws what takeChanges and mergeTree throw */
async function takeOver({ state, agreed, diskMb, folders, uid, logger }: WorkspaceCopy, hands: Hands, signal: AbortSignal): Promise<void> {
  const incoming = await mkdtemp(`${ownName(join(state, 'incoming'))}-`)
  try {
    const { tree, stamps } = await loadAgreement(agreed)
    const taken = await takeChanges(hands, stamps ?? new Map(), incoming, diskMb * 1024 * 1024, signal)
    const merged = await mergeTree({ root: folders.shared, agreed: tree, taken, uid, now: new Date() })
    for (const text of merged.reports) logger(text)
    await saveAgreement(agreed, { tree: merged.agreed, stamps: taken.stamps })
  } finally {
    await rm(incoming, { recursive: true, force: true })
  }
}

const lostDisk = 'disk-not-taken-over'

/** After a machine that died: its disk is read once more. What cannot be read is kept beside, and said. */
async function recover(copy: WorkspaceCopy, start: StartMachine): Promise<void> {
  let machine: HandsProcess | undefined
  try {
    machine = await start(copy.diskFolder)
    await takeOver(copy, machine.hands, AbortSignal.timeout(importAtEndMs))
  } catch (error) {
    // One that was kept before stays as it is: only a person deletes it.
    let lost = join(copy.state, lostDisk)
    for (let i = 2; existsSync(lost); i += 1) lost = join(copy.state, `${lostDisk}-${i}`)
    const lostName = join(basename(copy.cacheFolder), 'micro-vm', basename(lost))
    await rename(copy.diskFolder, lost)
    const { message } = toFailure(error, 'sandbox_failed', 'See its log.')
    copy.logger(`The disk of a micro VM that died could not be taken over; it is kept in the workspace as ${lostName}: ${message}`)
  } finally {
    await machine?.kill()
  }
  await rm(copy.mark, { force: true })
}
