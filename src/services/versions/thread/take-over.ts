/**
 * What the files of a node become when it takes a user over: the newest version of the cluster, three ways against what this node knew of it
 * last (the base) and what is on its disk. A file that only the cluster has changed is taken; one that was changed here alone stays as it is;
 * of one that both have changed the cluster's is taken, and the one of the disk is kept next to it. Nothing is deleted because it is missing
 * on a node that was away. Folders of the person belong to their machine: they neither come nor go.
 */
import { posix } from 'node:path'
import { isOxbowError } from '../../../base/index.ts'
import { createWorkTree, type LargeFiles, type NewCommit, readStamps, type Repository, type WorkTree } from '../../../repository/index.ts'
import type { NewestFiles } from '../../../store/index.ts'
import type { FileChange } from '../version-schemas.ts'
import { fileName, files, fromTree, stampsOf } from './checkpoint.ts'
import { compare } from './history.ts'
import type { KeptVersions } from './kept-versions.ts'
import { foldersIn } from './left-out.ts'

export interface TakeoverRequest {
  /** The commit of what is on the disk. */
  readonly disk: string
  /** Names in /shared of the folders of the person on this node. */
  readonly mounts: readonly string[]
  /** What marks a file of this node that is kept next to the cluster's. */
  readonly mark: string
  /** Of the commit, where files of this node are kept. */
  readonly facts: Omit<NewCommit, 'tree' | 'parents'>
}

export interface Takeover {
  /** What the files are to be: the newest version of the cluster, or one made of it and of files of this node. */
  readonly commit: string
  /** From the disk to that. */
  readonly changes: readonly FileChange[]
  /** Files of this node that were kept, as people name them: where they are now. */
  readonly kept: readonly string[]
  readonly newest: NewestFiles
}

interface TakeoverDeps {
  readonly folder: string
  readonly repository: Repository
  readonly large: LargeFiles
  readonly kept: KeptVersions
}

type Leaf = NonNullable<ReturnType<WorkTree['leaf']>>

export async function planTakeover({ folder, repository, large, kept }: TakeoverDeps, request: TakeoverRequest): Promise<Takeover> {
  const { disk, mounts, mark, facts } = request
  const { newest, base, ours } = await newestTree(repository, kept)
  const stamps = stampsOf(folder)
  const { tree: diskTree } = await repository.commitFacts(disk)
  const theirs = readStamps(stamps, diskTree) ?? (await fromTree(repository, diskTree))
  const known = (await isBefore(repository, base, newest.head)) ? await treeOf(repository, base) : createWorkTree()
  const { tree: ourTree, trailers } = await repository.commitFacts(newest.head)
  const elsewhere = foldersIn(trailers).filter((name) => !mounts.includes(name))
  const none = await withoutContent(repository, large, ours, theirs)
  const merged = mergeFiles({ ours, theirs, base: known, none, mounts, elsewhere, mark })
  const tree = merged.work.write((content) => repository.add('tree', content))
  if (tree === ourTree) repository.drop()
  const commit = tree === ourTree ? newest.head : repository.commit({ ...facts, tree, parents: [newest.head, disk] })
  merged.work.save(stamps, tree)
  const { changes } = await compare(repository, { from: disk, to: commit, path: files, text: false, limit: Infinity })
  return { commit, changes, kept: merged.kept.map((path) => `/${fileName(path)}`), newest }
}

/** What this node should have of it may be gone or damaged: then all of it comes again. */
async function newestTree(
  repository: Repository,
  kept: KeptVersions,
): Promise<{ readonly newest: NewestFiles; readonly base: string; readonly ours: WorkTree }> {
  const fetched = await kept.fetch(false)
  try {
    return { ...fetched, ours: await treeOf(repository, fetched.newest.head) }
  } catch (error) {
    if (!isOxbowError(error, 'tool_failed')) throw error
    const again = await kept.fetch(true)
    return { ...again, base: fetched.base, ours: await treeOf(repository, again.newest.head) }
  }
}

async function treeOf(repository: Repository, commit: string): Promise<WorkTree> {
  return fromTree(repository, (await repository.commitFacts(commit)).tree)
}

