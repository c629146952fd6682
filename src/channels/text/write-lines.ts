/** What Slack and Discord have in common: signs around a text, line by line, and blocks of code between fences. */
import type { Run, Style } from './styled-text.ts'

/** How a dialect marks text. */
export interface Dialect {
  /** What stands around a style, from the outermost in. */
  readonly marks: (style: Style, text: string) => readonly Mark[]
  /** @param isLineStart nothing else is before it on its line */
  readonly escape: (text: string, style: Style, isLineStart: boolean) => string
  readonly escapeFence: (code: string) => string
  /** What begins a block of code. */
  readonly fence: (language: string) => string
}

/** Signs around a text. */
export interface Mark {
  readonly open: string
  readonly close: string
  /** It works at the edge of a word only. */
  readonly atEdge?: boolean
}

/** Nothing to see; it parts signs that would be read together. */
export const apart = '\u200b'

/** @returns the runs in the dialect, each mark closed on its line */
export function writeLines(runs: readonly Run[], dialect: Dialect): string {
  let written = ''
  let inline: Run[] = []
  const flush = (): void => {
    written += writeInline(inline, dialect, written === '' || written.endsWith('\n'))
    inline = []
  }
  for (let index = 0; index < runs.length; index += 1) {
    const { text, style } = runs[index]!
    if (style.fence === 0) {
      inline.push(runs[index]!)
      continue
    }
    flush()
    const code = dialect.escapeFence(text)
    written += `${dialect.fence(style.language)}\n${code}${code.endsWith('\n') ? '' : '\n'}\`\`\``
  }
  flush()
  return written
}

function writeInline(runs: readonly Run[], dialect: Dialect, isLineStart: boolean): string {
  const lines: Run[][] = [[]]
  for (const { text, style } of runs) {
    text.split('\n').forEach((piece, index) => {
      if (index > 0) lines.push([])
      const line = lines.at(-1)!
      const last = line.at(-1)
      if (last !== undefined && isSame(last.style, style)) line[line.length - 1] = { text: last.text + piece, style }
      else if (piece !== '' || style.quote) line.push({ text: piece, style })
    })
  }
  return lines.map((line, index) => writeLine(line, dialect, index > 0 || isLineStart)).join('\n')
}

const isSame = (one: Style, other: Style): boolean =>
  (['bold', 'italic', 'strike', 'code', 'quote', 'link', 'fence'] as const).every((name) => one[name] === other[name])

/** Marks touch no space within them, or platforms do not see them. */
function withoutOuterSpace(line: readonly Run[]): readonly Run[] {
  return line.flatMap(({ text, style }) => {
    if (style.link !== '' || !(style.bold || style.italic || style.strike)) return [{ text, style }]
    const [, before = '', middle = '', after = ''] = /^(\s*)([\s\S]*?)(\s*)$/.exec(text)!
    const bare = { ...style, bold: false, italic: false, strike: false, code: false }
    return [
      { text: before, style: bare },
      { text: middle, style },
      { text: after, style: bare },
    ].filter((run) => run.text !== '')
  })
}

const isWord = (sign: string): boolean => /[\p{L}\p{N}_]/u.test(sign)

function writeLine(runs: readonly Run[], dialect: Dialect, isLineStart: boolean): string {
  const line = withoutOuterSpace(runs)
  const open: Mark[] = []
  let written = isLineStart && runs.some(({ style }) => style.quote) ? '> ' : ''
  let isStart = isLineStart
  let last = ''
  const close = (count: number, next: string): void => {
    while (open.length > count) {
      const mark = open.pop()!
      written += mark.close
      if (mark.atEdge === true && isWord(next)) written += apart
    }
  }
  for (const { text, style } of line) {
    if (text === '') continue
    const wanted = dialect.marks(style, text)
    let same = 0
    while (same < open.length && open[same]!.open === wanted[same]?.open) same += 1
    close(same, text[0]!)
    for (const mark of wanted.slice(same)) {
      if (mark.atEdge === true && isWord(last)) written += apart
      written += mark.open
      open.push(mark)
    }
    written += dialect.escape(text, style, isStart)
    if (text.trim() !== '') isStart = false
    last = text.at(-1)!
  }
  close(0, '')
  return written
}
