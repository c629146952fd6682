/**
 * The folders of a tool, in memory: the shim's file system, extended. Read-only mounts refuse every change, the number and total size of
 * files are limited, growing a file step by step does not copy it each time, and changes are listed at the end.
 *
 * Nothing leads outside: no inode refers to the host, there are no symbolic links, and `..` ends at the mount.
 */
import { Directory, type Fd, File, type Inode, OpenDirectory, OpenFile, PreopenDirectory, wasi } from '@bjorn3/browser_wasi_shim'
import { maxToolFiles, maxToolPathChars } from '../limits.ts'
import { failed, type Failed } from './tool-failure.ts'
import type { ToolChange, ToolMount } from './wasm-tool.ts'

/** State shared by all mounts of one run. */
interface Quota {
  readonly maxBytes: number
  bytes: number
  entries: number
}

/** An inode's mount mode and quota. */
interface Place {
  readonly readonly: boolean
  readonly quota: Quota
}

export interface MountedFolder {
  readonly guest: string
  readonly mode: 'ro' | 'rw'
  /** Its preopened descriptor. */
  readonly open: PreopenDirectory
  /** Initial content, by path inside the mount; null for a folder. */
  readonly before: ReadonlyMap<string, Uint8Array | null>
}

/** @param mounts checked by `checkMounts`. */
export function mountFolders(mounts: readonly ToolMount[], maxBytes: number): readonly MountedFolder[] {
  const quota: Quota = { maxBytes, bytes: 0, entries: 0 }
  return mounts.map(({ guest, mode, files }) => {
    const place: Place = { readonly: mode === 'ro', quota }
    const root = adoptDirectory(new Directory(new Map()), place)
    const before = new Map<string, Uint8Array | null>()
    for (const { path, bytes } of files) {
      const file = adoptFile(new File([], { readonly: place.readonly }), place)
      // Copied: it grows in place, and the sender's arrays may share a buffer.
      file.data = place.readonly ? bytes : bytes.slice()
      quota.bytes += bytes.length
      quota.entries += 1
      folderFor(root, path, place, before).contents.set(path.slice(path.lastIndexOf('/') + 1), file)
      before.set(path, bytes)
    }
    const open = holdDirectory(new PreopenDirectory(guest, new Map()), place)
    open.dir = root
    return { guest, mode, open, before }
  })
}

/** A read-only file outside of all mounts: standard input. */
export function readOnlyFile(bytes: Uint8Array): OpenFile {
  const place: Place = { readonly: true, quota: { maxBytes: 0, bytes: 0, entries: 0 } }
  const file = new File([], { readonly: true })
  file.data = bytes
  return holdFile(new OpenFile(file), place, false)
}

/** A move between two open folders. The shim's version loses the entry if the move fails. @returns an errno */
export function movePath(from: Fd, old: string, to: Fd, path: string): number {
  // An entry can be removed by a name with a trailing slash, but not added.
  const source = withoutSlash(old)
  const { ret, inode_obj: inode } = from.path_unlink(source)
  if (inode === null) return ret
  const moved = to.path_link(withoutSlash(path), inode, true)
  if (moved !== wasi.ERRNO_SUCCESS) from.path_link(source, inode, true)
  return moved
}

