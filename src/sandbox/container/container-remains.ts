/**
 * What is left of containers: processes by the container's id, which stands in their control groups (all that run inside) or
 * command lines (the engine's keepers outside); and whole containers whose kernel died, by their name.
 */
import { readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { processNamespace } from '../cgroup/cgroup-limits.ts'
import { runOnHost } from '../image/host-command.ts'
import { appLabel } from './container-engine.ts'
import { containerGoneMs } from '../limits.ts'
import { removeArguments } from './container-command.ts'
import type { ContainerEngine } from './container-engine.ts'

/** @returns pids on this host, none where containers live in another machine. */
function processesOf(containerId: string): readonly number[] {
  return pids().filter((pid) => ['cgroup', 'cmdline'].some((name) => readQuietly(`/proc/${pid}/${name}`).includes(containerId)))
}

/** @returns the container's id, whose file is removed; null where it did not come to a container */
export function takeId(idFile: string): string | null {
  const id = readQuietly(idFile).trim()
  rmSync(idFile, { force: true })
  return /^[0-9a-f]{64}$/.test(id) ? id : null
}

/** Ends what a removed container has left: engines report success over a stuck one. @returns true when nothing is left */
export async function endRemains(containerId: string): Promise<boolean> {
  const until = performance.now() + containerGoneMs
  for (let first = true; ; first = false) {
    const left = processesOf(containerId)
    if (left.length === 0) return true
    if (performance.now() > until) return false
    // The keepers end by themselves when they have tidied up, as a rule before the first look.
    if (!first) for (const pid of left) killQuietly(pid)
    await delay(50)
  }
}

/** Name of a container, or a machine, of this process; says whose it is to whoever finds it later. */
export function containerName(suffix: string): string {
  const start = startOf(process.pid)
  return `oxbow-${process.pid}-${start ?? 0}-${start === null ? 0 : processNamespace()}-${suffix}`
}

/** @returns true for such a name of a kernel that does not live any more. */
export function isOrphan(name: string): boolean {
  const [, pid, start, namespace] = /^oxbow-(\d+)-(\d+)-(\d+)-[0-9a-z]+$/.exec(name) ?? []
  // Without a process table nothing is known of anybody; and in another namespace of processes the number means another kernel.
  if (pid === undefined || startOf(process.pid) === null || namespace !== processNamespace()) return false
  return startOf(Number(pid)) !== start
}

/** Removes containers that a killed kernel has left, and the files with their ids in the folder. Never rejects. */
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

/** proc(5): field 22, the time a process was started at; with it a pid is never taken for another's. */
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
    // It has ended since, or is not ours.
  }
}
