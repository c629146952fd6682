/**
 * Copies the person's folders to a machine, and its changes back.
 *
 * A start copies the workspace onto a new disk. Changes of the machine are copied back a moment after the last request that may have
 * changed something, and when the machine is ended. If a machine died before that, its disk is left, marked as pending; the next start
 * first boots a machine with that disk and copies its changes. Changes of the person reach the machine at its next start. The vault is
 * copied onto a temporary disk.
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
  /** @param start starts a machine with the disk in a folder */
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
      const previous = await loadAgreement(copy.agreed)
      await saveAgreement(copy.agreed, { tree: await readTree(folders.shared, previous.tree), stamps: null })
      await makeDisk({ ...options, from: folders.shared, name: 'shared', diskFolder: copy.diskFolder })
      await writeFile(copy.mark, '')
      const machine = await start(copy.diskFolder).catch(async (error: unknown) => {
        // This disk was never used: there are no changes.
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
  /** Absolute paths: the state folder, the disk, the agreement of both sides, and the mark of a pending disk. */
  readonly state: string
  readonly diskFolder: string
  readonly agreed: string
  readonly mark: string
  /** Owner of the files; null: us. */
  readonly uid: number | null
}

/** Records the machine's files before any change. @throws as surveyMachine does */
async function look({ agreed }: WorkspaceCopy, hands: Hands, signal: AbortSignal): Promise<void> {
  const stamps = stampsOf(await surveyMachine(hands, signal))
  await saveAgreement(agreed, { ...(await loadAgreement(agreed)), stamps })
}

/** Copies the machine's changes to the host. @throws what takeChanges and mergeTree throw */
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

/** Reads the disk of a machine that died. An unreadable one is kept, and reported. */
async function recover(copy: WorkspaceCopy, start: StartMachine): Promise<void> {
  let machine: HandsProcess | undefined
  try {
    machine = await start(copy.diskFolder)
    await takeOver(copy, machine.hands, AbortSignal.timeout(importAtEndMs))
  } catch (error) {
    // An earlier one is not replaced: only a person deletes it.
    let lost = join(copy.state, lostDisk)
    for (let i = 2; existsSync(lost); i += 1) lost = join(copy.state, `${lostDisk}-${i}`)
    const lostName = join(basename(copy.cacheFolder), 'micro-vm', basename(lost))
    await rename(copy.diskFolder, lost)
    const { message } = toFailure(error, 'sandbox_failed', 'See its log.')
    copy.logger(`The changes on the disk of a crashed micro VM could not be copied; it is kept in the workspace as ${lostName}: ${message}`)
  } finally {
    await machine?.kill()
  }
  await rm(copy.mark, { force: true })
}

/** Requests that change nothing. All others count as changes: a session may continue on its own. */
const readOnly: ReadonlySet<HandsOp> = new Set(['read', 'bytes', 'list', 'search', 'stat', 'archive', 'survey', 'watch', 'shutdown'])

interface TakeBackOptions {
  readonly logger: (message: string) => void
  /** Records the files. Called once, before the first request that may change something. */
  look(hands: Hands, signal: AbortSignal): Promise<void>
  /** Copies the changes since then to the host. */
  takeOver(hands: Hands, signal: AbortSignal): Promise<void>
  /** Called when a machine has ended and all its changes are on the host. */
  ended(): Promise<void>
}

/** Observes requests of both hands that may change the workspace, and copies changes when none is running. */
function takeChangesBack(started: Machine, options: TakeBackOptions): Machine {
  const ending = new AbortController()
  let looked: Promise<void> | null = null
  let runningRequests = 0
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
            options.logger(`Changes of the micro VM were not copied to the host yet: ${message} ${hint}`)
          return false
        },
      ),
    ))
  const watched = (hands: Hands): Hands => ({
    async ask(op, input, request) {
      if (readOnly.has(op)) return hands.ask(op, input, request)
      clearTimeout(timer)
      runningRequests += 1
      try {
        // Without this record everything counts as changed: slower, but correct.
        await (looked ??= options.look(started.hands, ending.signal).catch(() => undefined))
        return await hands.ask(op, input, request)
      } finally {
        runningRequests -= 1
        if (runningRequests === 0 && end === null) {
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
    // A process may still be running: always copy changes at the end.
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
