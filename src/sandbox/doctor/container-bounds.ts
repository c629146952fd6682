/**
 * What the kernel of this machine says a container is held to: engines accept limits that they cannot set, and only warn. Looked up from
 * outside, in the control groups of the container's first process, for inside nothing of them is to be seen.
 */
import { dirname, join } from 'node:path'
import type { Config } from '../../types/index.ts'
import { ownSearchPath } from '../bubblewrap/sandbox-tools.ts'
import { readGroupFile } from '../cgroup/cgroup-files.ts'
import type { HeldLimit } from '../container/container-command.ts'
import { findEngine } from '../container/container-engine.ts'
import { runOnHost } from '../image/host-command.ts'

/** Of the only container that this process has. @returns null where it is no process of this machine */
export async function boundsOfContainer(
  { container }: Config['sandbox'],
  searchPath: string = ownSearchPath(),
): Promise<Readonly<Record<HeldLimit, number>> | null> {
  const engine = findEngine(container, searchPath)
  if ('code' in engine) return null
  const ask = async (...args: readonly string[]): Promise<string> => (await runOnHost(engine.file, args, { env: engine.env })).stdout.trim()
  const id = await ask('ps', '--quiet', '--filter', `label=oxbow.guest=${process.pid}`, '--filter', 'label=oxbow.profile=work')
  if (!/^[0-9a-f]{12,64}$/.test(id)) return null
  const pid = await ask('inspect', '--format', '{{.State.Pid}}', id)
  const groups = /^[1-9]\d*$/.test(pid) ? readGroupFile(`/proc/${pid}/cgroup`) : ''
  return groups === '' ? null : boundsOfGroups(groupRoot, groups)
}

const groupRoot = '/sys/fs/cgroup'

/** cgroups(7) and Documentation/admin-guide/cgroup-v2 of Linux: where each version says it. */
const files: Readonly<Record<HeldLimit, { readonly controller: string; readonly v1: string; readonly v2: string }>> = {
  memory: { controller: 'memory', v1: 'memory.limit_in_bytes', v2: 'memory.max' },
  processes: { controller: 'pids', v1: 'pids.max', v2: 'pids.max' },
  processors: { controller: 'cpu', v1: 'cpu.cfs_quota_us', v2: 'cpu.max' },
}

/**
 * @param root where control groups are mounted
 * @param own the text of `/proc/<pid>/cgroup`
 * @returns bytes, processes, processors; Infinity for what has no bound
 */
export function boundsOfGroups(root: string, own: string): Readonly<Record<HeldLimit, number>> {
  const bound = (limit: HeldLimit): number => {
    const { controller, v1, v2 } = files[limit]
    const lines = own.split('\n').map((line) => line.split(':'))
    const first = lines.find(([, controllers = '']) => controllers.split(',').includes(controller))
    const unified = lines.find(([number, controllers]) => number === '0' && controllers === '')
    if (first !== undefined) return least(join(root, first[1]!), first.slice(2).join(':'), (folder) => oneBound(folder, v1))
    return unified === undefined ? Infinity : least(root, unified.slice(2).join(':'), (folder) => oneBound(folder, v2))
  }
  return { memory: bound('memory'), processes: bound('processes'), processors: bound('processors') }
}

/** A group holds what is in the groups below it, too: engines set limits on the one or the other. */
function least(hierarchy: string, path: string, read: (folder: string) => number): number {
  // From outside its namespace a group may be above the root that is seen here.
  let at = join('/', path)
  let found = Infinity
  for (; at !== '/'; at = dirname(at)) found = Math.min(found, read(join(hierarchy, at)))
  return found
}

/** `max`, a number, or for processor time a quota with its period behind it; version 1 has the period in a file of its own. */
function oneBound(folder: string, name: string): number {
  const [text = '', period = readGroupFile(join(folder, 'cpu.cfs_period_us'))] = readGroupFile(join(folder, name)).trim().split(' ')
  const value = Number.parseInt(text, 10)
  if (Number.isNaN(value) || value <= 0) return Infinity
  return name.startsWith('cpu') ? value / Number.parseInt(period, 10) : value
}
