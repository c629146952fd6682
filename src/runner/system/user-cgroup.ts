/**
 * The control group of a Unix user: all that their guest starts is in it, so that memory, processes and shares of the processors hold for the
 * whole of it. The limits are root's; below it the user may make groups for sandboxes. Version 2, and version 1 where that is in use.
 */
import { chownSync, existsSync, mkdirSync, readFileSync, rmdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findHostCgroups } from '../../sandbox/index.ts'
import type { UserSettings } from '../../protocol/index.ts'
import type { Account } from './accounts.ts'

export interface UserCgroups {
  /** What cannot be limited here, in words, with what to do; empty: everything can. */
  readonly problem: string
  /** Makes or changes the groups of a user. @returns the files into which a process writes its id, and the limits, in words */
  open(account: Account, settings: UserSettings): { readonly entries: readonly string[]; readonly limits: string }
  /** Ends every process in them, and removes them. */
  end(name: string): void
}

export async function openUserCgroups(): Promise<UserCgroups> {
  const parents = process.platform === 'linux' ? await findHostCgroups() : []
  const missing = (['memory', 'pids', 'cpu'] as const).filter((limit) => !parents.some(({ limits }) => limits.includes(limit)))
  const folderOf = (parent: string, name: string): string => join(parent, `oxbow-user-${name}`)
  return {
    problem:
      missing.length === 0
        ? ''
        : `no control group limits ${missing.join(', ')} of users here: the unit of the daemon needs Delegate=yes, as oxbow service install writes it`,
    open(account, settings) {
      const said: string[] = []
      const entries = parents.map(({ folder: parent, version, limits }) => {
        const folder = folderOf(parent, account.name)
        mkdirSync(folder, { recursive: true })
        const set = (file: string, text: string, words: string): void => {
          writeFileSync(join(folder, file), text)
          said.push(words)
        }
        const { memory_mb: memory, max_processes: processes, cpu_weight: weight } = settings
        const bytes = memory === null ? null : memory * 1024 ** 2
        if (limits.includes('memory')) {
          if (version === 1) setMemoryV1(folder, bytes)
          else writeFileSync(join(folder, 'memory.max'), bytes === null ? 'max' : String(bytes))
          if (memory !== null) said.push(`${memory} MB memory`)
        }
        if (limits.includes('pids')) set('pids.max', String(processes), `${processes} processes`)
        if (limits.includes('cpu')) {
          const [file, text]: readonly [string, string] =
            version === 1 ? ['cpu.shares', String(Math.max(2, Math.round(weight * 10.24)))] : ['cpu.weight', String(weight)]
          set(file, text, `processor weight ${weight}`)
        }
        // They may make groups below it, and move their processes there; the limits above stay root's.
        for (const name of ['', 'cgroup.procs', 'cgroup.threads', 'cgroup.subtree_control', 'tasks'])
          if (existsSync(join(folder, name))) chownSync(join(folder, name), account.uid, account.gid)
        return join(folder, 'cgroup.procs')
      })
      return { entries, limits: said.join(', ') }
    },
    end(name) {
      for (const { folder } of parents) endGroup(folderOf(folder, name))
    },
  }
}

/** Memory and swap together may not be less than memory alone, so the order of the two depends on which way they go. */
function setMemoryV1(folder: string, bytes: number | null): void {
  const [memory, both] = [join(folder, 'memory.limit_in_bytes'), join(folder, 'memory.memsw.limit_in_bytes')]
  const text = bytes === null ? '-1' : String(bytes)
  const files = bytes === null ? [both, memory] : [memory, both]
  if (bytes !== null) for (const file of [both, memory]) if (existsSync(file)) writeFileSync(file, '-1')
  for (const file of files) if (existsSync(file)) writeFileSync(file, text)
}

/** Deepest first: a group with groups in it cannot be removed. Never throws. */
function endGroup(folder: string): void {
  try {
    if (existsSync(join(folder, 'cgroup.kill'))) writeFileSync(join(folder, 'cgroup.kill'), '1')
    for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) endGroup(join(folder, entry.name))
    for (let round = 0; round < killRounds; round += 1) {
      const pids = readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
      if (pids.length === 0) break
      for (const pid of pids) if (pid > 1 && pid !== process.pid) kill(pid)
    }
    rmdirSync(folder)
  } catch {
    // Not there, or the next start uses it again.
  }
}

/** A process that forks all the time has children between two looks. */
const killRounds = 50

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
