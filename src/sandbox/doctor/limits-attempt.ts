/** Tries what bounds a sandbox as a whole: a control group is made, and removed. */
import type { BubblewrapPlan } from '../bubblewrap/bubblewrap-plan.ts'
import { planBubblewrap } from '../bubblewrap/bubblewrap-plan.ts'
import { findProgram } from '../bubblewrap/sandbox-tools.ts'
import { createCgroup } from '../cgroup/cgroup-limits.ts'
import type { CgroupLimit } from '../cgroup/cgroup-parent.ts'
import { runOnHost } from '../image/host-command.ts'
import { missing, ok, weak } from './attempt.ts'
import type { Attempt } from './attempt.ts'
import { commandTimeoutMs } from './limits.ts'

const words: Readonly<Record<CgroupLimit, string>> = { memory: 'memory', pids: 'processes', cpu: 'processor time' }
/** What gives a person control groups, in whichever tier they are missing. */
export const groupsFix =
  'Log in so that systemd runs a manager for you (as root: loginctl enable-linger NAME), or start Oxbow in a service with Delegate=yes, or as root'
const tryScope = 'Check that this prints "true": systemd-run --user --scope echo true   (as root without --user)'

export function limitsAttempt(searchPath: string): Attempt {
  return {
    name: 'limits',
    timeoutMs: commandTimeoutMs,
    async run() {
      const plan = await planBubblewrap(searchPath)
      const cgroups = 'code' in plan ? [] : plan.cgroups
      const held = new Set(cgroups.flatMap(({ limits }) => limits))
      if (held.size === 0) {
        return weak('no writable control group: each process is limited by itself, not the sandbox as a whole', groupsFix)
      }
      const problem = await tryGroup(cgroups, searchPath)
      if (problem !== '') return missing(problem, tryScope)
      const all = Object.keys(words) as CgroupLimit[]
      const named = (limits: readonly CgroupLimit[]): string => limits.map((limit) => words[limit]).join(', ')
      const says = `${named(all.filter((limit) => held.has(limit)))} of a sandbox, by control groups of version ${cgroups[0]?.version}`
      const lacking = all.filter((limit) => !held.has(limit))
      return lacking.length === 0 ? ok(says) : weak(`${says}; not ${named(lacking)}`, groupsFix)
    },
  }
}

/** @returns why a group cannot be made after all; '' when it can. @throws a system error where it is made by hand, and cannot be */
async function tryGroup(parents: BubblewrapPlan['cgroups'], searchPath: string): Promise<string> {
  const bounds = { memoryBytes: 64 * 1024 * 1024, processes: 32, cpus: 1 }
  const group = createCgroup(parents, `doctor-${process.hrtime.bigint().toString(36)}`, bounds)
  try {
    const [file, ...args] = group.command
    if (file === undefined) return ''
    const { exitCode, stderr } = await runOnHost(file, [...args, findProgram('true', searchPath) ?? '/bin/true'])
    return exitCode === 0 ? '' : `systemd-run makes no scope: ${stderr}`
  } finally {
    group.remove()
  }
}
