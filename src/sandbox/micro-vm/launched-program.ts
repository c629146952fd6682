/** A program of the host inside the launcher of the process tier: a user without rights, without network, in a control group. */
import type { ChildProcess } from 'node:child_process'
import { closeSync, realpathSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Duplex, Writable } from 'node:stream'
import type { BubblewrapPlan } from '../bubblewrap/bubblewrap-plan.ts'
import { createCgroup, removeStaleCgroups } from '../cgroup/cgroup-limits.ts'
import type { Cgroup } from '../cgroup/cgroup-limits.ts'
import { launchCommand } from '../bubblewrap/launch-command.ts'
import type { FolderMount } from '../bubblewrap/launch-command.ts'
import { collectDiagnostics, spawnWithStreams } from '../hands/hands-process.ts'
import { cgroupRemoveMs, machineThreads } from '../limits.ts'

export interface ProgramLaunch {
  readonly launcher: BubblewrapPlan
  /** @param first the number of the first of `descriptors`. @returns absolute path and arguments */
  readonly program: (first: number) => readonly string[]
  /** What it gets beside its three streams: a socket to us, or a descriptor of ours, which is closed here. */
  readonly descriptors: readonly ('socket' | number)[]
  readonly folders: readonly FolderMount[]
  readonly devices: readonly string[]
  readonly memoryMb: number
  readonly maxFileMb: number
}

export interface LaunchedProgram {
  readonly child: ChildProcess
  /** Our ends of the sockets, in their order. */
  readonly sockets: readonly Duplex[]
  diagnostics(): string
  /** Null when a signal ended it, or it did not start. Never rejects. */
  readonly exited: Promise<number | null>
  /** Resolves when nothing of it is left. Never rejects. */
  readonly gone: Promise<void>
}

/** @throws OxbowError `limit_reached`, a system error: nothing of it is left then */
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
    filter: launcher.filter,
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
  const { file, args, data } = launchCommand({ ...plan, program: launch.program(first) })
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
