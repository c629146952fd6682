/**
 * Applies a diff to any number of files: all of it, or nothing. First everything is worked out in memory, where the files stand
 * as the diff before left them; only a diff that fits to its last hunk is written.
 */
import { constants, copyFile, link, lstat, rename, rm, unlink } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps, PatchedFile } from '../../types/index.ts'
import { failed, fromSystemError, throwIfCancelled } from '../failure.ts'
import { contentHash, isStanding, type Standing } from '../files/file-state.ts'
import { contentPaths, createPathLocks, type PathLocks } from '../files/path-locks.ts'
import { readWholeText } from '../files/read-file.ts'
import { type Place, refuseGuarded, resolveNew, type Root, toPlace } from '../files/workspace-path.ts'
import { makeFolderFor, removeMade, renameToFree, syncFolder, temporaryBeside, writeTemporary } from '../files/write-file.ts'
import { maxPatchBytes } from '../limits.ts'
import { fitHunks } from './fit-hunks.ts'
import { type FileDiff, parseDiff } from './parse-diff.ts'

/** What a file is while the diff is worked out. `text` null: there is none. */
type Draft = { -readonly [Key in keyof Change]: Change[Key] } & {
  readonly isLink: boolean
  /** Hash of what it held before the diff. */
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
  // A diff may name a file twice: what counts is what it holds now.
  const files = done.map(({ facts, target }) => ({ ...facts, hash: target.text === null ? '' : contentHash(target.text), was: target.was }))
  return { files }
}

function tooMuch(): Error {
  return failed('limit_reached', `The files of this diff are larger than ${maxPatchBytes} bytes together.`, 'Split the diff.')
}

/** @returns what gives the draft of a path, read once however often the diff names it. */
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
      const known = drafts.get(real)
      if (known !== undefined) return known
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
      'Write the diff against what stands in it.',
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
      'Use file_delete to delete it whatever it holds.',
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

/** Who may read may run, as git does it. */
function withExecutable(mode: number | null, executable: boolean): number {
  const bits = mode ?? 0o644
  return executable ? bits | ((bits & 0o444) >> 2) : bits & ~0o111
}

// Writes many files as one change. Everything that can fail for lack of space or rights is done first, beside the files; then
// each takes its place, and what stood there stays under a second name until all are in place. A failure puts all of it back.
// Only when hands are killed in between may a part remain.

interface Change extends Place {
  /** null: the file is deleted. */
  readonly text: string | null
  /** null: that of a new file. */
  readonly mode: number | null
  /** The file that stands there, as it was read; null where there is none. */
  readonly standing: Standing | null
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
  // A second name costs nothing and cannot fail later; where a file system has none, a copy.
  await link(real, kept).catch(() => copyFile(real, kept, constants.COPYFILE_EXCL))
  return { ...change, real, waiting, kept }
}

async function putInPlace({ virtual, real, waiting, kept, standing }: Prepared, undo: Undo[]): Promise<void> {
  if (standing !== null && !(await isStanding(real, standing))) {
    const hint = 'Read it again, and write the diff for what stands in it.'
    throw failed('edit_mismatch', `Another program has changed ${virtual} meanwhile. Nothing was changed.`, hint)
  }
  // Said before it is done: to put back what still stands changes nothing.
  if (kept !== null) undo.push(() => rename(kept, real))
  if (waiting === null) await unlink(real)
  else if (kept !== null) await rename(waiting, real)
  else {
    await renameToFree(waiting, real)
    undo.push(() => unlink(real))
  }
}
