/** Reads unified diffs, as git and `version.diff` write them. */
interface DiffLine {
  readonly kind: 'added' | 'removed' | 'same' | 'gap'
  readonly text: string
  /** Null where the line is not in that version. */
  readonly before: number | null
  readonly after: number | null
}

export interface DiffFile {
  readonly path: string
  readonly change: 'added' | 'deleted' | 'changed'
  readonly lines: readonly DiffLine[]
  /** What stands outside of the lines, e.g. that the file is binary. */
  readonly notes: readonly string[]
}

interface MutableFile {
  path: string
  change: DiffFile['change']
  readonly lines: DiffLine[]
  readonly notes: string[]
}

/** Never fails: lines that belong to no file are notes of one without a name. */
export function parseDiff(text: string): readonly DiffFile[] {
  const files: MutableFile[] = []
  let file: MutableFile | null = null
  let [before, after] = [0, 0]
  // Lines that the head of the hunk has announced: inside of it, `---` is a removed line.
  let [leftBefore, leftAfter] = [0, 0]
  const begin = (path: string): MutableFile => {
    const next: MutableFile = { path, change: 'changed', lines: [], notes: [] }
    files.push(next)
    return next
  }
  for (const line of text.split('\n')) {
    if (leftBefore <= 0 && leftAfter <= 0) {
      const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)$/.exec(line)
      if (hunk !== null && file !== null) {
        before = Number(hunk[1])
        after = Number(hunk[3])
        leftBefore = Number(hunk[2] ?? 1)
        leftAfter = Number(hunk[4] ?? 1)
        if (file.lines.length > 0) file.lines.push({ kind: 'gap', text: '⋯', before: null, after: null })
      } else if (line.startsWith('--- ')) {
        const path = nameIn(line.slice(4), 'a/')
        // A note about the same file may stand before it.
        if (file?.path !== path || file.lines.length > 0) file = begin(path)
        if (path === '/dev/null') file.change = 'added'
      } else if (line.startsWith('+++ ') && file !== null) {
        const path = nameIn(line.slice(4), 'b/')
        if (path === '/dev/null') file.change = 'deleted'
        else file.path = path
      } else if (line.trim() !== '' && !/^(?:diff |index |=+$|Index: |\\ )/.test(line)) {
        const [, note = line, path = ''] = /^(Binary or large|mode \d+ → \d+): (.*)$/.exec(line) ?? []
        if (file === null || file.path !== path || file.lines.length > 0) file = begin(path)
        file.notes.push(note)
      }
      continue
    }
    const sign = line.charAt(0)
    if (sign === '\\' || file === null) continue
    const content = line.slice(1)
    if (sign === '+') {
      file.lines.push({ kind: 'added', text: content, before: null, after: after++ })
      leftAfter -= 1
    } else if (sign === '-') {
      file.lines.push({ kind: 'removed', text: content, before: before++, after: null })
      leftBefore -= 1
    } else {
      file.lines.push({ kind: 'same', text: content, before: before++, after: after++ })
      leftBefore -= 1
      leftAfter -= 1
    }
  }
  return files
}

/** A name with control characters stands in quotes, as JSON has it. */
function nameIn(text: string, prefix: string): string {
  const name = text.replace(/\t.*$/, '')
  const bare = name.startsWith(`"${prefix}`) ? `"${name.slice(prefix.length + 1)}` : name
  return bare.startsWith(prefix) ? bare.slice(prefix.length) : bare
}
