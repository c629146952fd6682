/**
 * What no file call may write, because git would run it for whoever works in the repository later, outside of any sandbox: hooks,
 * and settings that name programs. In the process tier the launcher has made both read-only where there was a repository at its
 * start; this holds in every tier, and for repositories that came later. Commands are not held by it.
 *
 * A folder with `HEAD`, `objects` and `refs` is a repository without any `.git`: git takes it for one as soon as somebody stands in it.
 * So no file call makes a `HEAD`, and where there is one the same parts are left alone.
 */
import { existsSync } from 'node:fs'
// Past the door of types on purpose: see serve.ts.
import { gitRuns, isBareRepository } from '../../types/git-runs.ts'
import { failed } from '../failure.ts'
import { toVirtual } from './workspace-path.ts'
import type { Place, Root } from './workspace-path.ts'

/** @param place where something is to be written, moved to, or moved away from. @throws `path_refused` */
export function refuseGuarded(roots: readonly Root[], place: Place): void {
  if (![place.virtual, toVirtual(roots, place.real)].some(isGuarded) && !isOfBareRepository(place.real)) return
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
  if (git === -1) return path.endsWith('/HEAD')
  // `.git` itself: a file of that name says where the repository is, and a folder brings its hooks along.
  return parts.at(-1) === '.git' || parts.slice(git + 1).some((part) => gitRuns.has(part))
}

function isOfBareRepository(real: string): boolean {
  const parts = real.split('/')
  return parts.some((part, i) => {
    const folder = parts.slice(0, i).join('/')
    return gitRuns.has(part.toLowerCase()) && isBareRepository((name) => existsSync(`${folder}/${name}`))
  })
}
