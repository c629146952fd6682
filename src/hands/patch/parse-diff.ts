/**
 * Reads a unified diff, as `diff -u` and `git diff` write it: any number of files, new and deleted ones, renames, modes. Surrounding text
 * (a mail, a commit message) is skipped. The package `diff` parses it; this file converts the result for fit-hunks.ts, and reports what to
 * correct. Not supported: binary files, links, copies.
 */
import { parsePatch, type StructuredPatch } from 'diff'
import { failed } from '../failure.ts'
import { maxPatchFiles } from '../limits.ts'

export interface FileDiff {
  /** null: the diff creates the file. */
  readonly old: string | null
  /** null: the diff deletes the file. */
  readonly now: string | null
  /** The mode of the new file; null: unchanged. */
  readonly executable: boolean | null
  readonly hunks: readonly Hunk[]
}

/** A line of a file with the newline that ends it; the last one may have none. */
export interface HunkLine {
  readonly kind: ' ' | '+' | '-'
  readonly text: string
}

export interface Hunk {
  /** Counts from 1 within its file. */
  readonly number: number
  readonly header: string
  /** Line of the diff where it begins. */
  readonly at: number
  /** Line of the file, from 1; for a hunk without old lines the line after which it is inserted, 0 for the beginning. */
  readonly oldStart: number
  readonly lines: readonly HunkLine[]
}

/** @throws `bad_input` that names the line of the diff, `limit_reached`. */
export function parseDiff(text: string): readonly FileDiff[] {
  const lines = text.split('\n')
  refuseUnsupported(lines)
  const headers = hunkHeaders(lines)
  const files = parseWithPackage(withoutSignatures(text), lines).filter(
    ({ oldFileName, hunks }) => oldFileName !== undefined || hunks.length > 0,
  )
  if (files.length > maxPatchFiles) throw failed('limit_reached', `The diff has more than ${maxPatchFiles} files.`, 'Split it.')
  if (files.length === 0) {
    const hint = 'For each file: lines --- a/NAME and +++ b/NAME, then hunks that begin with @@ -LINE,COUNT +LINE,COUNT @@.'
    throw failed('bad_input', 'This is not a unified diff: it names no file.', hint)
  }
  let done = 0
  return files.map((file) => {
    // The package does not return the position of a hunk. It skips none, so they are in the order of their headers.
    const own = headers.slice(done, (done += file.hunks.length))
    return toFileDiff(file, own)
  })
}

/** The package's types miss that a hunk without headers has no names. */
type Parsed = StructuredPatch & { readonly oldFileName: string | undefined; readonly newFileName: string | undefined }

function parseWithPackage(text: string, lines: readonly string[]): Parsed[] {
  try {
    return parsePatch(text)
  } catch (error) {
    const message = error instanceof Error ? error.message : ''
    const at = Number(/at line (\d+)/.exec(message)?.[1] ?? 0)
    if (at > 0) throw miscounted(lines, at - 1)
    throw failed(
      'bad_input',
      `The diff cannot be read: ${message}.`,
      'Put both lines --- a/NAME and +++ b/NAME before the hunks of a file.',
    )
  }
}

/** `-- ` introduces the signature of a mail; it would otherwise be parsed as a line of a hunk. */
function withoutSignatures(text: string): string {
  return text.replaceAll(/^-- \n(?=[^\s+\-\\@][^\n]*(?:\n|$))/gm, '\n')
}

const headerForm = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@/

interface Header {
  /** Index of its line. */
  readonly at: number
  readonly text: string
  readonly oldStart: number
  readonly oldCount: number
  readonly newCount: number
}

function hunkHeaders(lines: readonly string[]): readonly Header[] {
  return lines.flatMap((line, at) => {
    if (!line.startsWith('@@')) return []
    const found = headerForm.exec(line)
    if (found === null) {
      throw failed('bad_input', `${whichHunk(lines, at)} has no line numbers: ${line.slice(0, 80)}`, 'Begin it as in: @@ -10,3 +10,4 @@')
    }
    const number = (group: number, otherwise = 1): number => Number(found[group] ?? otherwise)
    return [{ at, text: found[0], oldStart: number(1), oldCount: number(2), newCount: number(4) }]
  })
}

/** Outside of hunks, whose lines begin with a space, + or -. */
function refuseUnsupported(lines: readonly string[]): void {
  const at = lines.findIndex((line) => /^(?:Binary files .* differ|GIT binary patch|copy from .*)\r?$/.test(line))
  if (at === -1) return
  const what = lines[at]!.startsWith('copy') ? 'copies a file' : 'changes a binary file'
  throw failed('bad_input', `Line ${at + 1} of the diff ${what}, which is not supported. Nothing was changed.`, 'Leave that file out.')
}

