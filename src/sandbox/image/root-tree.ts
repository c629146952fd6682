/**
 * Makes the root of a container or a micro VM as a folder: Node, the libraries that it needs, busybox, and the programs that were
 * asked for, all copied from this machine. No network and no registry: what runs inside is what this machine has and trusts.
 */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  realpathSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Failure } from '../../base/index.ts'
import { findPtyAddon, insidePtyAddon } from '../hands/pty-addon.ts'
import { runOnHost } from '../host-programs.ts'
import { makeFolder } from '../kept-files.ts'
import { rootBuildMs } from '../limits.ts'
import { insideNode, sandboxUid } from '../tier-plan.ts'
import {
  accountFiles,
  addFile,
  addFrom,
  addText,
  commonParts,
  entriesKey,
  extraParts,
  isLeftOut,
  mergedFolders,
  type RootEntries,
  type RootEntry,
  type RootExtra,
  withFolders,
} from './root-entries.ts'

export interface RootTreeOptions {
  readonly extras: readonly RootExtra[]
  /** Further files by their path inside: the hands program, the init of a machine. A `source` is a file of this machine. */
  readonly files: readonly ({ readonly path: string } & ({ readonly text: string } | { readonly source: string }))[]
  /** Further empty folders to mount on. */
  readonly folders?: readonly string[]
  readonly searchPath: string
}

export interface RootTree {
  /** The root itself; owned by root where root made it. It is kept until somebody removes it. */
  readonly root: string
  readonly key: string
  readonly files: number
  readonly bytes: number
  /** False when it was there already. */
  readonly fresh: boolean
}

const systemFolders = ['/usr/bin', '/usr/sbin', '/bin', '/sbin']
/** Empty folders that something is mounted on. */
const mountPoints = ['/shared', '/tmp', '/vault', '/run', '/proc', '/sys', '/dev', '/var/tmp']

export interface RootPlan {
  readonly key: string
  /**
   * Quick when it is there already.
   * @param folder where trees are kept, one folder each, by key. @throws a system error when it cannot be written
   */
  write(folder: string): Promise<RootTree>
}

/** Looks at all that would go into the tree. @returns its key and how to write it, or what must be installed first */
export async function planRootTree(options: RootTreeOptions): Promise<RootPlan | Failure> {
  const tools = findBuildTools(options)
  if ('code' in tools) return tools
  const entries = await rootEntries(options, tools)
  const key = entriesKey(entries)
  const write = async (folder: string): Promise<RootTree> => {
    const root = join(folder, key)
    const fresh = await makeFolder(root, async (draft) => {
      for (const [path, entry] of entries) await writeEntry(join(draft, path), entry, tools.strip)
    })
    let bytes = 0
    for (const [path, { kind }] of entries) if (kind === 'file' || kind === 'text') bytes += statSync(join(root, path)).size
    return { root, key, files: entries.size, bytes, fresh }
  }
  return { key, write }
}

/** @returns the tree, or what must be installed first. @throws a system error when it cannot be written. */
export async function buildRootTree(folder: string, options: RootTreeOptions): Promise<RootTree | Failure> {
  const plan = await planRootTree(options)
  return 'write' in plan ? plan.write(folder) : plan
}

export function isRootTree(tree: RootTree | Failure): tree is RootTree {
  return 'root' in tree
}

interface BuildTools {
  readonly busybox: string
  readonly ldd: string
  /** Null if it is not installed: Node stays 15 MB larger. */
  readonly strip: string | null
  readonly programs: readonly string[]
}

function findBuildTools({ extras, searchPath }: RootTreeOptions): BuildTools | Failure {
  const places = searchPath.split(':').filter((folder) => folder.startsWith('/'))
  // The system's folders first: a person's own Python may be a script that leads elsewhere.
  const folders = [...systemFolders.filter((folder) => places.includes(folder)), ...places]
  const find = (name: string) => folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null
  const wanted = [{ program: 'busybox', install: 'busybox-static' }, { program: 'ldd', install: 'libc-bin' }, ...extraPrograms(extras)]
  const absent = extras.filter((extra) => extraParts[extra].isThere?.() === false)
  const missing = [
    ...wanted.filter(({ program }) => find(program) === null),
    ...absent.map((extra) => ({ program: extraParts[extra].install, install: extraParts[extra].install })),
  ]
  if (missing.length > 0) {
    const install = [...new Set(missing.map((each) => each.install))].join(' ')
    return {
      code: 'sandbox_missing',
      message: `An image cannot be made: ${missing.map(({ program }) => program).join(', ')} not found on this machine.`,
      hint: `Install with: apt-get install ${install} (or your system's packages of that name).`,
    }
  }
  const programs = extraPrograms(extras).map(({ program }) => find(program)!)
  return { busybox: find('busybox')!, ldd: find('ldd')!, strip: find('strip'), programs }
}

