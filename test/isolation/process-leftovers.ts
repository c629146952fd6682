/** What a sandbox of the process tier leaves on this host while it lives, and must not leave after. */
import { readFile, readdir, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { KilledSandbox } from '../../src/sandbox/kill-contract.ts'

/** Processes that have the workspace in their own view of the mounts, their control groups, and mounts of the host. */
export async function processLeftovers({ kernelPid, root }: KilledSandbox): Promise<readonly string[]> {
  const own = await readlink('/proc/self/ns/mnt')
  const left: string[] = []
  for (const pid of await pids()) {
    const namespace = await readlink(`/proc/${pid}/ns/mnt`).catch(() => own)
    if (namespace !== own && (await readQuietly(`/proc/${pid}/mountinfo`)).includes(nameOf(root))) left.push(`process ${pid}`)
  }
  const found = new Set(left)
  for (const folder of await controlGroups(kernelPid)) {
    const members = (await readQuietly(join(folder, 'cgroup.procs'))).split('\n').filter(Boolean)
    // A group with other processes belongs to another sandbox of the same kernel.
    if (members.length === 0 || members.some((pid) => found.has(`process ${pid}`))) left.push(`control group ${folder}`)
  }
  if ((await readQuietly('/proc/self/mountinfo')).includes(nameOf(root))) left.push(`mount of ${root}`)
  return left
}

/** The outermost bubblewrap: a child of the kernel. Where it was not started by root, only the one inside it has the workspace in view. */
export async function killBubblewrap({ kernelPid, root }: KilledSandbox): Promise<void> {
  for (const outer of await bubblewrapsOf(kernelPid)) {
    for (const pid of [outer, ...(await bubblewrapsOf(outer))]) {
      if ((await readQuietly(`/proc/${pid}/mountinfo`)).includes(nameOf(root))) return void process.kill(outer, 'SIGKILL')
    }
  }
  throw new Error('There is no bubblewrap to kill.')
}

/** Its last part, which is nobody else's: where a file system of its own is above it, mounts are told from there on. */
function nameOf(root: string): string {
  return `/${basename(root)}`
}

async function bubblewrapsOf(parent: number): Promise<readonly number[]> {
  const found: number[] = []
  for (const pid of await pids()) {
    // proc(5): pid (name) state ppid …
    const [, name, of] = /^\d+ \((.*)\) \S (\d+) /s.exec(await readQuietly(`/proc/${pid}/stat`)) ?? []
    if (name === 'bwrap' && Number(of) === parent) found.push(pid)
  }
  return found
}

async function controlGroups(kernelPid: number): Promise<readonly string[]> {
  const found: string[] = []
  const look = async (folder: string, depth: number): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      if (!entry.isDirectory()) continue
      const path = join(folder, entry.name)
      if (entry.name.startsWith(`oxbow-${kernelPid}-`)) found.push(path)
      else if (depth > 0) await look(path, depth - 1)
    }
  }
  await look('/sys/fs/cgroup', 4)
  return found
}

async function pids(): Promise<readonly number[]> {
  return (await readdir('/proc')).map(Number).filter(Number.isInteger)
}

function readQuietly(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '')
}
