/** What a tool made different under its `rw` mounts. */
import { Directory, File } from '@bjorn3/browser_wasi_shim'
import { failed, type Failed } from './tool-failure.ts'
import type { MountedFolder } from './tool-tree.ts'
import type { ToolChange } from '../wasm-tool.ts'

/** A file of many names is given back under each: all of that together has the limit that all files have. */
export function changesIn(mounts: readonly MountedFolder[], maxBytes: number): readonly ToolChange[] | Failed {
  const changes = mounts.filter(({ mode }) => mode === 'rw').flatMap((mount) => changesOf(mount))
  const bytes = changes.reduce((sum, change) => sum + (change.kind === 'written' ? change.bytes.length : 0), 0)
  if (bytes > maxBytes) return failed('limit_reached', `The tool wrote files of ${bytes} bytes; its limit is ${maxBytes}.`, 'Write less.')
  // Copies: what a file keeps behind its end is not sent along.
  return changes.map((change) => (change.kind === 'written' ? { ...change, bytes: change.bytes.slice() } : change))
}

/** Removals come first, children before parents; then folders and files, parents before children. */
function changesOf({ guest, open, before }: MountedFolder): readonly ToolChange[] {
  const now = contentsOf(open.dir)
  const removed = [...before]
    .filter(([path, bytes]) => !now.has(path) || (now.get(path) === null) !== (bytes === null))
    .map(([path]): ToolChange => ({ kind: 'removed', path: `${guest}/${path}` }))
    .reverse()
  const made = [...now].flatMap(([path, bytes]): readonly ToolChange[] => {
    const old = before.get(path)
    const full = `${guest}/${path}`
    if (bytes === null) return old === null ? [] : [{ kind: 'folder_made', path: full }]
    return old !== null && old !== undefined && same(old, bytes) ? [] : [{ kind: 'written', path: full, bytes }]
  })
  return [...removed, ...made]
}

/** Everything in a folder by path; null for folders. Without recursion: a tool decides how deep its folders go. */
function contentsOf(root: Directory): ReadonlyMap<string, Uint8Array | null> {
  const found = new Map<string, Uint8Array | null>()
  const open: { readonly folder: Directory; readonly path: string }[] = [{ folder: root, path: '' }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const [name, inode] of next.folder.contents) {
      const path = `${next.path}${name}`
      if (inode instanceof Directory) {
        found.set(path, null)
        open.push({ folder: inode, path: `${path}/` })
      } else if (inode instanceof File) found.set(path, inode.data)
    }
  }
  return found
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
