/**
 * Reads the files of a package at once: on this thread where they are few, in `tree-worker.ts` where they are many. Synchronous reading takes a
 * quarter of the processor time that promises take, which counts for packages of ten thousand files.
 */
import { createHash, hash } from 'node:crypto'
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError, staysInside } from '../../base/index.ts'

export interface TreeFile {
  /** Relative, with `/`. */
  readonly path: string
  readonly kind: 'file' | 'program' | 'link'
  readonly bytes: number
  /** SHA-256 in hex; of a link, of its target. */
  readonly hash: string
}

interface FoundFile extends Omit<TreeFile, 'hash'> {
  readonly target: string
}

interface FoundTree {
  readonly files: readonly FoundFile[]
  /** Over inode, size, times and mode of each file: it changes with any of them. */
  readonly stamp: string
}

export interface TreeLimits {
  readonly files: number
  readonly bytes: number
}

/** Plugins of elizaOS bring their packages along: some thousand files, some hundred megabytes. */
const maxTree: TreeLimits = { files: 100_000, bytes: 1024 * 1024 * 1024 }
const maxDepth = 40
const pieceBytes: number = 256 * 1024

/**
 * @param enough stops the search: then the tree is larger, and null is returned
 * @throws OxbowError `path_refused` or `limit_reached`
 */
export function findFiles(folder: string, enough?: TreeLimits): FoundTree | null {
  const files: FoundFile[] = []
  const stamps = createHash('sha256')
  const limits = enough ?? maxTree
  let bytes = 0
  const visit = (path: string, depth: number): boolean => {
    if (depth > maxDepth) throw tooMuch(`folders ${maxDepth} deep`)
    for (const name of readdirSync(join(folder, path)).toSorted()) {
      const inner = path === '' ? name : `${path}/${name}`
      if (/[\n\0\\]/.test(inner)) throw refused(inner, 'has a name that cannot be kept')
      const stats = lstatSync(`${folder}/${inner}`, { bigint: true })
      if (stats.isDirectory()) {
        if (!visit(inner, depth + 1)) return false
        continue
      }
      const isLink = stats.isSymbolicLink()
      if (!isLink && !stats.isFile()) throw refused(inner, 'is neither a file nor a folder')
      const target = isLink ? readlinkSync(`${folder}/${inner}`) : ''
      if (isLink && !staysInside(inner, target)) throw refused(inner, `is a link out of the package, to ${target.slice(0, 200)}`)
      const { ino, size, mtimeNs, ctimeNs, mode } = stats
      const kind = isLink ? 'link' : (mode & 0o111n) === 0n ? 'file' : 'program'
      bytes += Number(size)
      files.push({ path: inner, kind, bytes: Number(size), target })
      stamps.update(`${inner}\0${ino} ${size} ${mtimeNs} ${ctimeNs} ${mode}\n`)
      if (files.length <= limits.files && bytes <= limits.bytes) continue
      if (enough !== undefined) return false
      throw tooMuch(files.length > limits.files ? `more than ${limits.files} files` : `more than ${limits.bytes} bytes`)
    }
    return true
  }
  return visit('', 0) ? { files, stamp: stamps.digest('hex') } : null
}

export function hashFiles(folder: string, found: readonly FoundFile[]): readonly TreeFile[] {
  const piece = Buffer.allocUnsafe(pieceBytes)
  return found.map(({ path, kind, bytes, target }) => ({
    path,
    kind,
    bytes,
    hash: kind === 'link' ? hash('sha256', target) : hashFile(`${folder}/${path}`, piece),
  }))
}

/** @returns SHA-256 in hex of the content of a file @throws the system's own error */
export function hashOf(path: string): string {
  return hashFile(path, Buffer.allocUnsafe(pieceBytes))
}

function hashFile(path: string, piece: Buffer): string {
  const all = createHash('sha256')
  const file = openSync(path, 'r')
  try {
    const next = (): number => readSync(file, piece, 0, piece.length, null)
    for (let read = next(); read > 0; read = next()) all.update(piece.subarray(0, read))
  } finally {
    closeSync(file)
  }
  return all.digest('hex')
}

/** @returns SHA-256 over paths, kinds and hashes, whatever the order of the files */
export function hashOfFiles(files: readonly TreeFile[]): string {
  const all = createHash('sha256')
  for (const { path, kind, hash: own } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) all.update(`${path}\0${kind}\0${own}\n`)
  return all.digest('hex')
}

function refused(path: string, why: string): OxbowError {
  return new OxbowError('path_refused', `${path} in the package ${why}.`, { hint: 'Remove it from the package.' })
}

function tooMuch(what: string): OxbowError {
  return new OxbowError('limit_reached', `The package has ${what}.`, { hint: 'Leave out what the plugin does not need.' })
}
