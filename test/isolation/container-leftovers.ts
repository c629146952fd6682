/** What a container leaves on this host while it lives, and must not leave after. */
import { execFileSync } from 'node:child_process'
import { readFile, readdir, readlink } from 'node:fs/promises'
import { basename } from 'node:path'
import type { KilledSandbox, KillSubject } from '../../src/sandbox/kill-contract.ts'

/** How a test of `kill means kill` looks at an engine. @param program its client, by name or path */
export function containersOf(program: string): Pick<KillSubject, 'leftovers' | 'killLauncher'> {
  return { leftovers: (of) => containerLeftovers(of, program), killLauncher: (of) => killClient(of, basename(program)) }
}

/** Containers by their label; processes by what they were started with, or by what they see; mounts. */
export async function containerLeftovers({ kernelPid, root }: KilledSandbox, program = 'podman'): Promise<readonly string[]> {
  const left: string[] = []
  const own = await readlink('/proc/self/ns/mnt')
  for (const pid of await pids()) {
    if (pid === process.pid || pid === kernelPid) continue
    const command = (await readQuietly(`/proc/${pid}/cmdline`)).replaceAll('\0', ' ')
    // Conmon and the sentry of gVisor know the container's name; the client and the shell that watches know the workspace too.
    if (command.includes(`oxbow-${kernelPid}-`) || command.includes(root)) left.push(`process ${pid}: ${command.slice(0, 80)}`)
    const namespace = await readlink(`/proc/${pid}/ns/mnt`).catch(() => own)
    if (namespace !== own && (await readQuietly(`/proc/${pid}/mountinfo`)).includes(root)) left.push(`process ${pid} over ${root}`)
  }
  if ((await readQuietly('/proc/self/mountinfo')).includes(root)) left.push(`mount of ${root}`)
  const args = ['ps', '--all', '--filter', `label=oxbow.user=${basename(root)}`, '--format', '{{.ID}} {{.Status}}']
  for (const line of execFileSync(program, args, { encoding: 'utf8' }).split('\n').filter(Boolean)) left.push(`container ${line}`)
  return left
}

/** The engine's client, a child of the kernel. Without it the container lives on by itself. */
async function killClient({ kernelPid, root }: KilledSandbox, program: string): Promise<void> {
  for (const pid of await pids()) {
    // proc(5): pid (name) state ppid …
    const [, name, parent] = /^\d+ \((.*)\) \S (\d+) /s.exec(await readQuietly(`/proc/${pid}/stat`)) ?? []
    if (name !== program || Number(parent) !== kernelPid) continue
    if (!(await readQuietly(`/proc/${pid}/cmdline`)).includes(root)) continue
    return void process.kill(pid, 'SIGKILL')
  }
  throw new Error(`There is no client of ${program} to kill.`)
}

/** @returns the pid on this host of hands over this workspace */
export async function handsOf(root: string): Promise<number> {
  for (const pid of await pids()) {
    if (!(await readQuietly(`/proc/${pid}/cmdline`)).startsWith('/opt/oxbow/node\0')) continue
    if ((await readQuietly(`/proc/${pid}/mountinfo`)).includes(root)) return pid
  }
  throw new Error('There are no hands over this workspace.')
}

async function pids(): Promise<readonly number[]> {
  return (await readdir('/proc')).map(Number).filter(Number.isInteger)
}

function readQuietly(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '')
}
