/** The folders of the person that a sandbox shows at `/shared/NAME`: which of them can be mounted now, and what changes with a new list. */
import { lstat, mkdir, realpath, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { OxbowError } from '../base/index.ts'
import type { HostFolder, ShownFolder } from '../protocol/index.ts'
import type { FolderMount, TierPlan } from './tier-plan.ts'

interface FolderChange {
  /** Whether there is a mount that was not there. */
  readonly isMore: boolean
  /** Paths inside that are gone, lead elsewhere, or can no longer be written. */
  readonly taken: readonly string[]
  /** Whether one of those was read-only, so that branches show it too. */
  readonly inBranches: boolean
  /** Call before hands are started with them. */
  use(): void
  /** Removes the empty mount points of what is gone. Call when nothing runs that sees them. */
  tidy(): Promise<void>
}

/** Which folders a tier shows; see `TierPlan.mounts`. */
type Shows = TierPlan['mounts']

export interface FolderBook {
  /** Takes the first list, for the tier that was chosen. @throws as `plan` */
  open(folders: readonly HostFolder[], shows: Shows): Promise<void>
  mounts(): readonly FolderMount[]
  list(): readonly ShownFolder[]
  /** Listed folders that agents do not see; a turn's record of its sandbox names them. */
  readonly unseen: readonly ShownFolder[]
  /** Looks at the folders and makes their mount points. @throws OxbowError `bad_config` if something else has the name */
  plan(folders: readonly HostFolder[]): Promise<FolderChange>
}

/** @param shared the workspace's folder of that name @param logger is told of folders that cannot be shown */
export function createFolderBook(shared: string, logger: (message: string) => void): FolderBook {
  let shows: Shows
  let shown: readonly ShownFolder[] = []
  const unseen: ShownFolder[] = []
  let mounts: readonly FolderMount[] = []
  const book: FolderBook = {
    mounts: () => mounts,
    list: () => shown,
    unseen,
    async open(folders, tierShows) {
      shows = tierShows
      const { use, tidy } = await book.plan(folders)
      use()
      await tidy()
    },
    async plan(wanted) {
      const next: ShownFolder[] = []
      for (const folder of wanted) next.push({ ...folder, problem: unseenIn(shows, folder) || (await prepare(shared, folder)) })
      const nextMounts = next.filter(({ problem }) => problem === '').map(mountOf)
      const taken = mounts.filter((mount) => !nextMounts.some((other) => same(other, mount) && (other.writable || !mount.writable)))
      return {
        isMore: nextMounts.some((mount) => !mounts.some((other) => same(other, mount) && other.writable === mount.writable)),
        taken: taken.map(({ inside }) => inside),
        inBranches: taken.some(({ writable }) => !writable),
        use() {
          for (const { name, path, problem } of next)
            if (problem !== '' && shown.find((one) => one.name === name)?.problem !== problem)
              logger(`the folder ${path} ${problem}, so /shared/${name} is not mounted`)
          shown = next
          unseen.splice(0, Infinity, ...next.filter(({ problem }) => problem !== ''))
          mounts = nextMounts
        },
        async tidy() {
          const hidden = unseen.map(({ name }) => ({ inside: `/shared/${name}` }))
          const gone = [...taken, ...hidden].filter(({ inside }) => !mounts.some((mount) => mount.inside === inside))
          // One that is not empty has something of the workspace's own.
          for (const { inside } of gone) await rmdir(join(shared, inside.slice('/shared/'.length))).catch(() => {})
        },
      }
    },
  }
  return book
}

/** @returns why a tier does not show the folder; empty if it does. A mount point without the folder would be a writable decoy. */
export function unseenIn(shows: Shows, { readOnly }: Pick<HostFolder, 'readOnly'>): string {
  if (shows === undefined) return 'is not visible in this tier'
  return shows === 'writable' && readOnly ? 'is read-only, which only the process and the container tier can show' : ''
}

const mountOf = ({ name, path, readOnly }: HostFolder): FolderMount => ({ host: path, inside: `/shared/${name}`, writable: !readOnly })

const same = (one: FolderMount, other: FolderMount): boolean => one.host === other.host && one.inside === other.inside

/** @returns why it cannot be shown; empty if it can */
async function prepare(shared: string, { name, path }: HostFolder): Promise<string> {
  // The path of the list has no links: one that is there now may have been put there to lead somewhere else.
  const real = await realpath(path).catch(() => null)
  if (real === null) return 'does not exist'
  if (real !== path) return 'is a link now'
  if (!(await lstat(path)).isDirectory()) return 'is not a folder'
  const point = join(shared, name)
  await mkdir(point).catch(() => {})
  // An agent may have put a link there.
  if ((await lstat(point)).isDirectory()) return ''
  throw new OxbowError('bad_config', `/shared/${name} is not a folder, so ${path} cannot be mounted there.`, {
    hint: `Move it away, or: oxbow folder remove ${name}`,
  })
}