function extraPrograms(extras: readonly RootExtra[]): { program: string; install: string }[] {
  return extras.flatMap((extra) => extraParts[extra].programs.map((program) => ({ program, install: extraParts[extra].install })))
}

async function rootEntries({ extras, files, folders = [] }: RootTreeOptions, tools: BuildTools): Promise<RootEntries> {
  const entries: RootEntries = new Map()
  for (const path of [...mountPoints, ...folders]) entries.set(path, { kind: 'folder', mode: path.endsWith('/tmp') ? 0o1777 : 0o755 })
  for (const name of mergedFolders) entries.set(`/${name}`, { kind: 'link', target: `usr/${name}` })
  for (const name of mergedFolders) entries.set(`/usr/${name}`, { kind: 'folder', mode: 0o755 })

  // Busybox first: what was asked for by name goes over its small version of it.
  addFile(entries, '/bin/busybox', realpathSync(tools.busybox))
  const { stdout } = await runOnHost(tools.busybox, ['--list'])
  for (const name of stdout.split('\n'))
    if (name !== '' && name !== 'busybox') entries.set(`/usr/bin/${name}`, { kind: 'link', target: 'busybox' })

  addFile(entries, insideNode, realpathSync(process.execPath), tools.strip !== null)
  entries.set('/usr/local/bin/node', { kind: 'link', target: insideNode })
  for (const program of tools.programs) addFile(entries, `/usr/bin/${program.split('/').at(-1)}`, realpathSync(program))
  for (const { path, source } of [...commonParts(), ...extras.flatMap((extra) => extraParts[extra].parts())]) {
    addFrom(entries, path, source, isLeftOut)
  }
  for (const file of files) {
    if ('text' in file) addText(entries, file.path, file.text)
    else addFile(entries, file.path, realpathSync(file.source))
  }
  const addon = findPtyAddon()
  if (addon !== null) addFile(entries, insidePtyAddon, addon)
  for (const { path, text } of accountFiles(sandboxUid)) addText(entries, path, text)

  for (const library of await sharedLibraries(tools.ldd, programsOf(entries))) addFile(entries, library, realpathSync(library))
  return withFolders(entries)
}

/** Whatever the loader may have to load: programs, and the addons of Node and Python. */
function programsOf(entries: RootEntries): readonly string[] {
  const found: string[] = []
  for (const [path, entry] of entries) {
    if (entry.kind === 'file' && (entry.mode === 0o755 || /\.(?:so|node)\b/.test(path))) found.push(entry.source)
  }
  return found
}

async function writeEntry(path: string, entry: RootEntry, strip: string | null): Promise<void> {
  switch (entry.kind) {
    case 'folder':
      mkdirSync(path, { recursive: true })
      break
    case 'link':
      return symlinkSync(entry.target, path)
    case 'text':
      writeFileSync(path, entry.text)
      break
    case 'file': {
      const { exitCode } =
        entry.strip && strip !== null ? await runOnHost(strip, ['-o', path, entry.source], { timeoutMs: rootBuildMs }) : { exitCode: 1 }
      if (exitCode !== 0) copyFileSync(entry.source, path)
      // Python trusts its compiled modules by the time of their sources.
      const { mtime } = statSync(entry.source)
      utimesSync(path, mtime, mtime)
    }
  }
  chmodSync(path, entry.mode)
  if (process.getuid?.() === 0) chownSync(path, 0, 0)
}

/** As many as fit into one run of ldd, which is a script that takes 20 ms for each start. */
const batch = 50

/** @param programs absolute paths; scripts and static programs need nothing. @returns their libraries and the loader, as `ldd` names them; absolute */
export async function sharedLibraries(ldd: string, programs: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>()
  for (let at = 0; at < programs.length; at += batch) {
    const { stdout } = await runOnHost(ldd, programs.slice(at, at + batch))
    for (const path of parseLdd(stdout)) found.add(path)
  }
  return [...found].sort()
}

/** `libc.so.6 => /lib/libc.so.6 (0x7f…)`, and the loader as `/lib64/ld-linux.so.2 (0x7f…)`; headings end with a colon. */
export function parseLdd(output: string): readonly string[] {
  return output.split('\n').flatMap((line) => /^\t(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/.exec(line)?.[1] ?? [])
}
