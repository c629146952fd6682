/**
 * Three-way merge of a machine's changes: the common ancestor is the last agreement, the two sides are the machine's tree and the person's
 * folder. A change of one side is applied. If both changed the same file, the machine's version gets the name and the person's is kept
 * next to it, so nothing is lost.
 *
 * Never merged: links that could lead outside the folder, and files that git would run on the host.
 */
import { createHash } from 'node:crypto'
import { createReadStream, type Stats } from 'node:fs'
import {
  chmod,
  copyFile,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rmdir,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { staysInside } from '../../base/index.ts'
import { maxSurveyEntries, gitRuns, isBareRepository } from '../../protocol/index.ts'
import { maxMergeReports } from '../limits.ts'
import type { FolderMount } from '../tier-plan.ts'
import type { HostFolders } from './host-folders.ts'
import type { TakenChanges, TakenEntry } from './take-changes.ts'

interface Merge {
  /** The new common ancestor. */
  readonly agreed: Map<string, TreeEntry>
  /** The person's folders now. What differs from `agreed` in it is not in the machine yet. */
  readonly here: ReadonlyMap<string, TreeEntry>
  readonly changed: number
  /** Notices for the person. */
  readonly reports: readonly string[]
}

interface MergeOptions {
  readonly folders: HostFolders
  readonly agreed: Tree
  readonly taken: TakenChanges
  /** Owner of the files; null: us. */
  readonly uid: number | null
  readonly now: Date
}

/** @throws a system error when the folder cannot be written; a partial merge is continued by the next one. */
export async function mergeTree({ folders, agreed, taken, uid, now }: MergeOptions): Promise<Merge> {
  const here = await readTree(folders, agreed)
  const next = new Map(agreed)
  const reports: string[] = []
  let changed = 0
  const report = (text: string): void => void (reports.length < maxMergeReports && reports.push(text))
  const isOurs = (path: string): boolean => {
    const [now_, before] = [here.get(path), agreed.get(path)]
    return now_ === undefined || (before !== undefined && sameEntry(now_, before))
  }
  const setAside = async (path: string): Promise<void> => {
    const name = await freeName(folders, `${path}.host-${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}`)
    await rename(folders.at(path), folders.at(name))
    for (const known of here.keys()) if (known === path || known.startsWith(`${path}/`)) here.delete(known)
    report(`${path} was changed on both sides: the host's version is now ${name}`)
  }

  /** The person may have removed them, or replaced one by a link, which is never followed. */
  const makeFolders = async (path: string): Promise<void> => {
    if (path === '.' || here.get(path)?.kind === 'folder') return
    await makeFolders(dirname(path))
    if (here.has(path)) await setAside(path)
    await mkdir(folders.at(path), { mode: 0o755 })
    if (uid !== null) await lchown(folders.at(path), uid, uid)
    here.set(path, await readEntry(folders, path))
  }

  const isGuarded = (path: string, kind: TreeEntry['kind']): boolean => gitRunsIt(path, kind, here)

  // First deletions, deepest first.
  const isHidden = (path: string): boolean => taken.closed.some((folder) => path.startsWith(`${folder}/`))
  const deleted = [...agreed.keys()].filter((path) => !taken.paths.has(path) && !isHidden(path) && !isGuarded(path, 'file'))
  for (const path of deleted.toReversed()) {
    const current = here.get(path)
    if (folders.isMount(path)) next.delete(path)
    if (current !== undefined && (!isOurs(path) || folders.isMount(path))) continue
    if (current !== undefined && (await removeOne(folders, path, current))) {
      changed += 1
      here.delete(path)
    }
    if (!here.has(path)) next.delete(path)
  }

  // Then new and changed entries, folders before their contents.
  const refused = new Set<string>()
  for (const entry of taken.entries) {
    const { path } = entry
    const before = agreed.get(path)
    if (before !== undefined && sameEntry(before, entry)) continue
    const parent = dirname(path)
    const why = refusal(folders, entry, isGuarded(path, entry.kind))
    if (refused.has(parent) || why !== '') {
      refused.add(path)
      if (why !== '') report(`${path} was not copied from the micro VM: ${why}`)
      continue
    }
    const current = here.get(path)
    if (current === undefined || !sameEntry(current, entry)) {
      if (current !== undefined && !(isOurs(path) && (await removeOne(folders, path, current)))) await setAside(path)
      await makeFolders(parent)
      await place(folders, entry, uid)
      changed += 1
    }
    const placed = await readEntry(folders, path)
    here.set(path, placed)
    next.set(path, placed)
  }
  return { agreed: next, here, changed, reports }
}

/** @returns why it is not copied to the host; empty if it is */
function refusal(folders: HostFolders, { path, kind, content }: TakenEntry, isGuarded: boolean): string {
  if (folders.isMount(path)) return 'it is a folder of yours'
  if (isGuarded) return 'git would run it'
  return kind === 'link' && !staysInside(folders.within(path), content) ? 'it is a link that could lead outside' : ''
}

async function freeName(folders: HostFolders, wanted: string): Promise<string> {
  for (let name = wanted, i = 2; ; i += 1) {
    const isFree = await lstat(folders.at(name)).then(
      () => false,
      () => true,
    )
    if (isFree) return name
    name = `${wanted}-${i}`
  }
}

/** @returns false when it contains unknown entries. */
async function removeOne(folders: HostFolders, path: string, { kind }: TreeEntry): Promise<boolean> {
  try {
    await (kind === 'folder' ? rmdir(folders.at(path)) : unlink(folders.at(path)))
    return true
  } catch {
    return false
  }
}

async function place(folders: HostFolders, entry: TakenEntry, uid: number | null): Promise<void> {
  const path = folders.at(entry.path)
  if (entry.kind === 'folder') await mkdir(path, { mode: 0o755 }).catch(ignoreExisting)
  else if (entry.kind === 'link') await symlink(entry.content, path)
  else {
    // Never the mode from the machine: no setuid, not writable by others.
    await chmod(entry.staged, entry.executable ? 0o755 : 0o644)
    if (uid !== null) await lchown(entry.staged, uid, uid)
    await utimes(entry.staged, entry.modifiedMs / 1000, entry.modifiedMs / 1000)
    await rename(entry.staged, path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EXDEV') throw error
      await copyFile(entry.staged, path)
      await chmod(path, entry.executable ? 0o755 : 0o644)
    })
  }
  if (uid !== null) await lchown(path, uid, uid)
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}

