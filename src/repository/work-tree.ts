/**
 * The tree of the next commit, in memory: for each file its content and the stamp under which hands last saw it. A change clears the ids of
 * the folders above it only, so that a commit writes the trees that changed and no others. A file next to the repository keeps the stamps
 * between runs; without it every file is read once more.
 */
import { readFileSync } from 'node:fs'
import { type Json, writeWhole } from '../base/index.ts'

/** As in a git tree: a file, a program, a link. */
export type FileMode = '100644' | '100755' | '120000'
/** The mode that git gives to a folder. */
export const folderMode = '40000'

interface Leaf {
  readonly oid: string
  readonly mode: FileMode
  /** '' if its content must be read again. */
  readonly stamp: string
}

interface Folder {
  readonly entries: Map<string, Leaf | Folder>
  /** Null since something in it has changed. */
  oid: string | null
}

/** An entry of a tree of git. `oid` is 40 hexadecimal digits. */
export interface TreeEntry {
  readonly name: string
  readonly mode: string
  readonly oid: string
}

export interface WorkTree {
  leaf(path: string): Leaf | undefined
  set(path: string, leaf: Leaf): void
  remove(path: string): void
  /** Paths of all files below a folder. */
  paths(folder: string): Iterable<string>
  /** Writes the folders that have changed. @returns the id of the whole tree */
  write(writeTree: (content: Buffer) => string): string
  /** Keeps the stamps for the next run. @param tree id of the whole tree that this is */
  save(path: string, tree: string): void
}

const isFolder = (node: Leaf | Folder | undefined): node is Folder => node !== undefined && 'entries' in node
const emptyFolder = (): Folder => ({ entries: new Map(), oid: null })

export function createWorkTree(): WorkTree {
  const top = emptyFolder()
  const find = (path: string): Leaf | Folder | undefined => {
    let node: Leaf | Folder | undefined = top
    for (const name of path.split('/')) node = isFolder(node) ? node.entries.get(name) : undefined
    return node
  }
  const set = (path: string, leaf: Leaf): void => {
    const names = path.split('/')
    const name = names.pop()!
    let folder = top
    for (const part of names) {
      folder.oid = null
      let next = folder.entries.get(part)
      if (!isFolder(next)) folder.entries.set(part, (next = emptyFolder()))
      folder = next
    }
    folder.oid = null
    folder.entries.set(name, leaf)
  }
  return {
    leaf(path) {
      const node = find(path)
      return isFolder(node) ? undefined : node
    },
    set(path, leaf) {
      const before = find(path)
      // A new stamp alone changes no tree.
      if (before !== undefined && !isFolder(before) && before.oid === leaf.oid && before.mode === leaf.mode) {
        Object.assign(before, { stamp: leaf.stamp })
      } else set(path, { ...leaf })
    },
    remove(path) {
      if (find(path) !== undefined) removeFrom(top, path.split('/'))
    },
    *paths(folder) {
      const node = find(folder)
      if (isFolder(node)) for (const [path] of leavesOf(node, folder)) yield path
    },
    write: (writeTree) => writeFolder(top, writeTree),
    save(path, tree) {
      const files = [...leavesOf(top, '')].map(([name, { oid, mode, stamp }]) => [name, oid, mode, stamp])
      writeWhole(path, JSON.stringify({ tree, files }))
    },
  }
}

/** @returns whether the folder is now empty */
function removeFrom(folder: Folder, [name, ...rest]: readonly string[]): boolean {
  const node = folder.entries.get(name!)
  folder.oid = null
  if (rest.length === 0 || (isFolder(node) && removeFrom(node, rest))) folder.entries.delete(name!)
  return folder.entries.size === 0
}

function* leavesOf(folder: Folder, above: string): Generator<readonly [path: string, leaf: Leaf]> {
  for (const [name, node] of folder.entries) {
    const path = above === '' ? name : `${above}/${name}`
    if (isFolder(node)) yield* leavesOf(node, path)
    else yield [path, node]
  }
}

function writeFolder(folder: Folder, writeTree: (content: Buffer) => string): string {
  if (folder.oid !== null) return folder.oid
  const entries = [...folder.entries].map(([name, node]) =>
    isFolder(node) ? { name, mode: folderMode, oid: writeFolder(node, writeTree) } : { name, mode: node.mode, oid: node.oid },
  )
  return (folder.oid = writeTree(encodeTree(entries)))
}

/** Git sorts a folder as if its name ended with a slash. */
export function encodeTree(entries: readonly TreeEntry[]): Buffer {
  const sorted = entries
    .map((entry) => ({ ...entry, key: Buffer.from(entry.mode === folderMode ? `${entry.name}/` : entry.name) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
  return Buffer.concat(sorted.flatMap(({ mode, name, oid }) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, 'hex')]))
}

/** @throws Error if it is not a tree */
export function decodeTree(content: Buffer): readonly TreeEntry[] {
  const entries: TreeEntry[] = []
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(' ', at)
    const end = content.indexOf(0, space)
    if (space < 0 || end < 0 || end + 21 > content.length) throw new Error('a tree is damaged')
    const oid = content.toString('hex', end + 1, end + 21)
    entries.push({ mode: content.toString('latin1', at, space), name: content.toString('utf8', space + 1, end), oid })
    at = end + 21
  }
  return entries
}

/** @param tree the id of the tree of the newest commit @returns null if the file is missing, damaged or of another tree */
export function readStamps(path: string, tree: string): WorkTree | null {
  try {
    const saved = JSON.parse(readFileSync(path, 'utf8')) as { tree: Json; files: [string, string, FileMode, string][] }
    if (saved.tree !== tree) return null
    const work = createWorkTree()
    for (const [name, oid, mode, stamp] of saved.files) work.set(name, { oid, mode, stamp })
    return work
  } catch {
    return null
  }
}
