/** The overlay of one branch: over the workspace, and over each folder of the person that agents may change. */
import { chmod, chown, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { type BranchChange, fitsAnyName, isRepositoryName } from '../../protocol/index.ts'
import { type FolderMount, sandboxUid, type TierOptions, type WorkspaceFolders } from '../tier-plan.ts'
import { closeAll, layerAt, type MountedOverlay, mountOverlay, openMerged, type OverlayLayer } from './overlay.ts'
import { upperChanges } from './upper-changes.ts'

/** What a branch is made of, in a file of its folder. Branches of earlier releases have none, and are copies. */
export const branchMade = z.strictObject({
  kind: z.enum(['overlay', 'copy']),
  why: z.string(),
  /** What an overlay shows, by paths inside; the first is the workspace. */
  layers: z.array(z.strictObject({ inside: z.string(), lower: z.string() })).readonly(),
})

export type BranchMade = z.infer<typeof branchMade>

/** @returns what an overlay over these folders is made of */
export function overlayOf({ shared, mounts = [] }: WorkspaceFolders): BranchMade {
  const writable = mounts.filter((mount) => mount.writable).map(({ host, inside }) => ({ inside, lower: host }))
  return { kind: 'overlay', why: '', layers: [{ inside: '/shared', lower: shared }, ...writable] }
}

/** Makes the folders that it needs, which belong to whom the folders below them do. @throws a system error */
export async function makeLayers(place: string, made: BranchMade): Promise<void> {
  for (const { lower, upper, work, place: at } of layersIn(place, made)) {
    const { mode, uid, gid } = await stat(lower)
    for (const folder of [upper, work, at]) await mkdir(folder, { recursive: true })
    // It is what is seen of the folder itself.
    await chmod(upper, mode & 0o7777)
    if (process.getuid?.() === 0) await chown(upper, uid === 0 ? sandboxUid : uid, gid === 0 ? sandboxUid : gid)
  }
}

/** The kernel lets nobody but root look into a folder that it makes there, which then could not be removed. Never throws. */
export async function unlock(place: string): Promise<void> {
  const names = await readdir(place).catch(() => [])
  for (const name of names.filter((one) => one.endsWith('.work'))) await chmod(join(place, name, 'work'), 0o700).catch(() => {})
}

/** Removes a branch, or what is left of one. @throws a system error */
export async function removeFolders(place: string): Promise<void> {
  await unlock(place)
  await rm(place, { recursive: true, force: true })
}

/** @param mounts folders of the person now: one that was taken away is not shown any more */
export function layersIn(place: string, { layers }: BranchMade, mounts?: readonly FolderMount[]): readonly OverlayLayer[] {
  const isThere = ({ inside, lower }: BranchMade['layers'][number]): boolean =>
    inside === '/shared' || mounts === undefined || mounts.some((one) => one.inside === inside && one.host === lower && one.writable)
  return layers.flatMap((layer, n) => {
    if (!isThere(layer)) return []
    return layerAt(place, n === 0 ? 'shared' : `mounted-${n}`, layer.lower)
  })
}

/** @returns its mounts, by paths inside, and the way in @throws OxbowError `sandbox_failed` */
export async function openOverlay(
  place: string,
  made: BranchMade,
  mounts: readonly FolderMount[],
  { searchPath, branchesPass }: Pick<TierOptions, 'searchPath' | 'branchesPass'>,
): Promise<Opened> {
  const layers = layersIn(place, made, mounts)
  const overlay = await mountOverlay(layers, searchPath, branchesPass)
  if (typeof overlay === 'string')
    throw new OxbowError('sandbox_failed', `The overlay of this branch cannot be mounted: ${overlay}.`, {
      hint: 'What it has changed is kept. oxbow doctor says what this machine can do.',
    })
  const shown = layers.slice(1).map(({ lower, place: at }) => ({ lower, at }))
  const own = made.layers.flatMap(({ inside, lower }) =>
    shown.flatMap((one) => (one.lower === lower ? [{ host: one.at, inside, writable: true }] : [])),
  )
  return { ...overlay, mounts: own }
}

interface Opened extends MountedOverlay {
  readonly mounts: readonly FolderMount[]
}

/** @throws OxbowError `sandbox_failed`, the reason of the signal */
export async function overlayChanges(
  place: string,
  made: BranchMade,
  { ignore, mounts, searchPath, signal }: Looked,
): Promise<readonly BranchChange[]> {
  const layers = layersIn(place, made, mounts)
  const isIgnored = fitsAnyName(ignore)
  const isLeftOut = (path: string): boolean => {
    const name = path.slice(path.lastIndexOf('/') + 1)
    return isIgnored(name) || isRepositoryName(name) || isStaged(name)
  }
  const merged = await openMerged(layers, searchPath)
  if (typeof merged === 'string')
    throw new OxbowError('sandbox_failed', `The changes of this branch cannot be looked at: ${merged}.`, { hint: 'Try again.' })
  try {
    const all: BranchChange[] = []
    for (const [n, layer] of layers.entries()) {
      const inside = made.layers.find(({ lower }) => lower === layer.lower)!.inside
      const at = inside.slice('/shared/'.length)
      all.push(...(await upperChanges({ ...layer, merged: merged[n]! }, at, { isLeftOut, signal })))
    }
    return all
  } finally {
    closeAll(merged)
  }
}

interface Looked {
  readonly ignore: readonly string[]
  readonly mounts: readonly FolderMount[]
  readonly searchPath: string
  readonly signal: AbortSignal
}

/** What hands put next to a file before it has its name. */
const isStaged = (name: string): boolean => /^\.oxbow-(?:uploads$|[0-9a-z]+\.tmp$)/i.test(name)