/** Hooks and settings of repositories, and files that locate a repository: see hands/files/workspace-path.ts. */
function gitRunsIt(path: string, kind: TreeEntry['kind'], here: ReadonlyMap<string, unknown>): boolean {
  const parts = path.toLowerCase().split('/')
  const git = parts.indexOf('.git')
  // Also of a nested repository.
  if (parts.at(-1) === '.git' && kind !== 'folder') return true
  // With `objects` and `refs` it makes a folder a bare repository, whose settings git runs.
  if (git === -1) {
    // Bare: git accepts a folder with these three entries.
    const isRepository = (folder: string): boolean => isBareRepository((name) => here.has(join(folder, name)))
    const isOfRepository = parts.some((part, i) => gitRuns.has(part) && isRepository(path.split('/').slice(0, i).join('/')))
    return isOfRepository || (kind !== 'folder' && /(?:^|\/)HEAD$/.test(path))
  }
  return parts.slice(git + 1).some((part) => gitRuns.has(part))
}

// Trees: the person's folder now, and as it was when host and machine last agreed. Links are read, never followed.

export interface TreeEntry {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  /** Of a file: its hash; of a link: its target; '' for others. */
  readonly content: string
  readonly executable: boolean
  /** A text that changes with every modification. */
  readonly stamp: string
}

/** By relative path, folders before their contents. */
export type Tree = ReadonlyMap<string, TreeEntry>

/**
 * @param known the previous tree: a file with the same stamp is not read again
 * @returns the tree, without unreadable entries. Never throws for a single entry. @throws as HostFolders.check
 */
