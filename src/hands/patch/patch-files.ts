/**
 * Applies a diff to any number of files, all or nothing. First everything is computed in memory; only a diff whose every hunk matches is
 * written.
 */
import { constants, copyFile, link, lstat, rename, rm, unlink } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps, PatchedFile } from '../../protocol/index.ts'
import { failed, fromSystemError, throwIfCancelled } from '../failure.ts'
import { contentHash, isUnchanged, type FileVersion } from '../files/file-state.ts'
import { contentPaths, createPathLocks, type PathLocks } from '../files/path-locks.ts'
import { readWholeText } from '../files/read-file.ts'
import { type Place, refuseGuarded, resolveNew, type Root, toPlace } from '../files/workspace-path.ts'
import { makeFolderFor, removeMade, renameToFree, syncFolder, temporaryBeside, writeTemporary } from '../files/write-file.ts'
import { maxPatchBytes } from '../limits.ts'
import { fitHunks } from './fit-hunks.ts'
import { type FileDiff, parseDiff } from './parse-diff.ts'

/** A file while the diff is computed. `text` null: it does not exist. */
type Draft = { -readonly [Key in keyof Change]: Change[Key] } & {
  readonly isLink: boolean
  /** Hash of its content before the diff. */
  readonly was: string
}
type FileFacts = Omit<PatchedFile, 'hash' | 'was'>

export async function patchFiles(
  roots: readonly Root[],
  input: HandsOps['patch']['input'],
  signal: AbortSignal,
  locks: PathLocks = createPathLocks(),
): Promise<HandsOps['patch']['output']> {
  const diff = parseDiff(input.diff)
  const pathOf = (name: string): string => (posix.isAbsolute(name) ? name : `${input.path}/${name}`)
  const paths = diff.flatMap(({ old, now }) => [old, now].flatMap((name) => (name === null ? [] : [pathOf(name)])))
  return locks.run(
    () => contentPaths(roots, [...new Set(paths)]),
    signal,
    () => applyDiff(roots, diff, pathOf, signal),
  )
}

async function applyDiff(
  roots: readonly Root[],
  diff: readonly FileDiff[],
  pathOf: (name: string) => string,
  signal: AbortSignal,
): Promise<HandsOps['patch']['output']> {
  const drafts = new Map<string, Draft>()
  const open = createOpener(roots, drafts)
  const done: { readonly facts: FileFacts; readonly target: Draft }[] = []
  for (const file of diff) {
    throwIfCancelled(signal)
    done.push(await applyFile(file, (name) => open(pathOf(name))))
  }
  const changes = [...drafts.values()].filter((draft) => draft.text !== null || draft.standing !== null)
  const bytes = changes.reduce((sum, { text }) => sum + (text === null ? 0 : Buffer.byteLength(text)), 0)
  if (bytes > maxPatchBytes) throw tooMuch()
  throwIfCancelled(signal)
  await commitChanges(roots, changes)
  // A diff may name a file twice: use its final content.
  const files = done.map(({ facts, target }) => ({ ...facts, hash: target.text === null ? '' : contentHash(target.text), was: target.was }))
  return { files }
}

function tooMuch(): Error {
  return failed('limit_reached', `The files of this diff have more than ${maxPatchBytes} bytes in total.`, 'Split the diff.')
}

/** @returns a function that gives the draft of a path; a file is read only once. */
function createOpener(roots: readonly Root[], drafts: Map<string, Draft>) {
  let bytes = 0
  return async (path: string): Promise<Draft> => {
    const place = toPlace(roots, path)
    if (place.isRoot) throw failed('path_refused', `${place.virtual} is a folder.`, 'Name a file in it.')
    try {
      const named = await lstat(place.real).catch(() => null)
      const whole = named === null ? null : await readWholeText(roots, place.virtual)
      const real = whole?.place.real ?? (await resolveNew(roots, place))
      refuseGuarded(roots, { virtual: place.virtual, real })
      const opened = drafts.get(real)
      if (opened !== undefined) return opened
      bytes += whole === null ? 0 : Buffer.byteLength(whole.text)
      if (bytes > maxPatchBytes) throw tooMuch()
      const draft = {
        virtual: place.virtual,
        real,
        text: whole?.text ?? null,
        mode: whole?.mode ?? null,
        standing: whole?.standing ?? null,
        isLink: named?.isSymbolicLink() === true,
        was: whole?.hash ?? '',
      }
      drafts.set(real, draft)
      return draft
    } catch (error) {
      throw fromSystemError(error, place.virtual)
    }
  }
}

