/** What is shown of spaces, in a terminal and by pages: their names, sizes and what is shared, and nothing of what is in them. */
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { SharedItem, SpaceView } from '../../protocol/index.ts'
import { findGuest } from '../find-guest.ts'
import { listFolders } from '../folders.ts'
import { type Home, openWorkspace } from '../home.ts'
import { maxSizedFiles } from '../limits.ts'
import { type Space, spacesOf } from './space-list.ts'
import { spaceOf } from './space-names.ts'
import { memoryShares } from './space-shares.ts'

/** @returns what other spaces share with this one */
export function sharedWith(home: Home, { user, name }: Pick<Space, 'user' | 'name'>): readonly SharedItem[] {
  const folders = listFolders(home, user).flatMap(({ name: folder, space, readOnly }): SharedItem[] =>
    space === undefined ? [] : [{ from: space, folder: `/shared/${folder}`, memory: '', copy: '', read_only: readOnly }],
  )
  const memories = memoryShares(home, spaceOf(user).person).filter(({ to }) => to === name)
  return [...folders, ...memories.map(({ from, id, copy }): SharedItem => ({ from, folder: '', memory: id, copy, read_only: true }))]
}

/** @param user a workspace of the person whose spaces are shown */
export async function spaceViews(home: Home, user: string): Promise<readonly SpaceView[]> {
  const left = { files: maxSizedFiles }
  const views: SpaceView[] = []
  for (const space of spacesOf(home, spaceOf(user).person)) {
    const workspace = openWorkspace(home, space.user)
    views.push({
      space: space.name,
      user: space.user,
      is_here: space.user === user,
      in_use: space.isCurrent,
      archived: space.archived_at !== 0,
      running: (await findGuest(workspace)) !== null,
      about: space.about,
      words: space.words,
      paths: space.paths,
      created_at: space.created_at,
      shared: sharedWith(home, space),
      file_bytes: await bytesIn(workspace.shared, left),
      store_bytes: await bytesIn(join(workspace.root, 'internal'), left),
    })
  }
  return views
}

/** @param left files that may still be looked at @returns null where there are more */
async function bytesIn(folder: string, left: { files: number }): Promise<number | null> {
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    left.files -= 1
    if (left.files < 0) return null
    const path = join(folder, entry.name)
    // No link is followed: it may lead into another space.
    const size = entry.isDirectory() ? await bytesIn(path, left) : (await lstat(path).catch(() => ({ size: 0 }))).size
    if (size === null) return null
    bytes += size
  }
  return bytes
}