export async function readTree(folders: HostFolders, known: Tree): Promise<Map<string, TreeEntry>> {
  await folders.check()
  const tree = new Map<string, TreeEntry>()
  const enter = async (below: string): Promise<void> => {
    const names = (await readdir(folders.at(below)).catch(() => [])).filter((name) => !isPassing(name))
    const paths = names.map((name) => (below === '' ? name : `${below}/${name}`))
    const entries = await Promise.all(paths.map((path) => readEntry(folders, path, known.get(path)).catch(() => null)))
    for (const [i, entry] of entries.entries()) {
      if (entry === null || tree.size >= maxSurveyEntries) continue
      tree.set(paths[i]!, entry)
      if (entry.kind === 'folder') await enter(paths[i]!)
    }
  }
  await enter('')
  return tree
}

/** @throws a system error if it does not exist */
async function readEntry(folders: HostFolders, path: string, known?: TreeEntry): Promise<TreeEntry> {
  const full = folders.at(path)
  const stats = await lstat(full)
  const stamp = stampOf(stats)
  const executable = (stats.mode & 0o111) !== 0
  if (stats.isDirectory()) return { kind: 'folder', content: '', executable: false, stamp: '' }
  if (stats.isSymbolicLink()) return { kind: 'link', content: await readlink(full), executable: false, stamp }
  if (!stats.isFile()) return { kind: 'other', content: '', executable: false, stamp }
  const content = known?.kind === 'file' && known.stamp === stamp ? known.content : await hashOf(full)
  return { kind: 'file', content, executable, stamp }
}

/** What a person has changed since the last agreement. */
export interface PersonChanges {
  /** New or changed, folders before their contents. */
  readonly entries: readonly { readonly path: string; readonly entry: TreeEntry }[]
  /** Deepest first. */
  readonly gone: readonly string[]
}

export function personChanges(here: Tree, agreed: Tree): PersonChanges {
  const entries = [...here].flatMap(([path, entry]) => {
    const before = agreed.get(path)
    // Sockets and devices are of the host.
    return entry.kind === 'other' || (before !== undefined && sameEntry(before, entry)) ? [] : [{ path, entry }]
  })
  return { entries, gone: [...agreed.keys()].filter((path) => !here.has(path)).toReversed() }
}

function sameEntry(a: TreeEntry, b: Pick<TreeEntry, 'kind' | 'content' | 'executable'>): boolean {
  return a.kind === b.kind && a.content === b.content && a.executable === b.executable
}

/** Temporary files of hands or of a copy. */
function isPassing(name: string): boolean {
  return name === '.oxbow-uploads' || /^\.oxbow-[0-9a-z]+\.tmp$/.test(name)
}

function stampOf({ size, mtimeMs, ctimeMs, ino }: Stats): string {
  return [size, mtimeMs, ctimeMs, ino].join(' ')
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer)
  return hash.digest('hex')
}

/** The common ancestor of host and machine. */
export interface Agreement {
  readonly tree: Tree
  /** The folders of the person that the machine has a copy of. */
  readonly mounts: readonly FolderMount[]
  /** As seen by the machine; null if not surveyed since. */
  readonly stamps: ReadonlyMap<string, string> | null
}

export async function saveAgreement(file: string, { tree, mounts, stamps }: Agreement): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify({ tree: [...tree], mounts, stamps: stamps === null ? null : [...stamps] }), { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** @returns an empty one if the file is missing. Never throws. */
export async function loadAgreement(file: string): Promise<Agreement> {
  try {
    const kept = JSON.parse(await readFile(file, 'utf8')) as {
      tree: [string, TreeEntry][]
      mounts?: FolderMount[]
      stamps: [string, string][] | null
    }
    return { tree: new Map(kept.tree), mounts: kept.mounts ?? [], stamps: kept.stamps === null ? null : new Map(kept.stamps) }
  } catch {
    return { tree: new Map(), mounts: [], stamps: null }
  }
}
