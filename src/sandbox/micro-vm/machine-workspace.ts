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
import { type Hands, type HandsOp, toFailure } from '../../types/index.ts'
import type { BubblewrapPlan } from '../bubblewrap/bubblewrap-plan.ts'
import type { HandsProcess } from '../hands/hands-process.ts'
import { ownName, removeOrphans } from '../kept-files.ts'
import { importAtEndMs, importIdleMs } from '../limits.ts'
import type { TierOptions } from '../tier-plan.ts'
import { giveFolders } from '../workspace-entrance.ts'
import { diskPath, makeDisk, sandboxUser } from './launched-program.ts'
import type { Machine } from './machine.ts'
import { loadAgreement, mergeTree, readTree, saveAgreement } from './merge-tree.ts'
import { stampsOf, surveyMachine, takeChanges } from './take-changes.ts'

interface MachineWorkspace {
  /** @param start starts a machine with the disk in this folder */
  startWork(start: StartMachine): Promise<Machine>
  startVault(start: StartMachine): Promise<HandsProcess>
}

type StartMachine = (diskFolder: string) => Promise<Machine>

interface MachineWorkspaceOptions extends Pick<TierOptions, 'folders' | 'cacheFolder' | 'logger'> {
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

/** Requests after which everything is as it was before. All others count as changes: a session may go on by itself. */
const readOnly: ReadonlySet<HandsOp> = new Set(['read', 'bytes', 'list', 'search', 'stat', 'archive', 'survey', 'watch', 'shutdown'])

interface TakeBackOptions {
  readonly logger: (message: string) => void
  /** Notes what is there. Asked once, before the first request that may change something. */
  look(hands: Hands, signal: AbortSignal): Promise<void>
  /** Brings what has changed since to the host. */
  takeOver(hands: Hands, signal: AbortSignal): Promise<void>
  /** Called when a machine has ended and all that it had changed is on the host. */
  ended(): Promise<void>
}

/** Watches for requests that may change the workspace, of both kinds of hands, and takes changes over when none of them is running. */
function takeChangesBack(started: Machine, options: TakeBackOptions): Machine {
  const ending = new AbortController()
  let looked: Promise<void> | null = null
  let underWay = 0
  let timer: NodeJS.Timeout | undefined
  let taking: Promise<boolean> = Promise.resolve(true)
  let end: Promise<void> | null = null

  const take = (signal: AbortSignal): Promise<boolean> =>
    (taking = taking.then(() =>
      options.takeOver(started.hands, signal).then(
        () => true,
        (error: unknown) => {
          const { message, hint } = toFailure(error, 'sandbox_failed', '')
          if (!ending.signal.aborted || signal !== ending.signal)
            options.logger(`Changes of the micro VM are not on the host yet: ${message} ${hint}`)
          return false
        },
      ),
    ))
  const watched = (hands: Hands): Hands => ({
    async ask(op, input, request) {
      if (readOnly.has(op)) return hands.ask(op, input, request)
      clearTimeout(timer)
      underWay += 1
      try {
        // Without this look all is taken to be changed: slower, and as right.
        await (looked ??= options.look(started.hands, ending.signal).catch(() => undefined))
        return await hands.ask(op, input, request)
      } finally {
        underWay -= 1
        if (underWay === 0 && end === null) {
          clearTimeout(timer)
          timer = setTimeout(() => void take(ending.signal), importIdleMs)
          timer.unref()
        }
      }
    },
  })
  const finish = async (): Promise<void> => {
    clearTimeout(timer)
    ending.abort()
    await taking
    // Something may go on by itself once anything was started: the last look is always taken.
    const isTaken = looked === null || (started.isOpen() && (await take(AbortSignal.timeout(importAtEndMs))))
    await started.kill()
    if (isTaken) await options.ended()
  }
  return {
    hands: watched(started.hands),
    online: started.online === null ? null : { ...started.online, hands: watched(started.online.hands) },
    isOpen: () => end === null && started.isOpen(),
    kill: () => (end ??= finish()),
  }
}
