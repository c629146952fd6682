/**
 * Where the paths of a machine's /shared are on the host: in the workspace's own folder, or in a folder of the person, which is shown below
 * its name.
 */
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import type { FolderMount, WorkspaceFolders } from '../tier-plan.ts'

/** All paths are relative to `inside`, without `..`. */
export interface HostFolders {
  /** Where the machine has them: /shared, or a copy of one folder that a program sees. */
  readonly inside: string
  readonly shared: string
  readonly mounts: readonly FolderMount[]
  /** Absolute, on the host. */
  at(path: string): string
  /** Whether it is a folder of the person itself, which no machine removes or replaces. */
  isMount(path: string): boolean
  /** Relative to the folder of the host that it is in. */
  within(path: string): string
  /** @throws OxbowError `sandbox_failed` when a folder of the person is not there: its files must not look deleted */
  check(): Promise<void>
}

const insideShared = '/shared/'

/** Folders that a machine can have a copy of: those that agents may change. */
export function copiedMounts(mounts: WorkspaceFolders['mounts']): readonly FolderMount[] {
  return (mounts ?? []).filter(({ inside, writable }) => writable && inside.startsWith(insideShared))
}

export function hostFolders(shared: string, mounts: readonly FolderMount[], inside = '/shared'): HostFolders {
  const byName = new Map(mounts.map((mount) => [mount.inside.slice(insideShared.length), mount.host]))
  const split = (path: string): { host: string; rest: string } => {
    const [name = '', ...rest] = path.split('/')
    const host = byName.get(name)
    return host === undefined ? { host: shared, rest: path } : { host, rest: rest.join('/') }
  }
  return {
    inside,
    shared,
    mounts,
    at(path) {
      const { host, rest } = split(path)
      return rest === '' ? host : join(host, rest)
    },
    isMount: (path) => byName.has(path),
    within: (path) => split(path).rest,
    async check() {
      for (const [name, host] of byName) {
        if (
          await lstat(host).then(
            (stats) => stats.isDirectory(),
            () => false,
          )
        )
          continue
        throw new OxbowError('sandbox_failed', `The folder at /shared/${name} is gone, so the micro VM cannot be kept in step with it.`, {
          hint: `Put it back, or: oxbow folder remove ${name}`,
        })
      }
    },
  }
}
