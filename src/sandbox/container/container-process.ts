/**
 * One container from start to end. The engine's client carries frames to and from hands inside. The container itself is a child of the
 * engine's monitor process, so it survives the client. Therefore the kernel removes it by name; if the kernel is killed, a shell that waits
 * for the end of a pipe does.
 */
import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type WaitingServer, waitingServer } from '../bubblewrap/server-start.ts'
import { processNamespace } from '../cgroup/cgroup-limits.ts'
import { attachHands, collectDiagnostics, type HandsProcess, spawnWithStreams } from '../hands/hands-process.ts'
import { runOnHost } from '../host-programs.ts'
import { containerGoneMs, containerTalkMs } from '../limits.ts'
import { removeArguments } from './container-command.ts'
import { appLabel, type ContainerEngine } from './container-engine.ts'

export interface ContainerStart {
  readonly engine: ContainerEngine
  readonly name: string
  /** Where the engine writes the container's id; removed at the end. */
  readonly idFile: string
  /** Arguments of the engine that start it. */
  readonly args: readonly string[]
  /** Reports a container that could not be removed. */
  readonly logger: (message: string) => void
  /** Called once, when all its processes have ended. */
  readonly onGone: () => void
}

/** Arguments: a count, the arguments that remove the container, then those that start it. */
const script = `
engine=$1; shift; count=$1; shift
removal=
while [ "$count" -gt 0 ]; do removal="$removal $1"; shift; count=$((count - 1)); done
(read -r done <&3 || exec "$engine" $removal) </dev/null >/dev/null 2>&1 &
exec 3<&-
exec "$engine" "$@"`

/** @throws OxbowError `sandbox_failed` when hands do not greet, with the engine's message; `limit_reached` */
export async function startContainer(start: ContainerStart): Promise<HandsProcess> {
  const child = spawnClient(start)
  const diagnostics = collectDiagnostics(child.stderr!)
  const { exited, removed } = watchClient(child, start)
  return attachHands({
    input: child.stdin!,
    output: child.stdout!,
    diagnostics,
    exited,
    gone: removed,
    kill: () => void child.kill('SIGKILL'),
  })
}

/** Starts a server on the streams of the engine's client. @throws as `waitingServer` */
export async function startServerContainer(start: ContainerStart): Promise<WaitingServer> {
  const child = spawnClient(start)
  const { exited, removed } = watchClient(child, start)
  return waitingServer(child, exited, removed)
}

/** Removes the container when its client has ended. */
function watchClient(child: ChildProcess, start: ContainerStart): { readonly exited: Promise<void>; readonly removed: Promise<void> } {
  const watched = child.stdio[3] as Writable
  watched.on('error', () => undefined)
  const exited = ended(child)
  const removed = exited.then(async () => {
    const isRemoved = await remove(start)
    // Tells the watching shell to exit without removing the container.
    if (isRemoved) watched.end('done\n')
    else watched.destroy()
    start.onGone()
  })
  return { exited, removed }
}

function spawnClient({ engine, name, args }: ContainerStart): ChildProcess {
  const removal = removeArguments(engine.name, name)
  return spawnWithStreams('/bin/sh', ['-c', script, 'sh', engine.file, String(removal.length), ...removal, ...args], {
    cwd: '/',
    env: engine.env,
    // In its own session: Ctrl+C in the terminal cancels the turn and must not reach the sandbox directly.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  })
}

/** Not `close`: that waits for the watching shell's pipe too. Waits a moment for the client's last output. */
async function ended(child: ChildProcess): Promise<void> {
  const closed = new Promise<void>((resolve) => child.stderr!.once('close', () => resolve()))
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  let timer: NodeJS.Timeout | undefined
  await Promise.race([closed, new Promise<void>((resolve) => (timer = setTimeout(resolve, containerTalkMs)))])
  clearTimeout(timer)
}

/** @returns true when all its processes have ended */
async function remove({ engine, name, idFile, logger }: ContainerStart): Promise<boolean> {
  const id = takeId(idFile)
  const { exitCode, stderr } = await runOnHost(engine.file, removeArguments(engine.name, name), { env: engine.env })
  const removed = exitCode === 0 || /no such container/i.test(stderr)
  if (!removed) logger(`The container ${name} could not be removed: ${stderr}`)
  const empty = id === null || (await endRemains(id))
  if (!empty) logger(`The container ${name} was removed, but some of its processes are still running.`)
  return removed && empty
}

// Leftovers: processes are found by the container's id, which is in their control groups (processes inside) or command lines (the engine's
// monitors outside), and whole containers of killed kernels by their name.

/** @returns pids on this host, none if containers run in another machine. */
function processesOf(containerId: string): readonly number[] {
  return pids().filter((pid) => ['cgroup', 'cmdline'].some((name) => readQuietly(`/proc/${pid}/${name}`).includes(containerId)))
}

/** Removes the file with the container's id. @returns the id; null if no container was created */
export function takeId(idFile: string): string | null {
  const id = readQuietly(idFile).trim()
  rmSync(idFile, { force: true })
  return /^[0-9a-f]{64}$/.test(id) ? id : null
}

/** Kills leftover processes of a removed container: engines report success for a stuck one. @returns true when none is left */
export async function endRemains(containerId: string): Promise<boolean> {
  const until = performance.now() + containerGoneMs
  for (let first = true; ; first = false) {
    const left = processesOf(containerId)
    if (left.length === 0) return true
    if (performance.now() > until) return false
    // The monitors exit after their clean-up, usually before the first check.
    if (!first) for (const pid of left) killQuietly(pid)
    await delay(50)
  }
}

/** @returns a name for a container or machine of this process, by which another process can check whether its owner lives */
export function containerName(suffix: string): string {
  const start = startOf(process.pid)
  return `oxbow-${process.pid}-${start ?? 0}-${start === null ? 0 : processNamespace()}-${suffix}`
}

/** @returns true for such a name of a kernel that no longer lives. */
export function isOrphan(name: string): boolean {
  const [, pid, start, namespace] = /^oxbow-(\d+)-(\d+)-(\d+)-[0-9a-z]+$/.exec(name) ?? []
  // Cannot be checked without a process table; and in another pid namespace the pid means another process.
  if (pid === undefined || startOf(process.pid) === null || namespace !== processNamespace()) return false
  return startOf(Number(pid)) !== start
}

/** Removes the containers of killed kernels, and the files with their ids in the folder. Never rejects. */
export async function reapOrphans(engine: ContainerEngine, folder: string): Promise<void> {
  for (const name of namesIn(folder)) if (isOrphan(name.replace(/\.id$/, ''))) rmSync(join(folder, name), { force: true })
  const { stdout } = await runOnHost(engine.file, ['ps', '--all', '--filter', `label=${appLabel}`, '--format', '{{.ID}} {{.Names}}'], {
    env: engine.env,
  })
  for (const line of stdout.split('\n')) {
    const [id = '', name = ''] = line.split(' ')
    if (!isOrphan(name)) continue
    await runOnHost(engine.file, removeArguments(engine.name, name), { env: engine.env })
    if (/^[0-9a-f]{12,64}$/.test(id)) await endRemains(id)
  }
}

/** proc(5): field 22, the start time of a process, which distinguishes reused pids. */
function startOf(pid: number): string | null {
  const stat = readQuietly(`/proc/${pid}/stat`)
  return stat === '' ? null : (stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null)
}

function pids(): readonly number[] {
  return namesIn('/proc').map(Number).filter(Number.isInteger)
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has already ended, or belongs to another user.
  }
}