function withoutSlash(path: string): string {
  let end = path.length
  while (end > 1 && path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}

function folderFor(root: Directory, path: string, place: Place, before: Map<string, Uint8Array | null>): Directory {
  let folder = root
  let at = ''
  for (const name of path.split('/').slice(0, -1)) {
    at = at === '' ? name : `${at}/${name}`
    const known = folder.contents.get(name)
    const next = known instanceof Directory ? known : adoptDirectory(new Directory(new Map()), place)
    folder.contents.set(name, next)
    before.set(at, null)
    folder = next
  }
  return folder
}

function adoptFile(file: File, place: Place): File {
  return Object.assign(file, {
    path_open(oflags: number, rights: bigint, flags: number) {
      const writes = (rights & BigInt(wasi.RIGHTS_FD_WRITE)) !== 0n || (oflags & wasi.OFLAGS_TRUNC) !== 0
      if (writes && file.readonly) return { ret: wasi.ERRNO_ROFS, fd_obj: null as unknown as OpenFile }
      if ((oflags & wasi.OFLAGS_TRUNC) !== 0) resize(file, 0n, place.quota)
      return { ret: wasi.ERRNO_SUCCESS, fd_obj: holdFile(new OpenFile(file), place, (flags & wasi.FDFLAGS_APPEND) !== 0) }
    },
  })
}

/** The shim's open file resizes read-only files, has no limit, and copies the whole file for each write after its end. */
function holdFile(open: OpenFile, { quota }: Place, appends: boolean): OpenFile {
  const { file } = open
  const grow = (size: bigint): number => (size <= file.size ? wasi.ERRNO_SUCCESS : resize(file, size, quota))
  const write = (data: Uint8Array, offset: bigint): { ret: number; nwritten: number } => {
    const problem = file.readonly ? wasi.ERRNO_BADF : offset < 0n ? wasi.ERRNO_INVAL : grow(offset + BigInt(data.length))
    if (problem !== wasi.ERRNO_SUCCESS) return { ret: problem, nwritten: 0 }
    file.data.set(data, Number(offset))
    return { ret: wasi.ERRNO_SUCCESS, nwritten: data.length }
  }
  return Object.assign(open, {
    fd_allocate: (offset: bigint, length: bigint) => (file.readonly ? wasi.ERRNO_BADF : grow(offset + length)),
    fd_filestat_set_size: (size: bigint) => (file.readonly ? wasi.ERRNO_BADF : resize(file, size, quota)),
    fd_pwrite: write,
    fd_write(data: Uint8Array) {
      if (appends) open.file_pos = file.size
      const written = write(data, open.file_pos)
      open.file_pos += BigInt(written.nwritten)
      return written
    },
  })
}

/** Allocates at most twice the counted size: capacity doubles when a file grows, and is released when it shrinks. */
function resize(file: File, wanted: bigint, quota: Quota): number {
  if (wanted < 0n) return wasi.ERRNO_INVAL
  if (wanted > BigInt(quota.maxBytes)) return wasi.ERRNO_FBIG
  const old = file.data
  const size = Number(wanted)
  if (quota.bytes + size - old.length > quota.maxBytes) return wasi.ERRNO_NOSPC
  quota.bytes += size - old.length
  const capacity = old.buffer.byteLength - old.byteOffset
  if (size > capacity || size < capacity / 2) {
    const data = new Uint8Array(size > old.length ? Math.min(Math.max(size, old.length * 2), quota.maxBytes) : size)
    data.set(old.subarray(0, size))
    file.data = data.subarray(0, size)
  } else {
    file.data = new Uint8Array(old.buffer, old.byteOffset, size)
    if (size > old.length) file.data.fill(0, old.length)
  }
  return wasi.ERRNO_SUCCESS
}

function adoptDirectory(folder: Directory, place: Place): Directory {
  const create = folder.create_entry_for_path.bind(folder)
  return Object.assign(folder, {
    path_open: () => ({ ret: wasi.ERRNO_SUCCESS, fd_obj: holdDirectory(new OpenDirectory(folder), place) }),
    create_entry_for_path(path: string, isFolder: boolean) {
      const problem = refusal(path, place)
      if (problem !== wasi.ERRNO_SUCCESS) return { ret: problem, entry: null }
      const made = create(path, isFolder)
      if (made.entry === null) return made
      place.quota.entries += 1
      if (made.entry instanceof Directory) adoptDirectory(made.entry, place)
      else adoptFile(made.entry as File, place)
      return made
    },
  })
}

/** Whether an entry may be made: removed ones still count, so that a tool cannot create and remove without limit. */
function refusal(path: string, { readonly, quota }: Place): number {
  if (readonly) return wasi.ERRNO_ROFS
  if (path.length > maxToolPathChars) return wasi.ERRNO_NAMETOOLONG
  return quota.entries >= maxToolFiles ? wasi.ERRNO_NOSPC : wasi.ERRNO_SUCCESS
}

function holdDirectory<T extends OpenDirectory>(open: T, place: Place): T {
  const shim = {
    list: open.fd_readdir_single.bind(open),
    link: open.path_link.bind(open),
    create: open.path_create_directory.bind(open),
    unlink: open.path_unlink.bind(open),
    unlinkFile: open.path_unlink_file.bind(open),
    removeFolder: open.path_remove_directory.bind(open),
  }
  const { readonly, quota } = place
  let listed: readonly (readonly [string, Inode])[] = []
  return Object.assign(open, {
    /** The shim's version copies all entries for each one. Entries created during a listing may be missing. */
    fd_readdir_single(cookie: bigint) {
      if (cookie < 2n) return shim.list(cookie)
      const at = Number(cookie - 2n)
      if (at === 0 || listed.length === 0) listed = [...open.dir.contents]
      const [name, inode] = listed[at] ?? []
      if (name === undefined || inode === undefined) return { ret: wasi.ERRNO_SUCCESS, dirent: null }
      return { ret: wasi.ERRNO_SUCCESS, dirent: new wasi.Dirent(cookie + 1n, inode.ino, name, inode.stat().filetype) }
    },
    path_link(path: string, inode: Inode, allowFolder: boolean) {
      const problem = refusal(path, place)
      if (problem !== wasi.ERRNO_SUCCESS) return problem
      quota.entries += 1
      return shim.link(path, inode, allowFolder)
    },
    path_create_directory: (path: string) =>
      open.path_lookup(path, 0).inode_obj === null ? shim.create(path) : readonly ? wasi.ERRNO_ROFS : wasi.ERRNO_EXIST,
    path_unlink(path: string) {
      if (readonly) return { ret: wasi.ERRNO_ROFS, inode_obj: null }
      const taken = shim.unlink(path)
      // Only a move removes an inode; it is counted again at its new path.
      if (taken.inode_obj !== null) quota.entries -= 1
      return taken
    },
    path_unlink_file: (path: string) => (readonly ? wasi.ERRNO_ROFS : shim.unlinkFile(path)),
    path_remove_directory: (path: string) => (readonly ? wasi.ERRNO_ROFS : shim.removeFolder(path)),
  })
}

/** A hard-linked file is returned under each name: their total has the limit of all files. */
export function changesIn(mounts: readonly MountedFolder[], maxBytes: number): readonly ToolChange[] | Failed {
  const changes = mounts.filter(({ mode }) => mode === 'rw').flatMap((mount) => changesOf(mount))
  const bytes = changes.reduce((sum, change) => sum + (change.kind === 'written' ? change.bytes.length : 0), 0)
  if (bytes > maxBytes) return failed('limit_reached', `The tool wrote files of ${bytes} bytes; its limit is ${maxBytes}.`, 'Write less.')
  // Copies without the unused capacity.
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

/** Everything in a folder by path; null for folders. Without recursion, because a tool decides the depth of its folders. */
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
