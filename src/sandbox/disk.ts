/**
 * `sandbox.disk_mb`: whether it is in force, and a file system of that size under the workspace where the configuration asks for one. Only
 * the file system bounds what all files take together: the limit of a single file does not bound their sum.
 */
import { statfsSync, statSync } from 'node:fs'
import { chmod, mkdir, open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/index.ts'
import { ownSearchPath, runOnHost } from './host-programs.ts'
import { diskBuildMs } from './limits.ts'
import type { WorkspaceFolders } from './tier-plan.ts'

export interface DiskLimit {
  readonly inForce: readonly string[]
  readonly missing: readonly string[]
}

const mib = 1024 * 1024

/** @param problem why the configured disk is missing; null where it is there, or none is configured */
export function findDiskLimit(
  { shared, tmp }: Pick<WorkspaceFolders, 'shared' | 'tmp'>,
  diskMb: number | null,
  problem: string | null,
): DiskLimit {
  if (diskMb === null) return { inForce: ['disk: no limit in all, sandbox.disk_mb is not set'], missing: [] }
  // Two folders on one file system share its space.
  const bytes = new Map([shared, tmp].map((folder) => [fileSystem(folder), size(folder)]))
  const total = [...bytes.values()].reduce((sum, each) => sum + each, 0)
  if (total <= diskMb * mib) return { inForce: [`disk: ${Math.floor(total / mib)} MB in all`], missing: [] }
  const why = problem ?? `the workspace is on a larger file system than sandbox.disk_mb (${diskMb})`
  return { inForce: [], missing: [`disk: ${why}; not limited`] }
}

function size(folder: string): number {
  const { blocks, bsize } = statfsSync(folder)
  return blocks * bsize
}

function fileSystem(folder: string): number {
  return statSync(folder).dev
}

/**
 * A file system of `sandbox.disk_mb` under the workspace: an ext4 file system in one sparse file, or a tmpfs. It is mounted in a folder
 * that agents do not see; its folders `shared` and `tmp` are bound over the workspace's, so that both share its room.
 *
 * It stays mounted when Oxbow ends, so that the person's files stay where they are; after a restart of the machine the next start
 * of Oxbow mounts it again. Nothing is mounted over files that are there: they would seem lost.
 */

const bound = ['shared', 'tmp'] as const

/** Only root mounts. */
const noRoot = 'only root can mount one; docs/isolation.md, “Disk”, has the line for /etc/fstab'

/** @returns why the configured disk is missing; null where it is there, or none is configured. Never rejects. */
export async function holdDisk(
  workspaceRoot: string,
  { disk, disk_mb: diskMb }: Pick<Config['sandbox'], 'disk' | 'disk_mb'>,
): Promise<string | null> {
  if (disk === 'folder' || diskMb === null) return null
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return noRoot
  try {
    await mkdir(workspaceRoot, { recursive: true })
    return await mountDisk(await realpath(workspaceRoot), disk, diskMb)
  } catch (error) {
    return `it could not be made (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown failure'})`
  }
}

/** Unmounts all of it; files in the image stay in it. @returns false where a process still uses it */
export async function releaseDisk(workspaceRoot: string): Promise<boolean> {
  const mounted = await mountPoints()
  const places = [...bound.map((name) => join(workspaceRoot, name)), mountedAt(workspaceRoot)].filter((place) => mounted.has(place))
  let all = true
  for (const place of places) all = (await runTool('umount', [place])).exitCode === 0 && all
  return all
}

async function mountDisk(root: string, kind: 'image' | 'memory', diskMb: number): Promise<string | null> {
  const at = mountedAt(root)
  await mkdir(at, { recursive: true })
  // Only root walks there: what is seen of it is seen through the two folders.
  await chmod(diskFolder(root), 0o700)
  const mounted = await mountPoints()
  const missing = bound.filter((name) => !mounted.has(join(root, name)))
  for (const name of missing)
    if (!(await isEmpty(join(root, name)))) return `${name} holds files already: move them away once, then start again`
  if (!mounted.has(at)) {
    const problem = kind === 'memory' ? await mountMemory(at, diskMb) : await mountImage(root, diskMb)
    if (problem !== null) return problem
  }
  for (const name of missing) {
    await mkdir(join(at, name), { recursive: true })
    const { exitCode } = await runTool('mount', ['--bind', join(at, name), join(root, name)])
    if (exitCode !== 0) return 'its folders could not be mounted'
  }
  return null
}

async function mountMemory(at: string, diskMb: number): Promise<string | null> {
  const { exitCode } = await runTool('mount', ['-t', 'tmpfs', '-o', `size=${diskMb}m,mode=755,nosuid,nodev`, 'oxbow', at])
  return exitCode === 0 ? null : 'memory could not be mounted'
}

async function mountImage(root: string, diskMb: number): Promise<string | null> {
  const image = join(diskFolder(root), 'workspace.img')
  if ((await stat(image).catch(() => null)) === null) {
    const problem = await makeImage(image, diskMb)
    if (problem !== null) return problem
  }
  // What a machine that lost its power has left is put right: 1 means that it was. e2fsck(8).
  const checked = await runTool('e2fsck', ['-p', image])
  if (checked.exitCode === null || checked.exitCode > 1) return 'its file system needs a look: e2fsck disk/workspace.img'
  const { exitCode } = await runTool('mount', ['-o', 'loop,nosuid,nodev', image, mountedAt(root)])
  return exitCode === 0 ? null : 'it could not be mounted: are there loop devices on this machine?'
}

/** A file that is there is whole: it gets its name last. */
async function makeImage(image: string, diskMb: number): Promise<string | null> {
  const draft = `${image}.new`
  await rm(draft, { force: true })
  const file = await open(draft, 'w', 0o600)
  await file.truncate(diskMb * 1024 * 1024)
  await file.close()
  const made = await runTool('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', '-m', '0', draft])
  if (made.exitCode !== 0) return 'it could not be made: apt-get install e2fsprogs'
  await rename(draft, image)
  return null
}

/** With the system's folders, where these programs are. */
function runTool(file: string, args: readonly string[]): ReturnType<typeof runOnHost> {
  return runOnHost(file, args, { env: { PATH: ownSearchPath() }, timeoutMs: diskBuildMs })
}

function diskFolder(root: string): string {
  return join(root, 'disk')
}

function mountedAt(root: string): string {
  return join(diskFolder(root), 'mounted')
}

/** Makes it where it is missing. */
async function isEmpty(folder: string): Promise<boolean> {
  await mkdir(folder, { recursive: true })
  return (await readdir(folder)).length === 0
}

/** @returns all paths at which something is mounted: proc(5), which writes blanks and the like as octal numbers. */
async function mountPoints(): Promise<ReadonlySet<string>> {
  const table = await readFile('/proc/self/mountinfo', 'utf8')
  const plain = (path: string): string =>
    path.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return new Set(table.split('\n').map((line) => plain(line.split(' ')[4] ?? '')))
}
