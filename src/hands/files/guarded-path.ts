/**
 * What no file call may write, because git would run it for whoever works in the repository later, outside of any sandbox: hooks,
 * and settings that name programs. In the process tier the launcher has made both read-only where there was a repository at its
 * start; this holds in every tier, and for repositories that came later. Commands are not held by it.
 */
import { failed } from '../failure.ts'
import { toVirtual } from './workspace-path.ts'
import type { Place, Root } from './workspace-path.ts'

const guarded: readonly string[] = ['hooks', 'config', 'config.worktree']

/** @param place where something is to be written, moved to, or moved away from. @throws `path_refused` */
export function refuseGuarded(roots: readonly Root[], place: Place): void {
  if (![place.virtual, toVirtual(roots, place.real)].some(isGuarded)) return
  throw failed(
    'path_refused',
    `${place.virtual} is what git runs or takes its settings from: file calls leave it as it is.`,
    'Tell the person what should stand there, or use the git command where commands are allowed.',
  )
}

/** Hooks and settings of a repository, of its submodules and of its further work trees (`.git/modules/…`, `.git/worktrees/…`). */
function isGuarded(path: string): boolean {
  const parts = path.toLowerCase().split('/')
  const git = parts.indexOf('.git')
  if (git === -1) return false
  // `.git` itself: a file of that name says where the repository is, and a folder brings its hooks along.
  return git === parts.length - 1 || parts.slice(git + 1).some((part) => guarded.includes(part))
}
