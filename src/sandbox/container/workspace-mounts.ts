/**
 * The workspace as containers see it. What is prepared as the host's user, by path, is prepared only while no container over it
 * runs: else a command inside could put a link where a folder was looked at.
 */
import { existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { sandboxUid } from '../bubblewrap/launch-command.ts'
import type { FolderMount } from '../bubblewrap/launch-command.ts'
import { giveFolders } from '../workspace-folders.ts'
import type { WorkspaceFolders } from '../workspace-folders.ts'

export interface WorkspaceEntry {
  readonly mounts: readonly FolderMount[]
  /** The container is gone, or did not come to be. May be called more than once. */
  leave(): void
}

/** @returns a function that every container over the workspace enters it with, before its start */
export function createWorkspaceDoor({ shared, tmp }: WorkspaceFolders, asRoot: boolean): () => Promise<WorkspaceEntry> {
  let inside = 0
  let prepared: Promise<readonly FolderMount[]> | null = null

  const prepare = async (): Promise<readonly FolderMount[]> => {
    if (asRoot) await giveFolders([shared, tmp], sandboxUid)
    const mounts = [
      { host: shared, inside: '/shared', writable: true },
      { host: tmp, inside: '/tmp', writable: true },
    ]
    return [...mounts, ...mounts.flatMap(gitGuard)]
  }
  return async () => {
    inside += 1
    let left = false
    const leave = (): void => {
      if (!left) inside -= 1
      left = true
      if (inside === 0) prepared = null
    }
    try {
      return { mounts: await (prepared ??= prepare()), leave }
    } catch (error) {
      leave()
      throw error
    }
  }
}

/**
 * Hooks and configuration of a repository run code on the person's side: commands inside may not change them. `.git` goes over
 * itself, so that it cannot be renamed away. Links are left alone: the engine would follow them on the host.
 */
function gitGuard(folder: FolderMount): readonly FolderMount[] {
  const git = join(folder.host, '.git')
  if (!isReally('folder', git) || !existsSync(join(git, 'HEAD'))) return []
  const over = (name: string, writable: boolean): FolderMount => ({
    host: join(folder.host, name),
    inside: `${folder.inside}/${name}`,
    writable,
  })
  return [
    over('.git', true),
    ...(isReally('folder', join(git, 'hooks')) ? [over('.git/hooks', false)] : []),
    ...(isReally('file', join(git, 'config')) ? [over('.git/config', false)] : []),
  ]
}

function isReally(kind: 'folder' | 'file', path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats !== undefined && (kind === 'folder' ? stats.isDirectory() : stats.isFile())
}
