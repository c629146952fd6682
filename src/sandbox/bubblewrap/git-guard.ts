/**
 * Finds the parts of repositories that run code on the person's side: commands inside may not change them. `.git` goes over
 * itself, so that it cannot be renamed away from its read-only parts.
 *
 * What a command has made is found here too, so nothing is a repository because it looks like one through a link: bubblewrap would
 * follow the link on the host, and show what is there. Looked for only while no process lives in the folder.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { maxGuardedRepositories, maxRepositoryDepth, maxRepositoryEntries } from '../limits.ts'

/** A path below the folder; all of it are real folders, but for a file at its end. */
export interface GuardedPath {
  readonly path: string
  readonly writable: boolean
}

/** @returns parents before what they hold. */
function findGuarded(folder: string): readonly GuardedPath[] {
  const repositories: string[] = []
  let left = maxRepositoryEntries
  const look = (inside: string, depth: number): void => {
    const names = foldersIn(join(folder, inside))
    if (names.includes('.git')) repositories.push(join(inside, '.git'))
    if (depth === 0) return
    for (const name of names) {
      if ((left -= 1) < 0 || repositories.length >= maxGuardedRepositories) return
      if (name !== '.git' && name !== 'node_modules') look(join(inside, name), depth - 1)
    }
  }
  look('', maxRepositoryDepth)
  return repositories.flatMap((git) => partsOf(folder, git))
}

export interface Guard {
  /** Called while nobody lives in the folder. */
  look(): void
  /** Starts a sandbox with what it guards. */
  during<T>(start: (guarded: readonly GuardedPath[]) => Promise<T>): Promise<T>
}

/**
 * The first sandbox guards all that was found, and is waited for. One that joins others guards what is at the top: there nothing
 * above it can be renamed, and the others hold it in its place. Below, they may have put a link where a folder was.
 */
export function createGuard(folder: string): Guard {
  let found: readonly GuardedPath[] = []
  let isFirst = false
  let first: Promise<unknown> = Promise.resolve()
  return {
    look() {
      found = findGuarded(folder)
      isFirst = true
    },
    async during(start) {
      if (isFirst) {
        isFirst = false
        const started = start(found)
        first = started.catch(() => undefined)
        return started
      }
      await first
      return start(found.filter(({ path }) => path === '.git' || path.startsWith('.git/')))
    },
  }
}

function partsOf(folder: string, git: string): readonly GuardedPath[] {
  const kind = (name: string): 'folder' | 'file' | 'other' => kindOf(join(folder, git, name))
  if (kind('HEAD') !== 'file') return []
  return [
    { path: git, writable: true },
    ...(kind('hooks') === 'folder' ? [{ path: join(git, 'hooks'), writable: false }] : []),
    ...(kind('config') === 'file' ? [{ path: join(git, 'config'), writable: false }] : []),
  ]
}

function foldersIn(path: string): readonly string[] {
  try {
    // A link to a folder is none.
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}

function kindOf(path: string): 'folder' | 'file' | 'other' {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats?.isDirectory() === true ? 'folder' : stats?.isFile() === true ? 'file' : 'other'
}
