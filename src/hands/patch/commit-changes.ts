/**
 * Writes many files as one change. Everything that can fail for lack of space or rights is done first, beside the files; then
 * each takes its place, and what stood there stays under a second name until all are in place. A failure puts all of it back.
 * Only when hands are killed in between may a part remain.
 */
import { constants, copyFile, link, rename, rm, unlink } from 'node:fs/promises'
import { posix } from 'node:path'
import { failed, fromSystemError } from '../failure.ts'
import { makeFolderFor, removeMade, renameToFree, syncFolder, temporaryBeside, writeTemporary } from '../files/place-file.ts'
import type { Place, Root } from '../files/workspace-path.ts'

export interface Change extends Place {
  /** null: the file is deleted. */
  readonly text: string | null
  /** null: that of a new file. */
  readonly mode: number | null
  /** A file stands there now. */
  readonly existed: boolean
}

interface Prepared extends Change {
  /** Where the new content waits, null for a file that is deleted. */
  readonly waiting: string | null
  /** The second name of what stands there, null for a new file. */
  readonly kept: string | null
}

type Undo = () => Promise<void>

/** @throws the failure of the file that could not be written; then every file is as it was. */
export async function commitChanges(roots: readonly Root[], changes: readonly Change[]): Promise<void> {
  const undo: Undo[] = []
  const leftovers: string[] = []
  let at = ''
  try {
    const prepared: Prepared[] = []
    for (const change of changes) {
      at = change.virtual
      prepared.push(await prepare(roots, change, undo, leftovers))
    }
    for (const change of prepared) {
      at = change.virtual
      await putInPlace(change, undo)
    }
    for (const folder of new Set(prepared.map(({ real }) => posix.dirname(real)))) await syncFolder(folder)
  } catch (error) {
    // Each by itself: what somebody else has taken away meanwhile is no reason to leave the rest changed.
    let isBack = true
    for (const step of undo.toReversed()) await step().catch(() => (isBack = false))
    if (isBack) throw fromSystemError(error, at)
    throw failed(
      'tool_failed',
      `The patch failed at ${at}, and not all that it had changed could be put back.`,
      'Look at each of its files.',
    )
  } finally {
    for (const leftover of leftovers) await rm(leftover, { force: true })
  }
}

async function prepare(roots: readonly Root[], change: Change, undo: Undo[], leftovers: string[]): Promise<Prepared> {
  let { real } = change
  if (!change.existed) {
    const place = await makeFolderFor(roots, change)
    undo.push(() => removeMade(place))
    real = place.real
  }
  const waiting = change.text === null ? null : await writeTemporary(real, Buffer.from(change.text), change.mode)
  if (waiting !== null) leftovers.push(waiting)
  if (!change.existed) return { ...change, real, waiting, kept: null }
  const kept = temporaryBeside(real)
  leftovers.push(kept)
  // A second name costs nothing and cannot fail later; where a file system has none, a copy.
  await link(real, kept).catch(() => copyFile(real, kept, constants.COPYFILE_EXCL))
  return { ...change, real, waiting, kept }
}

async function putInPlace({ real, waiting, kept }: Prepared, undo: Undo[]): Promise<void> {
  // Said before it is done: to put back what still stands changes nothing.
  if (kept !== null) undo.push(() => rename(kept, real))
  if (waiting === null) await unlink(real)
  else if (kept !== null) await rename(waiting, real)
  else {
    await renameToFree(waiting, real)
    undo.push(() => unlink(real))
  }
}