function toFileDiff(file: Parsed, headers: readonly Header[]): FileDiff {
  const first = headers[0]
  if (file.oldFileName === undefined || file.newFileName === undefined) {
    const hint = 'Put lines --- a/NAME and +++ b/NAME before it.'
    throw failed('bad_input', `Line ${(first?.at ?? 0) + 1} of the diff begins a hunk, but no file was named.`, hint)
  }
  const { old, now } = withoutPrefix(nameOf(file.oldFileName), nameOf(file.newFileName))
  const creates = file.isCreate === true || old === null
  const deletes = file.isDelete === true || now === null
  const shown = now ?? old ?? 'the file'
  const names = { old: creates ? null : old, now: deletes ? null : now }
  if (names.old === '' || names.now === '' || (creates && deletes)) {
    throw failed('bad_input', 'The diff does not name its file.', 'Name it in lines --- a/NAME and +++ b/NAME.')
  }
  if (names.old !== null && names.now !== null && old !== now && file.isRename !== true) {
    const hint = `To rename ${old}, put the lines rename from and rename to before; otherwise use one name.`
    throw failed('bad_input', `The diff has two names for one file: ${old} and ${now}.`, hint)
  }
  const executable = deletes ? null : isExecutable(file.newMode, shown)
  const hunks = file.hunks.map((hunk, i) => toHunk(hunk.lines, headers[i]!, i + 1, shown))
  if (hunks.length === 0 && names.old === names.now && executable === null) {
    const hint = 'Add hunks that begin with @@ -LINE,COUNT +LINE,COUNT @@, or leave it out.'
    throw failed('bad_input', `The diff names ${shown}, but changes nothing in it.`, hint)
  }
  return { ...names, executable, hunks }
}

/** @returns null for /dev/null. */
function nameOf(name: string): string | null {
  const plain = name.replace(/\r$/, '')
  return plain === '/dev/null' ? null : plain
}

/** Removes the prefixes a/ and b/ of git; a pair without them is unchanged. */
function withoutPrefix(old: string | null, now: string | null): { old: string | null; now: string | null } {
  const prefixed = (old === null || old.startsWith('a/')) && (now === null || now.startsWith('b/'))
  return prefixed ? { old: old?.slice(2) ?? null, now: now?.slice(2) ?? null } : { old, now }
}

function isExecutable(mode: string | undefined, file: string): boolean | null {
  if (mode === undefined) return null
  if (/^100[0-7]{3}$/.test(mode)) return (Number.parseInt(mode, 8) & 0o111) !== 0
  throw failed('bad_input', `The diff makes ${file} a link or a submodule (mode ${mode}).`, 'Only regular files can be patched.')
}

/** The package accepts a count of 1 without a line; the position of such a hunk would be a guess. */
function toHunk(raw: readonly string[], header: Header, number: number, file: string): Hunk {
  const lines: HunkLine[] = []
  for (const line of raw) {
    const last = lines.at(-1)
    if (line.startsWith('\\')) {
      if (last !== undefined) lines[lines.length - 1] = { kind: last.kind, text: last.text.replace(/\n$/, '') }
    }
    // An empty line is an empty line of the file: editors and mailers strip the space.
    else lines.push({ kind: line === '' ? ' ' : (line[0] as HunkLine['kind']), text: `${line.slice(1)}\n` })
  }
  const counted = (but: '+' | '-'): number => lines.filter(({ kind }) => kind !== but).length
  if (counted('+') !== header.oldCount || counted('-') !== header.newCount) {
    throw countFailure(`Hunk ${number} of ${file} (line ${header.at + 1} of the diff)`, header.text, counted('+'), counted('-'))
  }
  return { number, header: header.text, at: header.at + 1, oldStart: header.oldStart, lines }
}

function miscounted(lines: readonly string[], at: number): Error {
  let old = 0
  let now = 0
  for (let i = at + 1; i < lines.length && isHunkLine(lines, i); i += 1) {
    const kind = lines[i]![0] ?? ' '
    if (kind === ' ' || kind === '-') old += 1
    if (kind === ' ' || kind === '+') now += 1
  }
  return countFailure(whichHunk(lines, at), lines[at]!, old, now)
}

/** An empty line is one if the hunk continues after it. */
function isHunkLine(lines: readonly string[], at: number): boolean {
  const line = lines[at] ?? ''
  if (line === '') return at < lines.length - 1 && /^[-+ ]/.test(lines[at + 1] ?? '') && isHunkLine(lines, at + 1)
  return /^[-+ \\]/.test(line) && line !== '-- ' && !(line.startsWith('--- ') && (lines[at + 1]?.startsWith('+++ ') ?? false))
}

function countFailure(where: string, header: string, old: number, now: number): Error {
  const [text, oldStart, , newStart] = headerForm.exec(header) ?? [header]
  return failed(
    'bad_input',
    `${where} does not match the line counts of its header ${text}: it has ${old} old and ${now} new lines. Nothing was changed.`,
    `If no line is missing, its header should be @@ -${oldStart},${old} +${newStart},${now} @@. Each line of a hunk begins with a space, + or -.`,
  )
}

/** Names a hunk by the lines above it, for a diff that cannot be parsed as a whole. */
function whichHunk(lines: readonly string[], at: number): string {
  const above = lines.slice(0, at)
  const named = above.findLastIndex((line) => line.startsWith('+++ '))
  const names = [nameOf(above[named - 1]?.slice(4).split('\t')[0] ?? ''), nameOf(above[named]?.slice(4).split('\t')[0] ?? '')] as const
  const { old, now } = withoutPrefix(...names)
  const number = above.slice(named + 1).filter((line) => line.startsWith('@@')).length + 1
  return `Hunk ${number} of ${named === -1 ? 'the file' : (now ?? old)} (line ${at + 1} of the diff)`
}