/** @returns whether a version leads to another; one that is not there does not: the store is from before it */
async function isBefore(repository: Repository, base: string, head: string): Promise<boolean> {
  if (base === '') return false
  const seen = new Set<string>()
  const open = [head]
  try {
    for (let oid = open.pop(); oid !== undefined; oid = open.pop()) {
      if (oid === base) return true
      if (seen.has(oid)) continue
      seen.add(oid)
      open.push(...(await repository.commitFacts(oid)).parents)
    }
  } catch (error) {
    if (!isOxbowError(error, 'tool_failed')) throw error
  }
  return false
}

/** @returns the files that versions only know by their names: above 4 GB, or unreadable. They stay on the node that has them. */
async function withoutContent(repository: Repository, large: LargeFiles, ours: WorkTree, theirs: WorkTree): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  for (const path of ours.paths(files)) {
    const leaf = ours.leaf(path)!
    if (!isSame(leaf, theirs.leaf(path)) && large.pointerOf(await repository.blob(leaf.oid))?.kind === 'none') found.add(path)
  }
  return found
}

interface Sides {
  readonly ours: WorkTree
  readonly theirs: WorkTree
  readonly base: WorkTree
  /** Files of the cluster that have no content. */
  readonly none: ReadonlySet<string>
  readonly mounts: readonly string[]
  /** Names of folders of the person that are on another machine. */
  readonly elsewhere: readonly string[]
  readonly mark: string
}

/** @returns the files, with the stamps of those that are on the disk already, and the paths of those that were kept from it */
function mergeFiles({ ours, theirs, base, none, mounts, elsewhere, mark }: Sides): {
  readonly work: WorkTree
  readonly kept: readonly string[]
} {
  const work = createWorkTree()
  const isIn = (names: readonly string[], path: string): boolean =>
    names.includes(fileName(path.split('/', 2)[1]!)) && path.split('/').length > 2
  for (const path of ours.paths('state')) work.set(path, ours.leaf(path)!)
  for (const path of ours.paths(files)) {
    if (isIn(mounts, path) || isIn(elsewhere, path) || none.has(path)) continue
    const [leaf, there] = [ours.leaf(path)!, theirs.leaf(path)]
    work.set(path, { ...leaf, stamp: isSame(leaf, there) ? there!.stamp : '' })
  }
  const kept: string[] = []
  for (const path of theirs.paths(files)) {
    const there = theirs.leaf(path)!
    if (isIn(mounts, path)) {
      work.set(path, there)
      continue
    }
    const own = isIn(elsewhere, path) || none.has(path) ? undefined : ours.leaf(path)
    const before = base.leaf(path)
    if (isSame(there, own) || isSame(there, before)) continue
    const isFree = (own === undefined || isSame(own, before)) && !isBlocked(work, path)
    const at = isFree ? path : nextTo(work, theirs, path, there, mark)
    work.set(at, at === path ? there : { ...there, stamp: '' })
    kept.push(at)
  }
  return { work, kept }
}

function isSame(a: Leaf | undefined, b: Leaf | undefined): boolean {
  return a?.oid === b?.oid && a?.mode === b?.mode
}

/** Whether a file is where the path needs a folder, or a folder where it needs a file. */
function isBlocked(work: WorkTree, path: string): boolean {
  return fileAbove(work, path) !== null || work.paths(path)[Symbol.iterator]().next().done !== true
}

function fileAbove(work: WorkTree, path: string): string | null {
  const names = path.split('/')
  for (let at = 1; at < names.length; at += 1) {
    const above = names.slice(0, at).join('/')
    if (work.leaf(above) !== undefined) return above
  }
  return null
}

/** @returns a free path next to another; the one that has the same content already where a takeover was killed */
function nextTo(work: WorkTree, theirs: WorkTree, path: string, leaf: Leaf, mark: string): string {
  const above = fileAbove(work, path)
  const [taken, rest] = above === null ? [path, ''] : [above, path.slice(above.length)]
  const { dir, name, ext } = posix.parse(taken)
  for (let count = 1; ; count += 1) {
    const found = `${dir}/${name} (${mark}${count === 1 ? '' : ` ${count}`})${ext}${rest}`
    if (isSame(leaf, theirs.leaf(found))) return found
    const isFree = work.leaf(found) === undefined && theirs.leaf(found) === undefined
    if (isFree && !isBlocked(work, found) && !isBlocked(theirs, found)) return found
  }
}
