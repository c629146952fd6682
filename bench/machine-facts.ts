/** Facts about the machine, without which the figures mean nothing. */
import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem, type } from 'node:os'

/** Name to value, as printed. */
export type MachineFacts = Readonly<Record<string, string>>

export function machineFacts(guest: string): MachineFacts {
  const processors = cpus()
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit: commit(),
    processor: `${processors[0]?.model ?? 'unknown'}, ${processors.length} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()}`,
    node: process.version,
    'load average at the start': loadavg()
      .map((load) => load.toFixed(2))
      .join(' '),
    guest,
  }
}

/** The measured commit; with `+` if files differ from it. */
function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty=+'], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  } catch {
    return 'unknown'
  }
}
