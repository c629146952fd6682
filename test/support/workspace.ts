/** A workspace of its own for one test, and what can be seen of it from outside. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { watch } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { UserId } from '../../src/base/index.ts'
import { patienceMs } from './patience.ts'

export interface TestWorkspace extends Disposable {
  /** Home of a runner that has this one user. */
  readonly home: string
  readonly root: string
  readonly shared: string
  readonly internal: string
  readonly database: string
  /** Lines of a file in `shared`; none when it does not exist. */
  lines(name: string): readonly string[]
  /** Resolves when a file of this name is in `shared`. */
  appears(name: string): Promise<void>
}

export const user = 'ada' as UserId

/** @returns a new workspace below the system's temporary folder; disposing of it removes it. */
export function makeWorkspace(): TestWorkspace {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-e2e-'))
  const root = join(home, 'users', user)
  for (const name of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs']) mkdirSync(join(root, name), { recursive: true })
  const shared = join(root, 'shared')
  const internal = join(root, 'internal')
  return {
    home,
    root,
    shared,
    internal,
    database: join(internal, 'oxbow.db'),
    lines(name) {
      try {
        return readFileSync(join(shared, name), 'utf8').split('\n').slice(0, -1)
      } catch {
        return []
      }
    },
    async appears(name) {
      // `watch` tells of changes from its first turn on: what was there before is looked for after.
      const stop = new AbortController()
      const changes = watch(shared, { signal: stop.signal })
      const present = (): boolean => existsSync(join(shared, name))
      const look = async (): Promise<void> => {
        for await (const _ of changes) if (present()) return
      }
      const seen = look()
      if (present()) stop.abort()
      await seen.catch(() => {})
    },
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  }
}

/** @returns the processes in whose world the workspace's folder is mounted as /shared: hands and all that they started. */
export function processesInside({ root }: Pick<TestWorkspace, 'root'>): readonly number[] {
  const mounted = `/${relative(tmpdir(), root)}/shared /shared `
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/mountinfo`).includes(mounted))
    .map(Number)
}

/** Resolves when no process lives inside the workspace any more; the kernel tells nobody about processes that are not its own. */
export async function emptied(workspace: Pick<TestWorkspace, 'root'>): Promise<void> {
  const until = performance.now() + patienceMs
  for (;;) {
    const left = processesInside(workspace)
    if (left.length === 0) return
    if (performance.now() > until) throw new Error(`still inside ${workspace.root}: ${left.map(describe).join('; ')}`)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** The secret by which the workspace's guest lets terminals in. */
export function tokenOf({ root }: Pick<TestWorkspace, 'root'>): string {
  return readFileSync(join(root, 'ipc', 'token'), 'utf8')
}

const pollMs = 5

function describe(pid: number): string {
  return `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`
}

/** Empty for a process that went meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
