/** Brings files of the workspace to their state in a commit, as far as nobody has changed them meanwhile. */
import { type CallId, type ErrorCode, OxbowError } from '../../base/index.ts'
import type { Hands } from '../../protocol/index.ts'
import { fileName, treeName } from './thread/checkpoint.ts'
import type { LargeFile } from './thread/history.ts'
import type { Ask } from './thread/version-questions.ts'
import { maxCollectedBytes, removedAtOnce, snapshotTimeoutMs } from './limits.ts'
import type { Conflict, FileChange } from './version-schemas.ts'

export interface Restore {
  /** The commit that files come from. */
  readonly commit: string
  /** The workspace as it is known: a file that is not as in this commit stays as it is. Empty: it has no file. */
  readonly before: string
  /** From `before` to `commit`. */
  readonly changes: readonly FileChange[]
  readonly call: CallId
  readonly signal: AbortSignal
  /** Folders that are empty once files are removed are removed if they are not older than this. */
  readonly madeSinceMs?: number | undefined
  /** The files of a whole workspace come back, as they were on another node. */
  readonly ownFiles?: true
}

interface Place {
  readonly ask: Ask
  readonly hands: Hands
  /** Folders of the person, by their names in /shared: a file cannot be renamed from one to another. */
  readonly mounts: readonly string[]
}

/**
 * Removes first: a file may be where a folder was.
 * @returns the files that were left as they are, because somebody has changed them since `before` or they cannot be written
 * @throws OxbowError `not_found` before anything has changed, if the commit has no content of a file
 */
export async function restoreFiles(place: Place, restore: Restore): Promise<readonly Conflict[]> {
  const { commit, before, changes } = restore
  const paths = changes.map(({ path }) => path)
  const found = before === '' ? paths.map(() => '') : await place.ask('hashes', { commit: before, paths })
  const hashes = new Map(paths.map((path, at) => [path, found[at]!]))
  const removed = paths.filter((_, at) => changes[at]!.change === 'deleted')
  const written = paths.filter((_, at) => changes[at]!.change !== 'deleted')
  const large = await place.ask('largeIn', { commit, paths: written })
  const kept: Conflict[] = []
  const keep = (path: string, why: NotDone): void => void (why !== null && kept.push({ path, why: notDone[why] }))
  const remove = remover(place, restore)
  const left = removed.values()
  const removeNext = async (): Promise<void> => {
    for (const path of left) keep(path, await remove(path, hashes.get(path)))
  }
  await Promise.all(Array.from({ length: removedAtOnce }, removeNext))
  const taken: string[] = []
  for (const path of written) {
    const below = removed.filter((gone) => gone.startsWith(`${path}/`))
    // It takes the place of a folder, which has no files now unless somebody has put one there.
    for (const folder of foldersBetween(path, below)) await remove(folder)
    const why = below.length === 0 ? null : await remove(path)
    if (why === null) taken.push(path)
    else keep(path, why)
  }
  const inPieces = new Map(large.map((one) => [one.path, one]))
  const small = taken.filter((path) => !inPieces.has(path))
  for (const { path, why } of await unpackFiles(place, restore, small, hashes)) keep(path, why)
  for (const path of taken) {
    const one = inPieces.get(path)
    if (one !== undefined) keep(path, await putLarge(place, restore, one, hashes.get(path)!))
  }
  return kept
}

/** @returns the folders below a path that these files were in, the deepest first */
function foldersBetween(top: string, paths: readonly string[]): readonly string[] {
  const found = new Set<string>()
  for (const path of paths)
    for (let at = path.lastIndexOf('/'); at > top.length; at = path.lastIndexOf('/', at - 1)) found.add(path.slice(0, at))
  return [...found].sort((a, b) => b.length - a.length)
}

function remover({ hands }: Place, { signal, madeSinceMs }: Restore): (path: string, ifHash?: string) => Promise<NotDone> {
  const options = { signal, timeoutMs: snapshotTimeoutMs }
  return async (path, ifHash) => {
    const input = { path: `/${fileName(path)}`, recursive: false, ...(ifHash !== undefined && { ifHash, madeSinceMs }) }
    // Whoever has removed it was faster; a folder may have got files.
    return whyNot(hands.ask('delete', input, options), ['not_found'], ifHash === undefined ? 'tool_failed' : 'edit_mismatch')
  }
}

