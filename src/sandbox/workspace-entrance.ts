/**
 * Prepares the person's own folders before hands run in them, for every tier that shows the folders themselves: makes the uid of hands
 * the owner of all files, and finds the repositories to guard. Ownership changes only while no process of a sandbox runs there, so that
 * nothing can be replaced meanwhile. Walks a small tree here, in a few milliseconds; a large one with `find`, which looks at 20 000
 * files in a tenth of the time, in a process of its own.
 */
import { chmodSync, lchownSync, lstatSync, readdirSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as breath } from 'node:timers/promises'
import type { Profile } from '../protocol/index.ts'
import { createGuard, type Guard, type GuardedStart } from './bubblewrap/git-guard.ts'
import { ownSearchPath, runOnHost } from './host-programs.ts'
import { giveAtOnce, maxChownEntries } from './limits.ts'
import { type FolderMount, sandboxUid, type WorkspaceFolders } from './tier-plan.ts'

export interface WorkspaceEntrance {
  readonly asRoot: boolean
  /** Of repositories below `shared`. */
  readonly guard: Guard
  /** Starts a sandbox with the folders of the person, and what is guarded of repositories in them. */
  duringMounts<Started extends GuardedStart>(start: (mounts: readonly FolderMount[]) => Promise<Started>): Promise<Started>
  /** Makes hands the owner of the profile's folders, unless a sandbox runs in them. @returns a function to call when these hands are gone */
  enter(profile: Profile): Promise<() => void>
  /** The same for the folder of a single program. */
  enterState(folder: string): Promise<() => void>
}

/** @param tellsMounts see createGuard */
export function createEntrance(folders: WorkspaceFolders, tellsMounts = true): WorkspaceEntrance {
  const { shared, tmp, vault } = folders
  const asRoot = process.getuid?.() === 0
  const guard = createGuard(shared, tellsMounts)
  // Later sandboxes guard the repository at the top only: the folder's mount is not asked for its table.
  const guards = new Map<string, Guard>()
  /** No sandbox runs in a folder that is mounted for the first time. */
  const guardOf = ({ host }: FolderMount): Guard => {
    const known = guards.get(host)
    if (known !== undefined) return known
    const made = createGuard(host, false)
    guards.set(host, made)
    made.look()
    return made
  }
  const enterWork = createGiver(async () => {
    if (asRoot) await giveFolders([shared, tmp], sandboxUid)
    guard.look()
    for (const each of guards.values()) each.look()
  })
  const enterVault = createGiver(() => (asRoot ? giveFolders([vault], sandboxUid) : Promise.resolve()))
  const states = new Map<string, () => Promise<() => void>>()
  type Start<Started> = (mounts: readonly FolderMount[]) => Promise<Started>
  const duringFrom = <Started extends GuardedStart>(
    left: readonly FolderMount[],
    done: readonly FolderMount[],
    start: Start<Started>,
  ): Promise<Started> => {
    const [next, ...others] = left
    if (next === undefined) return start(done)
    return guardOf(next).during((guarded) => duringFrom(others, [...done, { ...next, guarded: next.writable ? guarded : [] }], start))
  }
  return {
    asRoot,
    guard,
    duringMounts: (start) => duringFrom(folders.mounts ?? [], [], start),
    enter: (profile) => (profile === 'vault-read' ? enterVault : enterWork)(),
    enterState(folder) {
      const give = states.get(folder) ?? createGiver(() => (asRoot ? giveFolders([folder], sandboxUid) : Promise.resolve()))
      states.set(folder, give)
      return give()
    },
  }
}

/** The two folders of a workspace that exist inside a sandbox. */

/**
 * Counts the sandboxes that run over the same folders. A running one could replace a folder by a link while ownership of its files is
 * changed, and so become the owner of other files. So `give` runs for the first sandbox only, and others that start meanwhile wait.
 * @returns a function to call before each start; call what it returns when that start has failed or all of its processes are gone
 */
export function createGiver(give: () => Promise<void>): () => Promise<() => void> {
  let living = 0
  let given = Promise.resolve()
  return async () => {
    if (living === 0) given = give()
    living += 1
    let left = false
    const leave = (): void => {
      if (!left) living -= 1
      left = true
    }
    try {
      await given
      return leave
    } catch (error) {
      leave()
      throw error
    }
  }
}

/**
 * Gives what is in the folders of a workspace to the uid of hands. Only while no process of a sandbox runs there, so that nothing can be
 * swapped on the way. A small tree is walked here, in a few milliseconds; a large one by `find`, which looks at 20 000 files in a
 * tenth of the time that this program takes, and in its own process.
 */

/** Set-user-id and set-group-id: inode(7). */
const setIdBits = 0o6000

/**
 * Links are given away themselves, not followed; a file with several names is left, as it may be somebody else's under a second
 * one; what an agent has marked to run with the rights of its owner is unmarked. What cannot be given is left as it is.
 */
export async function giveFolders(folders: readonly string[], uid: number): Promise<void> {
  if (giveSome(folders, uid, giveAtOnce) === 0) return
  const looked = await runOnHost('find', findArguments(folders, uid), { env: { PATH: ownSearchPath() } })
  // It also fails over single names, and then lists the rest. The last piece is empty or a truncated name.
  const foreign = looked.stdout.split('\0').slice(0, -1)
  if (looked.exitCode !== 0 && foreign.length === 0) {
    await giveSlowly(folders, uid)
    return
  }
  for (const [i, path] of foreign.slice(0, maxChownEntries).entries()) {
    if (i % giveAtOnce === giveAtOnce - 1) await breath()
    giveOne(path, uid)
  }
}

/** find(1): everything that is not the uid's, or is marked; but no file of several names. */
function findArguments(folders: readonly string[], uid: number): readonly string[] {
  const several = ['-type', 'f', '-links', '+1']
  const foreign = ['(', '!', '-uid', String(uid), '-o', '-type', 'f', '-perm', '/6000', ')']
  return ['-P', ...folders, '!', '(', ...several, ')', ...foreign, '-print0']
}

/** @returns how many were left unlooked at: none, or some */
function giveSome(folders: readonly string[], uid: number, most: number): number {
  const left = [...folders]
  for (let looked = 0; left.length > 0 && looked < most; looked += 1) {
    const path = left.pop()!
    if (giveOne(path, uid)?.isDirectory() === true) left.push(...namesIn(path).map((name) => join(path, name)))
  }
  return left.length
}

/** Where there is no such `find`. */
async function giveSlowly(folders: readonly string[], uid: number): Promise<void> {
  const left = [...folders]
  for (let looked = 0; left.length > 0 && looked < maxChownEntries; looked += 1) {
    if (looked % giveAtOnce === giveAtOnce - 1) await breath()
    const path = left.pop()!
    if (giveOne(path, uid)?.isDirectory() === true) left.push(...namesIn(path).map((name) => join(path, name)))
  }
}

/** @returns what stands there, null for nothing or what cannot be given */
function giveOne(path: string, uid: number): Stats | null {
  try {
    const stats = lstatSync(path)
    if (stats.isFile() && stats.nlink > 1) return stats
    if (stats.uid !== uid) lchownSync(path, uid, uid)
    if (stats.isFile() && (stats.mode & setIdBits) !== 0) chmodSync(path, stats.mode & 0o1777)
    return stats
  } catch {
    return null
  }
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
