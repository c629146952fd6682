/**
 * Runs a program of the host inside the launcher of the process tier: as an unprivileged user, without network, in a control group. Used
 * for QEMU, and for mke2fs, which makes the disk of a machine from a folder: neither reads files as root.
 */
import type { ChildProcess } from 'node:child_process'
import { closeSync, realpathSync } from 'node:fs'
import { chown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duplex, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { OxbowError } from '../../base/index.ts'
import type { BubblewrapPlan } from '../bubblewrap/bubblewrap-plan.ts'
import { launchCommand } from '../bubblewrap/launch-command.ts'
import { type Cgroup, createCgroup, removeStaleCgroups } from '../cgroup/cgroup-limits.ts'
import { collectDiagnostics, spawnWithStreams } from '../hands/hands-process.ts'
import { cgroupRemoveMs, diskBuildMemoryMb, diskBuildMs, machineThreads } from '../limits.ts'
import { type FolderMount, sandboxUid } from '../tier-plan.ts'
import { diskFile, insideDisk } from './qemu-command.ts'

interface ProgramLaunch {
  readonly launcher: BubblewrapPlan
  /** @param first the number of the first of `descriptors`. @returns absolute path and arguments */
  readonly program: (first: number) => readonly string[]
  /** Additional descriptors: a socket to us, or one of ours, which is closed here. */
  readonly descriptors: readonly ('socket' | number)[]
  readonly folders: readonly FolderMount[]
  readonly devices: readonly string[]
  readonly memoryMb: number
  readonly maxFileMb: number
}

export interface LaunchedProgram {
  readonly child: ChildProcess
  /** Our ends of the sockets, in order. */
  readonly sockets: readonly Duplex[]
  diagnostics(): string
  /** Null if a signal ended it, or it did not start. Never rejects. */
  readonly exited: Promise<number | null>
  /** Resolves when all of its processes have ended. Never rejects. */
  readonly gone: Promise<void>
}

/** @throws OxbowError `limit_reached`, or a system error; then no process of it is left */
export function launchProgram(launch: ProgramLaunch): LaunchedProgram {
  const { launcher, descriptors } = launch
  try {
    removeStaleCgroups(launcher.cgroups)
    const bounds = { memoryBytes: launch.memoryMb * 1024 * 1024, processes: machineThreads, cpus: null }
    const group = createCgroup(launcher.cgroups, `vm-${process.hrtime.bigint().toString(36)}`, bounds)
    try {
      return launchIn(group, launch)
    } catch (error) {
      group.remove()
      throw error
    }
  } finally {
    for (const each of descriptors) if (each !== 'socket') closeSync(each)
  }
}

function launchIn(group: Cgroup, launch: ProgramLaunch): LaunchedProgram {
  const { launcher, descriptors } = launch
  const plan = {
    tools: launcher.tools,
    asRoot: process.getuid?.() === 0,
    folders: launch.folders,
    node: realpathSync(process.execPath),
    cgroupEntries: group.entries,
    cgroupCommand: group.command,
    memoryMb: launch.memoryMb,
    memoryByCgroup: true,
    processes: machineThreads,
    maxFileMb: launch.maxFileMb,
    files: [],
    entry: '',
    entryArgs: [],
    devices: launch.devices,
  }
  const first = 3 + launchCommand(plan).data.length
  const [program = '', ...rest] = launch.program(first)
  // Inside, a link to the program may not be.
  const { file, args, data } = launchCommand({ ...plan, program: [realpathSync(program), ...rest] })
  const extra = descriptors.map((each) => (each === 'socket' ? ('pipe' as const) : each))
  const stdio = ['pipe' as const, 'pipe' as const, 'pipe' as const, ...data.map(() => 'pipe' as const), ...extra]
  const child = spawnWithStreams(file, args, { cwd: '/', env: {}, detached: true, stdio })
  for (const [i, bytes] of data.entries()) {
    const pipe = child.stdio[3 + i] as Writable
    // A launcher that fails early closes its pipes; its message says why.
    pipe.on('error', () => undefined)
    pipe.end(bytes)
  }
  const sockets = descriptors.flatMap((each, i) => (each === 'socket' ? [child.stdio[first + i] as Duplex] : []))
  for (const socket of sockets) socket.on('error', () => undefined)
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code))
    child.once('error', () => resolve(null))
  })
  const gone = exited.then(async () => {
    // A group can be removed when its last process is gone, a moment after the kill.
    const until = performance.now() + cgroupRemoveMs
    while (!group.remove() && performance.now() < until) await delay(5)
  })
  return { child, sockets, diagnostics: collectDiagnostics(child.stderr!), exited, gone }
}

interface DiskImage {
  readonly launcher: BubblewrapPlan
  /** Absolute path. */
  readonly mke2fs: string
  /** Folders on the host, and their names on the disk and, if others, for people; one may be in another. */
  readonly folders: readonly { readonly host: string; readonly name: string; readonly shownAs?: string }[]
  /** Folder for the disk; emptied before. */
  readonly diskFolder: string
  readonly diskMb: number
}

/** Makes a disk from folders. Its size is the quota of the workspace. @throws OxbowError `sandbox_failed` when they do not fit, or cannot be read */
export async function makeDisk({ launcher, mke2fs, folders, diskFolder, diskMb }: DiskImage): Promise<void> {
  await rm(diskFolder, { recursive: true, force: true })
  await mkdir(diskFolder, { recursive: true, mode: 0o700 })
  const asRoot = process.getuid?.() === 0
  if (asRoot) await chown(diskFolder, sandboxUid, sandboxUid)
  const uid = sandboxUser()
  const form = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-b', '4096', '-m', '0', '-E', `root_owner=${uid}:${uid}`]
  const { child, exited, diagnostics } = launchProgram({
    launcher,
    program: () => [mke2fs, ...form, '-d', '/tree', `${insideDisk}/${diskFile}`, `${diskMb}M`],
    descriptors: [],
    folders: [
      { host: diskFolder, inside: insideDisk, writable: true },
      ...folders.map(({ host, name }) => ({ host, inside: `/tree/${name}`, writable: false })),
    ],
    devices: [],
    memoryMb: diskBuildMemoryMb,
    maxFileMb: diskMb,
  })
  const late = new AbortController()
  const limit = delay(diskBuildMs, 'late' as const, { signal: late.signal }).catch(() => 'ended' as const)
  const ended = await Promise.race([exited, limit])
  late.abort()
  child.kill('SIGKILL')
  if (ended === 0) return
  const why = ended === 'late' ? `not finished after ${diskBuildMs / 1000} s` : withoutPaths(diagnostics())
  throw new OxbowError(
    'sandbox_failed',
    `The disk of the micro VM could not be made from the folder ${folders.map(({ name, shownAs = name }) => shownAs).join(', ')}: ${why}`,
    {
      hint: `The disk has ${diskMb} MB: raise sandbox.disk_mb if they are larger, or delete files.`,
    },
  )
}

/** The uid of hands inside, and owner of the files on the disk: as in the process tier. */
export function sandboxUser(): number {
  const own = process.getuid?.() ?? sandboxUid
  return own === 0 ? sandboxUid : own
}

export function diskPath(diskFolder: string): string {
  return join(diskFolder, diskFile)
}

/** Removes the paths that mke2fs sees. */
function withoutPaths(text: string): string {
  return text.replaceAll(/\/tree\//g, '').replaceAll(/^mke2fs: /gm, '') || 'no message'
}
