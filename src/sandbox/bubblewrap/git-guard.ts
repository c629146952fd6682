/**
 * Finds the parts of repositories from which the person's git runs code: commands inside must not change them. `.git` is bind-mounted onto
 * itself, so that it cannot be renamed away from its read-only parts.
 *
 * Commands may have created what is found here, so links are not followed: bubblewrap would follow a link on the host, and show its target.
 * The search runs while no process lives in the folder; if other sandboxes run in it, the resulting mounts are checked before the first
 * request.
 */
import { lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import type { Hands } from '../../protocol/index.ts'
import { guardCheckMs, maxGuardedRepositories, maxMountTableBytes, maxRepositoryDepth, maxRepositoryEntries } from '../limits.ts'
import type { GuardedPath } from '../tier-plan.ts'

/**
 * @param create missing folders of hooks: what is not there cannot be mounted read-only, and commands could make it
 * @returns parents before their contents
 */
function findGuarded(folder: string, create = false): readonly GuardedPath[] {
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
  return repositories.flatMap((git) => partsOf(folder, git, create))
}

/** A sandbox that has started, and its table of mounts or the hands that read it. */
export type GuardedStart = { kill(): Promise<void> } & ({ readonly hands: Hands } | { readonly mountTable: string })

export interface Guard {
  /** Called while no sandbox runs in the folder. */
  look(): void
  /** Starts a sandbox with the guarded paths. */
  during<Started extends GuardedStart>(start: (guarded: readonly GuardedPath[]) => Promise<Started>): Promise<Started>
}

/**
 * The first sandbox guards everything that was found, and others wait for it. A later one guards what exists then.
 * @param tellsMounts whether a sandbox can list the roots of its mounts. Otherwise a later one guards only the top-level repository, which
 * has no parent that could be renamed. Below, a folder may have been replaced by a link.
 */
export function createGuard(folder: string, tellsMounts = true): Guard {
  let found: readonly GuardedPath[] = []
  let isFirst = false
  let first: Promise<unknown> = Promise.resolve()
  return {
    look() {
      found = findGuarded(folder, true)
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
      const there = findGuarded(folder).filter(({ path }) => tellsMounts || path === '.git' || path.startsWith('.git/'))
      const started = await start(there)
      try {
        if (tellsMounts && there.length > 0)
          checkGuarded(
            'mountTable' in started ? started.mountTable : await readMountTable(started.hands),
            there.map(({ path }) => path),
          )
        return started
      } catch (error) {
        await started.kill()
        throw error
      }
    },
  }
}

function partsOf(folder: string, git: string, create: boolean): readonly GuardedPath[] {
  const kind = (name: string): 'folder' | 'file' | 'other' | 'nothing' => kindOf(join(folder, git, name))
  if (kind('HEAD') !== 'file') return []
  if (create && kind('hooks') === 'nothing') mkdirSync(join(folder, git, 'hooks'))
  return [
    { path: git, writable: true },
    ...(kind('hooks') === 'folder' ? [{ path: join(git, 'hooks'), writable: false }] : []),
    ...(kind('config') === 'file' ? [{ path: join(git, 'config'), writable: false }] : []),
    ...modulesOf(folder, join(git, 'modules'), create, maxRepositoryDepth),
  ]
}

/** Repositories of submodules, whose names may have slashes; the folders on the way are not to be renamed either. */
function modulesOf(folder: string, inside: string, create: boolean, depth: number): readonly GuardedPath[] {
  const names = foldersIn(join(folder, inside)).slice(0, maxGuardedRepositories)
  if (depth === 0 || names.length === 0) return []
  const found = names.flatMap((name) => {
    const parts = partsOf(folder, join(inside, name), create)
    return parts.length > 0 ? parts : modulesOf(folder, join(inside, name), create, depth - 1)
  })
  return [{ path: inside, writable: true }, ...found]
}

function foldersIn(path: string): readonly string[] {
  try {
    // A link to a folder is not a folder.
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}

function kindOf(path: string): 'folder' | 'file' | 'other' | 'nothing' {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return 'nothing'
  return stats.isDirectory() ? 'folder' : stats.isFile() ? 'file' : 'other'
}

// A running sandbox may have put a link into a path while another one was started, and the launcher follows links. So the mounts inside are
// checked as soon as hands have started, before any other request.

interface Mount {
  readonly parent: string
  readonly device: string
  /** The root of the mount in its file system. */
  readonly root: string
  readonly point: string
}

/** @throws what hands throw */
async function readMountTable(hands: Hands): Promise<string> {
  const input = { command: 'cat /proc/self/mountinfo', cwd: '/tmp', stdin: '', timeoutMs: guardCheckMs, maxOutputBytes: maxMountTableBytes }
  const { stdout } = await hands.ask('exec', input, { signal: new AbortController().signal, timeoutMs: guardCheckMs })
  return stdout
}

/** @param paths below `/shared`. @throws OxbowError `sandbox_failed` when one of them is not mounted from its own path */
function checkGuarded(table: string, paths: readonly string[]): void {
  if (!standWhereTheyShould(table, paths)) {
    throw new OxbowError('sandbox_failed', 'A repository in the workspace was moved or replaced while the sandbox started.', {
      hint: 'Try again when no command moves repositories.',
    })
  }
}

/** @param table as proc(5) describes mountinfo */
export function standWhereTheyShould(table: string, paths: readonly string[]): boolean {
  const mounts = new Map<string, Mount>()
  const idAt = new Map<string, string>()
  for (const line of table.split('\n')) {
    const [id = '', parent = '', device = '', root = '', point = ''] = line.split(' ')
    mounts.set(id, { parent, device, root, point })
    // A later mount hides earlier ones.
    idAt.set(point, id)
  }
  return paths.every((path) => {
    const mount = mounts.get(idAt.get(escaped(`/shared/${path}`)) ?? '')
    const above = mounts.get(mount?.parent ?? '')
    if (mount === undefined || above === undefined || !mount.point.startsWith(`${above.point}/`)) return false
    const root = `${above.root === '/' ? '' : above.root}${mount.point.slice(above.point.length)}`
    return mount.device === above.device && mount.root === root
  })
}

/** Escapes blanks as the table does. */
function escaped(path: string): string {
  return path.replaceAll(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
}
