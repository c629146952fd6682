/** The list of a root: what stands where, from which file of this machine. Made before anything is written, so that it can be hashed. */
import { lstatSync, readlinkSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { maxRootEntries } from '../limits.ts'

export type RootEntry =
  | { readonly kind: 'folder'; readonly mode: number }
  | { readonly kind: 'file'; readonly mode: number; readonly source: string; readonly strip: boolean }
  | { readonly kind: 'text'; readonly mode: number; readonly text: string }
  | { readonly kind: 'link'; readonly target: string }

/** By absolute path inside. */
export type RootEntries = Map<string, RootEntry>

/** Raised when the same sources must give another tree. */
const recipe = 1

/** Where `/bin`, `/lib` and the like lead, as in Debian: one folder for the programs, one for the libraries. */
export const mergedFolders: readonly string[] = ['bin', 'sbin', 'lib', 'lib64']

function insidePath(path: string): string {
  return mergedFolders.some((name) => path.startsWith(`/${name}/`)) ? `/usr${path}` : path
}

/** Adds a file, or a folder with all in it. @param without names that are passed over */
export function addFrom(entries: RootEntries, path: string, source: string, without: (name: string) => boolean): void {
  if (entries.size > maxRootEntries) throw new Error(`more than ${maxRootEntries} files for an image, at ${source}`)
  const stats = statSync(source, { throwIfNoEntry: false })
  // A link that leads nowhere.
  if (stats === undefined) return
  const link = lstatSync(source).isSymbolicLink() ? readlinkSync(source) : null
  // Links to a neighbour stay links: git has a hundred of them to itself. Others lead out of what is copied.
  if (link !== null && !link.includes('/')) entries.set(insidePath(path), { kind: 'link', target: link })
  else if (stats.isFile()) addFile(entries, path, realpathSync(source))
  else if (stats.isDirectory() && link === null) {
    for (const name of readdirSync(source).sort()) if (!without(name)) addFrom(entries, join(path, name), join(source, name), without)
  }
}

export function addFile(entries: RootEntries, path: string, source: string, strip = false): void {
  entries.set(insidePath(path), { kind: 'file', mode: statSync(source).mode & 0o111 ? 0o755 : 0o644, source, strip })
}

export function addText(entries: RootEntries, path: string, text: string): void {
  entries.set(insidePath(path), { kind: 'text', mode: 0o644, text })
}

/** @returns the entries by path, each after the folder that holds it. */
export function withFolders(entries: RootEntries): RootEntries {
  const all: RootEntries = new Map(entries)
  for (const path of entries.keys()) {
    for (let at = dirname(path); at !== '/'; at = dirname(at)) if (!all.has(at)) all.set(at, { kind: 'folder', mode: 0o755 })
  }
  return new Map([...all].sort(([one], [two]) => (one < two ? -1 : 1)))
}

/** @returns the name of the tree: the same sources give the same, another Node, library or text another. */
export function entriesKey(entries: RootEntries): string {
  const hash = createHash('sha256').update(`recipe ${recipe}\n`)
  for (const [path, entry] of entries) hash.update(`${path}\0${identity(entry)}\n`)
  return hash.digest('hex').slice(0, 24)
}

/** Files by size and time: reading them all would take longer than all else. */
function identity(entry: RootEntry): string {
  if (entry.kind === 'folder') return `folder ${entry.mode}`
  if (entry.kind === 'link') return `link ${entry.target}`
  if (entry.kind === 'text') return `text ${entry.mode} ${createHash('sha256').update(entry.text).digest('hex')}`
  const { size, mtimeMs } = statSync(entry.source)
  return `file ${entry.mode} ${entry.strip} ${entry.source} ${size} ${mtimeMs}`
}
