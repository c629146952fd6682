/** The list of a root: what stands where, from which file of this machine. Made before anything is written, so that it can be hashed. */
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ImageExtra } from '../../config/index.ts'
import { findBrowser } from '../browser.ts'
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

/**
 * What goes into the root of an isolated machine or container, by the name a person asks for it with: programs and folders of
 * this machine, nothing from a network.
 */

export type RootExtra = ImageExtra

/** The place of a file or folder inside, and where it comes from. */
interface RootPart {
  readonly path: string
  readonly source: string
}

interface ExtraParts {
  readonly programs: readonly string[]
  /** For what is no program of the search path. */
  readonly isThere?: () => boolean
  /** Debian package. */
  readonly install: string
  /** Further files and folders; the libraries of each are found. */
  readonly parts: () => readonly RootPart[]
}

export const extraParts: Readonly<Record<RootExtra, ExtraParts>> = {
  ripgrep: { programs: ['rg'], install: 'ripgrep', parts: () => [] },
  bash: { programs: ['bash'], install: 'bash', parts: () => [] },
  git: {
    programs: ['git'],
    install: 'git',
    parts: () => [...inPlace('/usr/lib/git-core', '/usr/libexec/git-core', '/usr/share/git-core/templates')],
  },
  // Its command is a script that looks for things of a desktop: the program itself is what is started.
  browser: { programs: [], install: 'chromium', isThere: () => !('code' in findBrowser({ program: '' })), parts: browserParts },
  python: { programs: ['python3'], install: 'python3-minimal', parts: pythonLibrary },
}

/** What every root has where this machine has it: certificates for the proxy, descriptions of terminals. */
export function commonParts(): readonly RootPart[] {
  const terminals = ['d/dumb', 'l/linux', 's/screen', 't/tmux', 'v/vt100', 'x/xterm', 'x/xterm-256color']
  const descriptions = terminals.flatMap((name) => {
    const source = ['/usr/share/terminfo', '/lib/terminfo'].map((folder) => join(folder, name)).find((path) => existsSync(path))
    return source === undefined ? [] : [{ path: `/usr/share/terminfo/${name}`, source }]
  })
  return [...inPlace('/etc/ssl/certs/ca-certificates.crt'), ...descriptions]
}

function inPlace(...paths: readonly string[]): readonly RootPart[] {
  return paths.filter((path) => existsSync(path)).map((path) => ({ path, source: path }))
}

/** Chromium, the fonts that pages are drawn with, and the libraries that it opens by name: no list of needed ones has them. */
function browserParts(): readonly RootPart[] {
  const found = findBrowser({ program: '' })
  if ('code' in found) return []
  const named = ['/usr/lib/x86_64-linux-gnu/nss', '/usr/lib/aarch64-linux-gnu/nss', '/usr/lib64/nss']
  return inPlace(dirname(found.program), '/etc/fonts', '/usr/share/fonts', '/usr/share/fontconfig', ...named)
}

/** Python looks for its library by its own version, next to its program. */
function pythonLibrary(): readonly RootPart[] {
  const program = existsSync('/usr/bin/python3') ? realpathSync('/usr/bin/python3') : ''
  const [, version] = /python(3\.\d+)$/.exec(program) ?? []
  return version === undefined ? [] : inPlace(`/usr/lib/python${version}`)
}

/** Left out of copied folders: what no machine without a desktop, a compiler or a network of its own can use. */
export function isLeftOut(name: string): boolean {
  return leftOut.has(name) || name.startsWith('config-3')
}

const leftOut: ReadonlySet<string> = new Set([
  'test',
  'tests',
  'idlelib',
  'tkinter',
  'turtledemo',
  'ensurepip',
  'git-daemon',
  'git-http-backend',
  'git-http-push',
  'git-http-fetch',
  'git-imap-send',
  'scalar',
  'git-instaweb',
])

/** Programs ask who they are and what the system is; without these files `git` and many a script fail over it. */
export function accountFiles(uid: number): readonly { readonly path: string; readonly text: string }[] {
  return [
    { path: '/etc/passwd', text: `root:x:0:0:root:/:/bin/false\nagent:x:${uid}:${uid}:agent:/tmp:/bin/sh\n` },
    { path: '/etc/group', text: `root:x:0:\nagent:x:${uid}:\n` },
    { path: '/etc/nsswitch.conf', text: 'passwd: files\ngroup: files\nhosts: files dns\n' },
    { path: '/etc/os-release', text: 'ID=oxbow\nNAME="Oxbow"\nPRETTY_NAME="Oxbow sandbox"\n' },
  ]
}
