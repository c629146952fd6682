/**
 * The copy of the person's folders on the disk of a machine.
 *
 * A start copies the workspace, and the folders of the person that agents may change, onto a new disk; from then on both are kept in step
 * (keep-in-step.ts). If a machine died with changes, its disk is left, marked as pending; the next start first boots a machine with that disk
 * and copies its changes. The vault is copied onto a temporary disk.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { toFailure } from '../../base/index.ts'
import type { Hands } from '../../protocol/index.ts'
import type { BubblewrapPlan } from '../bubblewrap/bubblewrap-plan.ts'
import type { HandsProcess } from '../hands/hands-process.ts'
import { ownName, removeOrphans } from '../kept-files.ts'
import { importAtEndMs } from '../limits.ts'
import type { TierOptions } from '../tier-plan.ts'
import { giveFolders } from '../workspace-entrance.ts'
import { diskPath, makeDisk, sandboxUser } from './launched-program.ts'
import { giveChanges } from './give-changes.ts'
import { copiedMounts, type HostFolders, hostFolders } from './host-folders.ts'
import { keepInStep, type SteppedMachine } from './keep-in-step.ts'
import type { Machine } from './machine.ts'
import { type Agreement, loadAgreement, mergeTree, personChanges, readTree, saveAgreement } from './merge-tree.ts'
import { stampsOf, surveyMachine, takeChanges } from './take-changes.ts'

interface MachineWorkspace {
  /** @param start starts a machine with the disk in a folder */
  startWork(start: StartMachine): Promise<WorkMachine>
  startVault(start: StartMachine): Promise<HandsProcess>
}

