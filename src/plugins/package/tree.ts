/**
 * The files of a package, and one hash over all of them: SHA-256 over the lines `path NUL kind NUL hash`, sorted by path. It is what a person
 * approves and a signature covers, and what is checked each time a host starts. A link must stay in its folder; anything else than
 * files, folders and such links is refused.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { OxbowError } from '../../types/index.ts'

/** Plugins of elizaOS bring their packages along: some thousand files, some hundred megabytes. */
const maxTreeFiles = 100_000
const maxTreeBytes: number = 1024 * 1024 * 1024
const maxDepth = 40
/** Larger files are hashed piece by piece. */
const wholeBytes: number = 1024 * 1024
const atOnce = 16

export interface TreeFile {
  /** Relative, with `/`. */
  readonly path: string
  readonly kind: 'file' | 'program' | 'link'
  readonly bytes: number
  /** SHA-256 in hex; of a link, of its target. */
  readonly hash: string
}

interface Found {
  readonly path: string
  readonly kind: TreeFile['kind']
  readonly bytes: number
  readonly target: string
  /** Changes with the file. */
  readonly stamp: string
}

/** @throws OxbowError `path_refused` or `limit_reached` */
export async function listTree(folder: string): Promise<readonly TreeFile[]> {
  return hashAll(folder, await walk(folder))
}

export async function treeHash(folder: string): Promise<string> {
  return hashOfFiles(await listTree(folder))
}

export function hashOfFiles(files: readonly TreeFile[]): string {
  const hash = createHash('sha256')
  for (const { path, kind, hash: own } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) hash.update(`${path}\0${kind}\0${own}\n`)
  return hash.digest('hex')
}

export interface TreeCheck {
  /** @throws OxbowError `denied` if the files of a folder are not those of the hash */
  check(folder: string, hash: string): Promise<void>
}

/** Reads the files again only if their times, sizes or inodes have changed since the last check by this object. */
export function createTreeCheck(): TreeCheck {
  const checked = new Map<string, string>()
  return {
    async check(folder, hash) {
      const found = await walk(folder)
      const stamps = createHash('sha256')
      for (const { path, stamp } of found) stamps.update(`${path}\0${stamp}\n`)
      const now = `${hash} ${stamps.digest('hex')}`
      if (checked.get(folder) === now) return
      const actual = hashOfFiles(await hashAll(folder, found))
      if (actual !== hash)
        throw new OxbowError('denied', `The files in ${folder} are not those that were approved.`, {
          hint: 'Install the plugin again: oxbow plugin verify shows what has changed, and oxbow plugin add replaces it.',
          data: { expected: hash, actual },
        })
      checked.set(folder, now)
    },
  }
}

async function walk(folder: string): Promise<readonly Found[]> {
  const found: Found[] = []
  let bytes = 0
  const visit = async (path: string, depth: number): Promise<void> => {
    if (depth > maxDepth) throw tooMuch(`folders ${maxDepth} deep`)
    const entries = await readdir(join(folder, path), { withFileTypes: true })
    for (const { name } of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const inner = path === '' ? name : `${path}/${name}`
      if (/[\n\0\\]/.test(inner)) throw refused(inner, 'has a name that cannot be kept')
      const stats = await lstat(join(folder, inner), { bigint: true })
      if (stats.isDirectory()) {
        await visit(inner, depth + 1)
        continue
      }
      const isLink = stats.isSymbolicLink()
      if (!isLink && !stats.isFile()) throw refused(inner, 'is neither a file nor a folder')
      const target = isLink ? await readlink(join(folder, inner)) : ''
      if (isLink && !staysInside(inner, target)) throw refused(inner, `is a link out of the package, to ${target.slice(0, 200)}`)
      bytes += Number(stats.size)
      const kind = isLink ? 'link' : (stats.mode & 0o111n) === 0n ? 'file' : 'program'
      const { ino, size, mtimeNs, ctimeNs, mode } = stats
      found.push({ path: inner, kind, bytes: Number(size), target, stamp: `${ino} ${size} ${mtimeNs} ${ctimeNs} ${mode}` })
      if (found.length > maxTreeFiles) throw tooMuch(`more than ${maxTreeFiles} files`)
      if (bytes > maxTreeBytes) throw tooMuch(`more than ${maxTreeBytes} bytes`)
    }
  }
  await visit('', 0)
  return found
}

/** @param path of the link, relative to the top of the package */
export function staysInside(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/')) return false
  const reached = posix.normalize(posix.join(dirname(path), target))
  return reached !== '..' && !reached.startsWith('../')
}

async function hashAll(folder: string, found: readonly Found[]): Promise<readonly TreeFile[]> {
  const files: TreeFile[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let at = next++; at < found.length; at = next++) {
      const { path, kind, bytes, target } = found[at]!
      const hash = kind === 'link' ? createHash('sha256').update(target).digest('hex') : await hashFile(join(folder, path), bytes)
      files[at] = { path, kind, bytes, hash }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return files
}

async function hashFile(path: string, bytes: number): Promise<string> {
  const hash = createHash('sha256')
  if (bytes <= wholeBytes) return hash.update(await readFile(path)).digest('hex')
  for await (const piece of createReadStream(path, { highWaterMark: wholeBytes })) hash.update(piece as Buffer)
  return hash.digest('hex')
}

function refused(path: string, why: string): OxbowError {
  return new OxbowError('path_refused', `${path} in the package ${why}.`, { hint: 'Remove it from the package.' })
}

function tooMuch(what: string): OxbowError {
  return new OxbowError('limit_reached', `The package has ${what}.`, { hint: 'Leave out what the plugin does not need.' })
}