/** Why something was not done; null: it was. */
type NotDone = keyof typeof notDone | null

/** Why a file is left that somebody has changed between a look at it and the write. */
export const changedWhy = 'it was changed at the same moment'

/** Why a file is left that the disk has no space for. */
export const fullWhy = 'there is no space for it'

/** As a person reads it. */
const notDone = {
  changed: changedWhy,
  refused: 'agents may not change it there',
  full: fullWhy,
  failed: 'it cannot be written',
} as const

/** In one archive for each file system. @returns those that were not written */
async function unpackFiles(
  { ask, hands, mounts }: Place,
  { commit, call, signal, ownFiles }: Restore,
  paths: readonly string[],
  hashes: ReadonlyMap<string, string>,
): Promise<readonly { readonly path: string; readonly why: NotDone }[]> {
  const options = { signal, timeoutMs: snapshotTimeoutMs }
  const kept: { path: string; why: NotDone }[] = []
  for (const [base, inBase] of Map.groupBy(paths, (path) => baseOf(path, mounts))) {
    let offset = 0
    const transfer = `${call} ${base}`.slice(-maxTransferName)
    for (let left = inBase; left.length > 0;) {
      const piece = await ask('archive', { commit, base, paths: left, maxBytes: maxCollectedBytes })
      const replaces = left.slice(0, piece.files).map((path) => ({ path: fileName(path.slice(base.length + 1)), hash: hashes.get(path)! }))
      left = left.slice(piece.files)
      const last = left.length === 0
      const content = last ? Buffer.concat([piece.content, Buffer.alloc(archiveEndBytes)]) : piece.content
      const input = { path: `/${base}`, transfer, offset, content, last, overwrite: true, replaces, ...(ownFiles && { ownFiles }) }
      const unpacked = hands.ask('unpack', input, options)
      const why = await whyNot(unpacked)
      // Nothing is put into place before the last piece.
      if (why !== null) kept.push(...inBase.map((path) => ({ path, why })))
      if (why !== null) break
      kept.push(...(await unpacked).kept.map((one) => ({ path: `${base}/${treeName(one.path)}`, why: one.why })))
      offset += content.length
    }
  }
  return kept
}

async function putLarge(
  { ask, hands }: Place,
  { call, signal }: Restore,
  { path, sha256, bytes }: LargeFile,
  ifHash: string,
): Promise<NotDone> {
  const options = { signal, timeoutMs: snapshotTimeoutMs }
  const name = `/${fileName(path)}`
  for (let offset = 0; ;) {
    const content = await ask('largePiece', { sha256, offset, maxBytes: maxCollectedBytes })
    const last = offset + content.length >= bytes || content.length === 0
    const piece = {
      path: name,
      upload: `${call} ${sha256}`.slice(0, maxTransferName),
      offset,
      content,
      last,
      overwrite: ifHash !== '',
      ifHash,
    }
    const why = await whyNot(hands.ask('put', piece, options))
    if (why !== null || last) return why
    offset += content.length
  }
}

/** @param fine codes of failures that do no harm @param changed the code where somebody else has changed a file */
async function whyNot(asked: Promise<unknown>, fine: readonly ErrorCode[] = [], changed: ErrorCode = 'edit_mismatch'): Promise<NotDone> {
  try {
    await asked
    return null
  } catch (error) {
    if (!(error instanceof OxbowError)) throw error
    if (fine.includes(error.code)) return null
    if (error.code === changed) return 'changed'
    if (error.code === 'path_refused' || error.code === 'denied') return 'refused'
    if (error.code === 'limit_reached') return 'full'
    if (error.code === 'tool_failed' || error.code === 'not_found') return 'failed'
    throw error
  }
}

/** Two empty blocks end an archive. */
const archiveEndBytes = 1_024
const maxTransferName = 100

/** The folder in which a file can be put into place by a rename. */
function baseOf(path: string, mounts: readonly string[]): string {
  const [top, name = ''] = path.split('/')
  return mounts.includes(name) ? `${top}/${name}` : top!
}
