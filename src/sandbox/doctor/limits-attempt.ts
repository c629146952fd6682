/** Tries what bounds a sandbox as a whole: a control group is made, and removed. */
import type { BubblewrapPlan } from '../bubblewrap/bubblewrap-plan.ts'
import { planBubblewrap } from '../bubblewrap/bubblewrap-plan.ts'
import { createCgroup } from '../cgroup/cgroup-limits.ts'
import type { CgroupLimit } from '../cgroup/cgroup-delegation.ts'
import { ok, weak } from './attempt.ts'
import type { Attempt } from './attempt.ts'
import { commandTimeoutMs } from './limits.ts'

const words: Readonly<Record<CgroupLimit, string>> = { memory: 'memory', pids: 'processes', cpu: 'processor time' }
const fix = 'Start Oxbow by: systemd-run --user --scope -p Delegate=yes oxbow serve   (or as root)'

export function limitsAttempt(searchPath: string): Attempt {
  return {
    name: 'limits',
    timeoutMs: commandTimeoutMs,
    run() {
      const plan = planBubblewrap(searchPath)
      const cgroups = 'code' in plan ? [] : plan.cgroups
      const held = new Set(cgroups.flatMap(({ limits }) => limits))
      if (held.size === 0) {
        return Promise.resolve(weak('no writable control group: each process is limited by itself, not the sandbox as a whole', fix))
      }
      tryGroup(cgroups)
      const all = Object.keys(words) as CgroupLimit[]
      const named = (limits: readonly CgroupLimit[]): string => limits.map((limit) => words[limit]).join(', ')
      const says = `${named(all.filter((limit) => held.has(limit)))} of a sandbox, by control groups of version ${cgroups[0]?.version}`
      const lacking = all.filter((limit) => !held.has(limit))
      return Promise.resolve(lacking.length === 0 ? ok(says) : weak(`${says}; not ${named(lacking)}`, fix))
    },
  }
}

/** @throws a system error where a group cannot be made after all */
function tryGroup(parents: BubblewrapPlan['cgroups']): void {
  const bounds = { memoryBytes: 64 * 1024 * 1024, processes: 32, cpus: 1 }
  createCgroup(parents, `doctor-${process.hrtime.bigint().toString(36)}`, bounds).remove()
}
