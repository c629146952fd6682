/** One hunk of a unified diff. Its header counts its lines, and must count right: a line that begins with `--- ` is else two things. */
import { failed } from '../failure.ts'

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
  /** Line of the file, from 1; for a hunk without old lines the line behind which it is put, 0 for the beginning. */
  readonly oldStart: number
  readonly lines: readonly HunkLine[]
}

const headerForm = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@/

/** @param at index of the header in `diff`. @returns the hunk and the index behind it. @throws `bad_input`. */
export function parseHunk(diff: readonly string[], at: number, file: string, number: number): { hunk: Hunk; next: number } {
  const header = diff[at]!
  const where = `Hunk ${number} of ${file} (line ${at + 1} of the diff)`
  const found = headerForm.exec(header)
  if (found === null) {
    throw failed('bad_input', `${where} has no line numbers: ${header.slice(0, 80)}`, 'Begin it as in: @@ -10,3 +10,4 @@')
  }
  const [oldStart, oldCount, , newCount] = found.slice(1).map((digits, i) => Number(digits ?? (i % 2 === 1 ? 1 : 0))) as [number, number, number, number] // prettier-ignore
  const lines: HunkLine[] = []
  let old = 0
  let now = 0
  let next = at + 1
  for (; old < oldCount || now < newCount; next += 1) {
    const line = diff[next]
    if (line?.startsWith('\\') === true && lines.length > 0) endWithoutNewline(lines)
    else {
      // An empty line stands for an empty line of the file: editors and mailers take the space away.
      const kind = line === '' && next < diff.length - 1 ? ' ' : line?.[0]
      if (kind !== ' ' && kind !== '+' && kind !== '-') break
      lines.push({ kind, text: `${line!.slice(1)}\n` })
      if (kind !== '+') old += 1
      if (kind !== '-') now += 1
    }
  }
  if (diff[next]?.startsWith('\\') === true && lines.length > 0) {
    endWithoutNewline(lines)
    next += 1
  }
  if (old !== oldCount || now !== newCount || goesOn(diff, next)) throw miscounted(diff, at, where, found)
  return { hunk: { number, header: found[0], at: at + 1, oldStart, lines }, next }
}

function endWithoutNewline(lines: HunkLine[]): void {
  const last = lines.pop()!
  lines.push({ kind: last.kind, text: last.text.replace(/\n$/, '') })
}

/** More lines of a hunk where its counts say that it ends. */
function goesOn(diff: readonly string[], at: number): boolean {
  return /^[-+ ]/.test(diff[at] ?? '') && !beginsSomething(diff, at)
}

function beginsSomething(diff: readonly string[], at: number): boolean {
  const line = diff[at]!
  // `-- ` is how a mail says that its signature follows.
  return (line.startsWith('--- ') && (diff[at + 1]?.startsWith('+++ ') ?? false)) || line === '-- '
}

function miscounted(diff: readonly string[], at: number, where: string, found: RegExpExecArray): Error {
  let old = 0
  let now = 0
  for (let i = at + 1; i < diff.length && /^(?:[-+ \\]|$)/.test(diff[i]!) && !beginsSomething(diff, i); i += 1) {
    const kind = diff[i]![0] ?? (i < diff.length - 1 && goesOn(diff, i + 1) ? ' ' : '\\')
    if (kind === ' ' || kind === '-') old += 1
    if (kind === ' ' || kind === '+') now += 1
  }
  const right = `@@ -${found[1]},${old} +${found[3]},${now} @@`
  return failed(
    'bad_input',
    `${where} does not hold as many lines as its header ${found[0]} says: it has ${old} old and ${now} new ones. Nothing was changed.`,
    `If no line is missing, its header should be ${right}. Each line of a hunk begins with a space, + or -.`,
  )
}
