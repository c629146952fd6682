/**
 * Applies a diff to any number of files: all of it, or nothing. First everything is worked out in memory, where the files stand
 * as the diff before left them; only a diff that fits to its last hunk is written.
 */
import { lstat } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps, PatchedFile } from '../../types/index.ts'
import { failed, fromSystemError, throwIfCancelled } from '../failure.ts'
import { refuseGuarded } from '../files/guarded-path.ts'
import { resolveNew } from '../files/place-file.ts'
import { readWholeText } from '../files/whole-text.ts'
import { toPlace } from '../files/workspace-path.ts'
import type { Root } from '../files/workspace-path.ts'
import { maxPatchBytes } from '../limits.ts'
import { commitChanges } from './commit-changes.ts'
import type { Change } from './commit-changes.ts'
import { fitHunks } from './fit-hunks.ts'
import { parseDiff } from './parse-diff.ts'
import type { FileDiff } from './parse-diff.ts'

/** What a file is while the diff is worked out. `text` null: there is none. */
type Draft = { -readonly [Key in keyof Change]: Change[Key] } & { isLink: boolean }

export async function patchFiles(
  roots: readonly Root[],
  input: HandsOps['patch']['input'],
  signal: AbortSignal,
): Promise<HandsOps['patch']['output']> {
  const drafts = new Map<string, Draft>()
  const open = createOpener(roots, drafts)
  const files: PatchedFile[] = []
  for (const file of parseDiff(input.diff)) {
    throwIfCancelled(signal)
    files.push(await applyFile(file, (name) => open(posix.isAbsolute(name) ? name : `${input.path}/${name}`)))
  }
  const changes = [...drafts.values()].filter((draft) => draft.text !== null || draft.existed)
  const bytes = changes.reduce((sum, { text }) => sum + (text === null ? 0 : Buffer.byteLength(text)), 0)
  if (bytes > maxPatchBytes) throw tooMuch()
  throwIfCancelled(signal)
  await commitChanges(roots, changes)
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
      const standing = await lstat(place.real).catch(() => null)
      const whole = standing === null ? null : await readWholeText(roots, place.virtual)
      const real = whole?.place.real ?? (await resolveNew(roots, place))
      refuseGuarded(roots, { virtual: place.virtual, real })
      const known = drafts.get(real)
      if (known !== undefined) return known
      bytes += whole === null ? 0 : Buffer.byteLength(whole.text)
      if (bytes > maxPatchBytes) throw tooMuch()
      const isLink = standing?.isSymbolicLink() === true
      const draft = { virtual: place.virtual, real, text: whole?.text ?? null, mode: whole?.mode ?? null, existed: whole !== null, isLink }
      drafts.set(real, draft)
      return draft
    } catch (error) {
      throw fromSystemError(error, place.virtual)
    }
  }
}

async function applyFile(file: FileDiff, open: (name: string) => Promise<Draft>): Promise<PatchedFile> {
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
  return { path: virtual, from: change === 'moved' ? source.virtual : '', change, added, removed, hunks: file.hunks.length, shifted }
}

/** Who may read may run, as git does it. */
function withExecutable(mode: number | null, executable: boolean): number {
  const bits = mode ?? 0o644
  return executable ? bits | ((bits & 0o444) >> 2) : bits & ~0o111
}
