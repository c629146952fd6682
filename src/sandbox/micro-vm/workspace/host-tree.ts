/** What stands in the person's folder, and what stood there when host and machine last agreed. Links are looked at, never followed. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Stats } from 'node:fs'
import { lstat, readdir, readFile, readlink, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { maxImportEntries } from '../../limits.ts'

export interface TreeEntry {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  /** Of a file: its content; of a link: where it leads. '' for others. */
  readonly content: string
  readonly executable: boolean
  /** Whatever changes when somebody touches it. */
  readonly stamp: string
}

/** By path, relative, folders before what is in them. */
export type Tree = ReadonlyMap<string, TreeEntry>

/**
 * @param known what is known already: a file whose stamp is the same is not read again
 * @returns the tree, without what cannot be read. Never throws for a single entry.
 */
export async function readTree(root: string, known: Tree): Promise<Map<string, TreeEntry>> {
  const tree = new Map<string, TreeEntry>()
  const enter = async (below: string): Promise<void> => {
    for (const name of await readdir(join(root, below)).catch(() => [])) {
      if (tree.size >= maxImportEntries || isPassing(name)) continue
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
export async function readEntry(root: string, path: string, known?: TreeEntry): Promise<TreeEntry> {
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

export function sameEntry(a: TreeEntry, b: Pick<TreeEntry, 'kind' | 'content' | 'executable'>): boolean {
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
export interface Agreement {
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
