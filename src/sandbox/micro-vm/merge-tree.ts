/**
 * Takes over what a machine has changed. Three trees are compared: what both had when they last agreed, what the machine has, and
 * what the person's folder has now. What only one of them changed is taken from that one. Where both changed the same file, the
 * machine's version takes the name and the person's stays beside it, so nothing is ever lost.
 *
 * Some things are never taken over: links that could lead out of the folder, and what git would run on the person's side.
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
import { maxSurveyEntries, gitRuns, isBareRepository } from '../../types/index.ts'
import { maxMergeReports } from '../limits.ts'
import type { TakenChanges, TakenEntry } from './take-changes.ts'

interface Merge {
  /** What both have now, for the next time. */
  readonly agreed: Map<string, TreeEntry>
  readonly changed: number
  /** What a person should know, in words. */
  readonly reports: readonly string[]
}

interface MergeOptions {
  readonly root: string
  readonly agreed: Tree
  readonly taken: TakenChanges
  /** Who the files belong to; null: to us. */
  readonly uid: number | null
  readonly now: Date
}

/** @throws a system error when the folder cannot be written; what was done until then stays done and is found the next time. */
export async function mergeTree({ root, agreed, taken, uid, now }: MergeOptions): Promise<Merge> {
  const here = await readTree(root, agreed)
  const next = new Map(agreed)
  const reports: string[] = []
  let changed = 0
  const report = (text: string): void => void (reports.length < maxMergeReports && reports.push(text))
  const isOurs = (path: string): boolean => {
    const [now_, before] = [here.get(path), agreed.get(path)]
    return now_ === undefined || (before !== undefined && sameEntry(now_, before))
  }
  const setAside = async (path: string): Promise<void> => {
    const name = await freeName(root, `${path}.host-${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}`)
    await rename(join(root, path), join(root, name))
    for (const known of here.keys()) if (known === path || known.startsWith(`${path}/`)) here.delete(known)
    report(`${path} was changed on both sides: the person's is ${name}`)
  }

  /** The person may have removed them, or put a link there, which is never written through. */
  const makeFolders = async (path: string): Promise<void> => {
    if (path === '.' || here.get(path)?.kind === 'folder') return
    await makeFolders(dirname(path))
    if (here.has(path)) await setAside(path)
    await mkdir(join(root, path), { mode: 0o755 })
    if (uid !== null) await lchown(join(root, path), uid, uid)
    here.set(path, await readEntry(root, path))
  }

  const isGuarded = (path: string, kind: TreeEntry['kind']): boolean => gitRunsIt(path, kind, here)

  // First what is gone, the deepest first.
  const isHidden = (path: string): boolean => taken.closed.some((folder) => path.startsWith(`${folder}/`))
  const gone = [...agreed.keys()].filter((path) => !taken.paths.has(path) && !isHidden(path) && !isGuarded(path, 'file'))
  for (const path of gone.toReversed()) {
    const stands = here.get(path)
    if (stands !== undefined && !isOurs(path)) continue
    if (stands !== undefined && (await removeOne(root, path, stands))) {
      changed += 1
      here.delete(path)
    }
    if (!here.has(path)) next.delete(path)
  }

  // Then what is new or different, folders before what is in them.
  const refused = new Set<string>()
  for (const entry of taken.entries) {
    const { path } = entry
    const before = agreed.get(path)
    if (before !== undefined && sameEntry(before, entry)) continue
    const parent = dirname(path)
    if (refused.has(parent) || isGuarded(path, entry.kind) || (entry.kind === 'link' && !staysInside(path, entry.content))) {
      refused.add(path)
      report(
        `${path} was left in the micro VM: ${isGuarded(path, entry.kind) ? 'git runs what stands there' : 'a link that could lead elsewhere'}`,
      )
      continue
    }
    const stands = here.get(path)
    if (stands === undefined || !sameEntry(stands, entry)) {
      if (stands !== undefined && !(isOurs(path) && (await removeOne(root, path, stands)))) await setAside(path)
      await makeFolders(parent)
      await place(root, entry, uid)
      changed += 1
    }
    const placed = await readEntry(root, path, undefined)
    here.set(path, placed)
    next.set(path, placed)
  }
  return { agreed: next, changed, reports }
}

async function freeName(root: string, wanted: string): Promise<string> {
  for (let name = wanted, i = 2; ; i += 1) {
    const isFree = await lstat(join(root, name)).then(
      () => false,
      () => true,
    )
    if (isFree) return name
    name = `${wanted}-${i}`
  }
}

/** @returns false when something is in it that is not known. */
async function removeOne(root: string, path: string, { kind }: TreeEntry): Promise<boolean> {
  try {
    await (kind === 'folder' ? rmdir(join(root, path)) : unlink(join(root, path)))
    return true
  } catch {
    return false
  }
}