export interface WorkMachine extends SteppedMachine {
  /** Whether it has the folders that agents may change now. */
  hasFolders(): boolean
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
      const mounts = copiedMounts(folders.mounts)
      const here = hostFolders(folders.shared, mounts)
      const previous = await loadAgreement(copy.agreed)
      const agreement: Agreement = { tree: await readTree(here, previous.tree), mounts, stamps: null }
      await saveAgreement(copy.agreed, agreement)
      // Skills are only copied in: what an agent does to its copy never reaches a trusted skill.
      const skills = folders.skills === undefined ? [] : [hostFolders(folders.skills, [], '/skills')]
      const shown = await Promise.all(skills.map(async (each) => ({ folders: each, tree: await readTree(each, new Map()) })))
      const disk = [...treeOf(here), ...skills.map(({ shared: host }) => ({ host, name: 'skills' }))]
      await makeDisk({ ...options, folders: disk, diskFolder: copy.diskFolder })
      await writeFile(copy.mark, '')
      const machine = await start(copy.diskFolder).catch(async (error: unknown) => {
        // This disk was never used: there are no changes.
        await rm(copy.mark, { force: true })
        throw error
      })
      const given = shown.map((each) => openSides({ ...copy, isTaken: false }, each.folders, { tree: each.tree, mounts: [], stamps: null }))
      const sides = together([openSides(copy, here, agreement), ...given])
      const stepped = keepInStep(machine, { logger: options.logger, ...sides, ended: () => rm(copy.mark, { force: true }) })
      return { ...stepped, hasFolders: () => JSON.stringify(copiedMounts(folders.mounts)) === JSON.stringify(mounts) }
    },
    async startVault(start) {
      await mkdir(state, { recursive: true, mode: 0o700 })
      await removeOrphans(state)
      const vaultDisk = await mkdtemp(`${ownName(join(state, 'vault'))}-`)
      const remove = (): Promise<void> => rm(vaultDisk, { recursive: true, force: true })
      try {
        await give(folders.vault)
        await makeDisk({ ...options, folders: [{ host: folders.vault, name: 'vault' }], diskFolder: vaultDisk })
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

/** What of the disk is copied from where. */
function treeOf({ shared, mounts }: HostFolders): Parameters<typeof makeDisk>[0]['folders'] {
  return [{ host: shared, name: 'shared' }, ...mounts.map(({ host, inside }) => ({ host, name: inside.slice(1) }))]
}

export type Sides = Pick<Parameters<typeof keepInStep>[1], 'look' | 'give' | 'exchange' | 'take'>

interface SidesOptions extends Pick<WorkspaceCopy, 'state' | 'agreed' | 'diskMb' | 'uid' | 'logger'> {
  /** False: the machine may not change the folders, so nothing is brought to the host. */
  readonly isTaken?: boolean
}

/** @returns the files of the workspace as they were when last read: these are not read again */
export async function agreedTree({ cacheFolder }: Pick<TierOptions, 'cacheFolder'>): Promise<Agreement['tree']> {
  return (await loadAgreement(join(cacheFolder, 'micro-vm', 'agreed.json'))).tree
}

/** The two sides, and what they agreed on last. What is thrown: as mergeTree, takeChanges and giveChanges do. */
export function openSides(
  { state, agreed, diskMb, uid, logger, isTaken = true }: SidesOptions,
  folders: HostFolders,
  first: Agreement,
): Sides {
  let agreement = first
  const keep = async (next: Agreement): Promise<void> => {
    agreement = next
    await saveAgreement(agreed, next)
  }
  const take = async (hands: Hands, signal: AbortSignal): Promise<Agreement['tree']> => {
    const incoming = await mkdtemp(`${ownName(join(state, 'incoming'))}-`)
    try {
      const taken = await takeChanges(hands, folders.inside, agreement.stamps ?? new Map(), incoming, diskMb * 1024 * 1024, signal)
      const merged = await mergeTree({ folders, agreed: agreement.tree, taken, uid, now: new Date() })
      for (const text of merged.reports) logger(text)
      const next = { ...agreement, tree: merged.agreed, stamps: taken.stamps }
      if (taken.hasChanges) await keep(next)
      else agreement = next
      return merged.here
    } finally {
      await rm(incoming, { recursive: true, force: true })
    }
  }
  const exchange = async (hands: Hands, signal: AbortSignal): Promise<void> => {
    const here = await take(hands, signal)
    const changes = personChanges(here, agreement.tree)
    if (changes.entries.length === 0 && changes.gone.length === 0) return
    await giveChanges(hands, folders, changes, signal)
    const given = new Set(changes.entries.map(({ path }) => path))
    const survey = (await surveyMachine(hands, folders.inside, signal)).filter(({ path }) => given.has(path))
    await keep({ ...agreement, tree: here, stamps: new Map([...(agreement.stamps ?? []), ...stampsOf(survey)]) })
  }
  const look = async (hands: Hands, signal: AbortSignal): Promise<void> => {
    await keep({ ...agreement, stamps: stampsOf(await surveyMachine(hands, folders.inside, signal)) })
  }
  const giveOnly = async (hands: Hands, signal: AbortSignal): Promise<void> => {
    const here = await readTree(folders, agreement.tree)
    await giveChanges(hands, folders, personChanges(here, agreement.tree), signal)
    agreement = { ...agreement, tree: here }
  }
  const nothing = (): Promise<void> => Promise.resolve()
  if (!isTaken) return { look: nothing, take: nothing, give: giveOnly, exchange: giveOnly }
  return {
    look,
    exchange,
    async take(hands, signal) {
      await take(hands, signal)
    },
    async give(hands, signal) {
      const here = await readTree(folders, agreement.tree)
      const { entries, gone } = personChanges(here, agreement.tree)
      if (entries.length === 0 && gone.length === 0) agreement = { ...agreement, tree: here }
      else {
        if (agreement.stamps === null) await look(hands, signal)
        await exchange(hands, signal)
      }
    },
  }
}

/** Several folders of a machine as one. */
export function together(sides: readonly Sides[]): Sides {
  const each = (step: keyof Sides) => async (hands: Hands, signal: AbortSignal) => {
    for (const side of sides) await side[step](hands, signal)
  }
  return { look: each('look'), give: each('give'), exchange: each('exchange'), take: each('take') }
}

const lostDisk = 'disk-not-taken-over'

/** Reads the disk of a machine that died. An unreadable one is kept, and reported. */
async function recover(copy: WorkspaceCopy, start: StartMachine): Promise<void> {
  let machine: HandsProcess | undefined
  try {
    machine = await start(copy.diskFolder)
    const agreement = await loadAgreement(copy.agreed)
    const still = copiedMounts(copy.folders.mounts)
    const [kept, gone] = [true, false].map((isKept) => agreement.mounts.filter((mount) => isIn(still, mount) === isKept))
    const folders = hostFolders(copy.folders.shared, kept!)
    await openSides(copy, folders, { ...agreement, mounts: kept! }).take(without(machine.hands, gone!), AbortSignal.timeout(importAtEndMs))
    for (const { inside } of gone!)
      copy.logger(`What a crashed micro VM changed in ${inside} was not copied: agents may not change it any more.`)
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

function isIn(mounts: Agreement['mounts'], { host, inside }: Agreement['mounts'][number]): boolean {
  return mounts.some((one) => one.host === host && one.inside === inside)
}

/** Hands whose survey leaves out what is in these folders: it must not land elsewhere. */
function without(hands: Hands, mounts: Agreement['mounts']): Hands {
  const names = mounts.map(({ inside }) => inside.slice('/shared/'.length))
  const isLeftOut = (path: string): boolean => names.some((name) => path.startsWith(`${name}/`))
  return {
    async ask(op, input, request) {
      const answer = await hands.ask(op, input, request)
      if (op !== 'survey') return answer
      const survey = answer as Awaited<ReturnType<typeof hands.ask<'survey'>>>
      return { ...survey, entries: survey.entries.filter(({ path }) => !isLeftOut(path)) } as typeof answer
    },
  }
}
