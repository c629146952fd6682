/**
 * Checkpoints of a branch that is an overlay: each is the version that it lies over, with what the overlay has changed. Only the folders
 * above a change are read and written, so that a checkpoint takes as long as its changes are many, however large the workspace is.
 */
import { encodeTree, folderMode, type Repository, type TreeEntry, type WorkTree } from '../../../repository/index.ts'
import type { BranchChange } from '../../../protocol/index.ts'
import { type Checkpoints, files, takeInto, treeName } from './checkpoint.ts'

type Leaf = Parameters<WorkTree['set']>[1]

/** What has changed at a path, and below it. */
interface Node {
  /** Nothing of what was there is left. */
  gone: boolean
  /** It is no file now. */
  isFolder: boolean
  leaf: Leaf | null
  readonly below: Map<string, Node>
}

const unchanged = (): Node => ({ gone: false, isFolder: false, leaf: null, below: new Map() })

/** @param over the version @param changes folders before what is in them; the contents of files follow by `put` */
export async function createOverlayCheckpoint(
  repository: Repository,
  branch: string,
  over: string,
  changes: readonly BranchChange[],
): Promise<Checkpoints> {
  const { tree } = await repository.commitFacts(over)
  const top = unchanged()
  for (const { path, state } of changes) {
    const node = nodeAt(top, `${files}/${treeName(path)}`)
    if (state === 'gone' || state === 'new_folder') node.gone = true
    if (state === 'folder' || state === 'new_folder') node.isFolder = true
  }
  const draft = { work: changesOnly(top), unseen: null, changes: 0 }
  const none = async (): Promise<void> => {}
  return {
    begin: none,
    forget: () => {},
    keep: () => {},
    extras: () => [],
    ...takeInto(draft, repository),
    async commit(facts) {
      const written = (await write(repository, tree, top)) ?? repository.add('tree', Buffer.alloc(0))
      const head = repository.head(branch) ?? over
      const isSame = (await repository.commitFacts(head)).tree === written
      if (isSame) repository.drop()
      const commit = isSame ? head : repository.commit({ ...facts, tree: written, parents: [head] }, branch)
      return { commit, changed: !isSame, files: draft.changes, state: [] }
    },
  }
}

function nodeAt(top: Node, path: string): Node {
  let node = top
  for (const name of path.split('/')) {
    const next = node.below.get(name) ?? unchanged()
    node.below.set(name, next)
    node = next
  }
  return node
}

/** A tree that knows only what is set. */
function changesOnly(top: Node): WorkTree {
  return {
    leaf: () => undefined,
    set: (path, leaf) => void (nodeAt(top, path).leaf = leaf),
    remove: (path) => void (nodeAt(top, path).gone = true),
    paths: () => [],
    write: () => '',
    save: () => {},
  }
}

/** @param oid of the folder as it was; null: it was not there @returns the id of the folder; null: nothing is in it */
async function write(repository: Repository, oid: string | null, node: Node): Promise<string | null> {
  const before = oid === null ? [] : await repository.tree(oid)
  const entries = new Map(before.map((entry) => [entry.name, entry]))
  for (const [name, next] of node.below) {
    const entry = await entryOf(repository, name, entries.get(name), next)
    if (entry === null) entries.delete(name)
    else entries.set(name, entry)
  }
  return entries.size === 0 ? null : repository.add('tree', encodeTree([...entries.values()]))
}

async function entryOf(repository: Repository, name: string, before: TreeEntry | undefined, node: Node): Promise<TreeEntry | null> {
  if (node.leaf !== null) return { name, mode: node.leaf.mode, oid: node.leaf.oid }
  const wasFolder = before?.mode === folderMode
  const left = node.gone || (node.isFolder && !wasFolder) ? undefined : before
  if (node.below.size === 0) return left ?? null
  const oid = await write(repository, left !== undefined && wasFolder ? left.oid : null, node)
  if (oid !== null) return { name, mode: folderMode, oid }
  // Nothing of what is in it has a version: what was there and is no folder stays.
  return wasFolder || left === undefined ? null : left
}
