/**
 * Reads a unified diff, as `diff -u` and `git diff` write it: any number of files, new and deleted ones, renames, modes. What
 * stands around it (a mail, a commit message) is passed over. Left out and refused: binary files, links, copies.
 */
import { failed } from '../failure.ts'
import { maxPatchFiles } from '../limits.ts'
import { gitNames, headerName, unquote, withoutPrefix } from './diff-names.ts'
import { parseHunk } from './parse-hunk.ts'
import type { Hunk } from './parse-hunk.ts'

export interface FileDiff {
  /** null: the diff creates the file. */
  readonly old: string | null
  /** null: the diff deletes the file. */
  readonly now: string | null
  /** What the new file is to be; null: as it was. */
  readonly executable: boolean | null
  readonly hunks: readonly Hunk[]
}

/** A file of the diff while its headers and hunks are read. */
interface Draft {
  readonly at: number
  old: string | null
  now: string | null
  /** `---` and `+++`, or renames, have said the names; else the `diff --git` line has to do. */
  named: boolean
  moved: boolean
  creates: boolean
  deletes: boolean
  executable: boolean | null
  readonly hunks: Hunk[]
}

/** @throws `bad_input` that names the line of the diff, `limit_reached`. */
export function parseDiff(text: string): readonly FileDiff[] {
  const diff = text.split('\n')
  const drafts: Draft[] = []
  for (let at = 0; at < diff.length;) {
    const line = diff[at]!.replace(/\r$/, '')
    const draft = drafts.at(-1)
    if (line.startsWith('diff --git ')) drafts.push(begin(at, gitNames(line.slice(11))))
    else if (line.startsWith('--- ') && diff[at + 1]?.startsWith('+++ ') === true) {
      const names = [headerName(line.slice(4)), headerName(diff[at + 1]!.replace(/\r$/, '').slice(4))] as const
      if (draft === undefined || draft.named || draft.hunks.length > 0) drafts.push({ ...begin(at, names), named: true })
      else if (!draft.moved) Object.assign(draft, { old: names[0], now: names[1], named: true })
      at += 1
    } else if (line.startsWith('@@')) {
      if (draft === undefined) {
        throw failed(
          'bad_input',
          `Line ${at + 1} of the diff begins a hunk, but no file was named.`,
          'Put lines --- a/NAME and +++ b/NAME before it.',
        )
      }
      const { hunk, next } = parseHunk(diff, at, shownName(draft), draft.hunks.length + 1)
      draft.hunks.push(hunk)
      at = next
      continue
    } else if (draft !== undefined && draft.hunks.length === 0) readExtended(draft, line, at)
    at += 1
    if (drafts.length > maxPatchFiles) throw failed('limit_reached', `The diff has more than ${maxPatchFiles} files.`, 'Split it.')
  }
  if (drafts.length > 0) return drafts.map(finish)
  const hint = 'For each file: lines --- a/NAME and +++ b/NAME, then hunks that begin with @@ -LINE,COUNT +LINE,COUNT @@.'
  throw failed('bad_input', 'This is no unified diff: it names no file.', hint)
}

function shownName(draft: Draft): string {
  const { old, now } = withoutPrefix(draft.old, draft.now)
  return now ?? old ?? 'the file'
}

function begin(at: number, names: readonly [string | null, string | null] | null): Draft {
  const [old, now] = names ?? [null, null]
  return { at, old, now, named: false, moved: false, creates: old === null && now !== null, deletes: false, executable: null, hunks: [] }
}

/** The lines that git puts between `diff --git` and the names. */
function readExtended(draft: Draft, line: string, at: number): void {
  const [, word, rest] = /^(new file mode|deleted file mode|new mode|rename from|rename to|copy from) (.*)$/.exec(line) ?? []
  if (/^(?:Binary files .* differ|GIT binary patch)$/.test(line) || word === 'copy from') {
    const what = word === 'copy from' ? 'copies a file' : 'changes a binary file'
    throw failed('bad_input', `Line ${at + 1} of the diff ${what}, which is not supported. Nothing was changed.`, 'Leave that file out.')
  }
  if (word === undefined || rest === undefined) return
  if (word.startsWith('rename')) {
    const name = unquote(rest)
    if (word === 'rename from') draft.old = `a/${name}`
    else draft.now = `b/${name}`
    draft.moved = true
    return
  }
  if (word !== 'deleted file mode') draft.executable = isExecutable(rest, at)
  if (word === 'new file mode') draft.creates = true
  if (word === 'deleted file mode') draft.deletes = true
}

function isExecutable(mode: string, at: number): boolean {
  if (/^100[0-7]{3}$/.test(mode)) return (Number.parseInt(mode, 8) & 0o111) !== 0
  throw failed('bad_input', `Line ${at + 1} of the diff makes a link or a submodule (mode ${mode}).`, 'Only regular files can be patched.')
}

function finish(draft: Draft): FileDiff {
  const { old, now } = withoutPrefix(draft.old, draft.now)
  const file = { old: draft.creates ? null : old, now: draft.deletes ? null : now, executable: draft.executable, hunks: draft.hunks }
  if (file.old === '' || file.now === '' || (file.old === null && file.now === null)) {
    throw failed(
      'bad_input',
      `Line ${draft.at + 1} of the diff does not say which file is meant.`,
      'Name it in lines --- a/NAME and +++ b/NAME.',
    )
  }
  if (file.old !== null && file.now !== null && file.old !== file.now && !draft.moved) {
    const hint = `If ${file.old} is to be renamed, put lines rename from and rename to before; else give one name.`
    throw failed('bad_input', `Line ${draft.at + 1} of the diff names two files: ${file.old} and ${file.now}.`, hint)
  }
  if (file.hunks.length === 0 && file.old === file.now && file.executable === null) {
    throw failed(
      'bad_input',
      `The diff names ${file.old} and changes nothing in it.`,
      'Add hunks that begin with @@ -LINE,COUNT +LINE,COUNT @@, or leave it out.',
    )
  }
  return file
}