async function applyFile(
  file: FileDiff,
  open: (name: string) => Promise<Draft>,
): Promise<{ readonly facts: FileFacts; readonly target: Draft }> {
  const source = await open(file.old ?? file.now!)
  const target = file.now === null || file.old === null ? source : await open(file.now)
  const { virtual } = target
  if (file.old === null && source.text !== null) {
    throw failed(
      'edit_mismatch',
      `The diff creates ${virtual}, which already exists. Nothing was changed.`,
      'Write the diff against its current content.',
    )
  }
  if (file.old !== null && source.text === null) {
    throw failed(
      'not_found',
      `The diff changes ${source.virtual}, which does not exist. Nothing was changed.`,
      'To create it, begin with --- /dev/null.',
    )
  }
  if (target !== source && target.text !== null) {
    throw failed('edit_mismatch', `The diff moves a file to ${virtual}, which already exists. Nothing was changed.`, 'Choose another name.')
  }
  if (source.isLink && (file.now === null || target !== source)) {
    throw failed('path_refused', `${source.virtual} is a link, which a diff cannot delete or move.`, 'Use file_delete or file_move.')
  }
  const fitted = fitHunks(source.text ?? '', file.hunks, source.virtual)
  if (file.now === null && fitted.text !== '') {
    throw failed(
      'edit_mismatch',
      `The diff deletes ${virtual}, but not all of its lines. Nothing was changed.`,
      'Use file_delete to delete it whatever its content.',
    )
  }
  const mode = source.mode
  if (target !== source) source.text = null
  target.text = file.now === null ? null : fitted.text
  target.mode = file.executable === null ? mode : withExecutable(mode, file.executable)
  const change = file.old === null ? 'created' : file.now === null ? 'deleted' : target === source ? 'changed' : 'moved'
  const { added, removed, shifted } = fitted
  const from = change === 'moved' ? source.virtual : ''
  return { facts: { path: virtual, from, change, added, removed, hunks: file.hunks.length, shifted }, target }
}

/** Makes the file executable for everyone who may read it, as git does. */
function withExecutable(mode: number | null, executable: boolean): number {
  const bits = mode ?? 0o644
  return executable ? bits | ((bits & 0o444) >> 2) : bits & ~0o111
}

// Writes many files as one change. Whatever can fail for lack of space or rights is done first, in temporary files; then each is renamed,
// and the old file is kept under a second name until all are done. A failure restores all of them. Only if hands are killed in between may
// a part of the change remain.

interface Change extends Place {
  /** null: the file is deleted. */
  readonly text: string | null
  /** null: the default of a new file. */
  readonly mode: number | null
  /** The existing file, as it was read; null if it is missing. */
  readonly standing: FileVersion | null
}

interface Prepared extends Change {
  /** Temporary file with the new content, null for a file that is deleted. */
  readonly waiting: string | null
  /** Second name of the old file, null for a new file. */
  readonly kept: string | null
}

type Undo = () => Promise<void>

/** @throws the failure of the file that could not be written; then every file is unchanged. */
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
    // Each by itself: restore the others even if one fails.
    let isBack = true
    for (const step of undo.toReversed()) await step().catch(() => (isBack = false))
    if (isBack) throw fromSystemError(error, at)
    throw failed('tool_failed', `The patch failed at ${at}, and not all of its changes could be undone.`, 'Check each of its files.')
  } finally {
    for (const leftover of leftovers) await rm(leftover, { force: true })
  }
}

async function prepare(roots: readonly Root[], change: Change, undo: Undo[], leftovers: string[]): Promise<Prepared> {
  let { real } = change
  if (change.standing === null) {
    const place = await makeFolderFor(roots, change)
    undo.push(() => removeMade(place))
    real = place.real
  }
  const waiting = change.text === null ? null : await writeTemporary(real, Buffer.from(change.text), change.mode)
  if (waiting !== null) leftovers.push(waiting)
  if (change.standing === null) return { ...change, real, waiting, kept: null }
  const kept = temporaryBeside(real)
  leftovers.push(kept)
  // A hard link costs nothing and cannot fail later; without hard links, a copy.
  await link(real, kept).catch(() => copyFile(real, kept, constants.COPYFILE_EXCL))
  return { ...change, real, waiting, kept }
}

async function putInPlace({ virtual, real, waiting, kept, standing }: Prepared, undo: Undo[]): Promise<void> {
  if (standing !== null && !isUnchanged(real, standing)) {
    const hint = 'Read it again, and write the diff for its current content.'
    throw failed('edit_mismatch', `Another program has changed ${virtual} meanwhile. Nothing was changed.`, hint)
  }
  // Registered before the rename: undoing a rename that did not happen changes nothing.
  if (kept !== null) undo.push(() => rename(kept, real))
  if (waiting === null) await unlink(real)
  else if (kept !== null) await rename(waiting, real)
  else {
    renameToFree(waiting, real)
    undo.push(() => unlink(real))
  }
}