async function place(root: string, entry: TakenEntry, uid: number | null): Promise<void> {
  const path = join(root, entry.path)
  if (entry.kind === 'folder') await mkdir(path, { mode: 0o755 }).catch(ignoreExisting)
  else if (entry.kind === 'link') await symlink(entry.content, path)
  else {
    // Never the mode that the machine said: no setuid, nothing that others may write.
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

/**
 * Only a relative target whose `..` all stand at its beginning, and are no more than the link has folders above it: such a target
 * cannot leave, whatever the links on its way are.
 */
export function staysInside(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false
  const parts = target.split('/')
  const up = parts.findIndex((part) => part !== '..')
  const climbs = up === -1 ? parts.length : up
  return climbs <= path.split('/').length - 1 && !parts.slice(climbs).includes('..')
}

/** Hooks and settings of repositories, and what says where a repository is: see hands/files/workspace-path.ts. */
function gitRunsIt(path: string, kind: TreeEntry['kind'], here: ReadonlyMap<string, unknown>): boolean {
  const parts = path.toLowerCase().split('/')
  const git = parts.indexOf('.git')
  // Also of one that stands within another.
  if (parts.at(-1) === '.git' && kind !== 'folder') return true
  // Beside `objects` and `refs` it makes a folder a repository of its own, with settings that are run.
  if (git === -1) {
    // Without any `.git`: git takes a folder with these three for one.
    const isRepository = (folder: string): boolean => isBareRepository((name) => here.has(join(folder, name)))
    const isOfRepository = parts.some((part, i) => gitRuns.has(part) && isRepository(path.split('/').slice(0, i).join('/')))
    return isOfRepository || (kind !== 'folder' && /(?:^|\/)HEAD$/.test(path))
  }
  return parts.slice(git + 1).some((part) => gitRuns.has(part))
}

// Trees: the person's folder now, and as it was when host and machine last agreed. Links are read, never followed.

interface TreeEntry {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  /** Of a file: its content; of a link: where it leads. '' for others. */
  readonly content: string
  readonly executable: boolean
  /** Whatever changes when somebody touches it. */
  readonly stamp: string
}

/** By path, relative, folders before what is in them. */
type Tree = ReadonlyMap<string, TreeEntry>

/**
 * @param known what is known already: a file whose stamp is the same is not read again
 * @returns the tree, without what cannot be read. Never throws for a single entry.
 */
export async function readTree(root: string, known: Tree): Promise<Map<string, TreeEntry>> {
  const tree = new Map<string, TreeEntry>()
  const enter = async (below: string): Promise<void> => {
    for (const name of await readdir(join(root, below)).catch(() => [])) {
      if (tree.size >= maxSurveyEntries || isPassing(name)) continue
      const path = below === '' ? name : `${below}/${name}`
      const entry = await readEntry(root, path, known.get(path)).catch(() => null)
      if (entry === null) continue
      tree.set(path, entry)
      if (entry.kind === 'folder') await enter(path)
    }
  }
  await enter('')
  return tree
}

/** @throws a system error when nothing is there */
async function readEntry(root: string, path: string, known?: TreeEntry): Promise<TreeEntry> {
  const full = join(root, path)
  const stats = await lstat(full)
  const stamp = stampOf(stats)
  const executable = (stats.mode & 0o111) !== 0
  if (stats.isDirectory()) return { kind: 'folder', content: '', executable: false, stamp: '' }
  if (stats.isSymbolicLink()) return { kind: 'link', content: await readlink(full), executable: false, stamp }
  if (!stats.isFile()) return { kind: 'other', content: '', executable: false, stamp }
  const content = known?.kind === 'file' && known.stamp === stamp ? known.content : await hashOf(full)
  return { kind: 'file', content, executable, stamp }
}

function sameEntry(a: TreeEntry, b: Pick<TreeEntry, 'kind' | 'content' | 'executable'>): boolean {
  return a.kind === b.kind && a.content === b.content && a.executable === b.executable
}

/** What hands or a copy of a machine leave for a moment. */
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

/** What host and machine had when they last agreed. */
interface Agreement {
  readonly tree: Tree
  /** As the machine saw it; null when it was not looked at since. */
  readonly stamps: ReadonlyMap<string, string> | null
}

export async function saveAgreement(file: string, { tree, stamps }: Agreement): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify({ tree: [...tree], stamps: stamps === null ? null : [...stamps] }), { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** @returns an empty one when there is none. Never throws. */
export async function loadAgreement(file: string): Promise<Agreement> {
  try {
    const kept = JSON.parse(await readFile(file, 'utf8')) as { tree: [string, TreeEntry][]; stamps: [string, string][] | null }
    return { tree: new Map(kept.tree), stamps: kept.stamps === null ? null : new Map(kept.stamps) }
  } catch {
    return { tree: new Map(), stamps: null }
  }
}
