/** What a Markdown page says in code marks, fences and links: each is a name that must be true of the program. */

export interface PageName {
  /** `span`: between backticks; `line`: one line of a shell fence; `toml`: a whole fence; `link`: where a link leads. */
  readonly kind: 'span' | 'line' | 'toml' | 'link'
  readonly text: string
  readonly line: number
}

/** @param text a page; what its fences of other languages hold is left out */
export function namesOf(text: string): readonly PageName[] {
  const names: PageName[] = []
  let prose = ''
  let fence: { readonly language: string; readonly line: number; readonly lines: string[] } | null = null
  for (const [at, line] of text.split('\n').entries()) {
    const mark = /^```(\w*)/.exec(line)
    if (mark === null && fence === null) prose += line
    else if (mark === null) fence?.lines.push(line)
    else if (fence === null) fence = { language: mark[1] ?? '', line: at + 2, lines: [] }
    else {
      names.push(...fenceNames(fence))
      fence = null
    }
    // A span may be broken over two lines, so the lines of prose stay together; lines inside fences become empty.
    prose += '\n'
  }
  return [...names, ...proseNames(prose)]
}

function fenceNames({ language, line, lines }: { language: string; line: number; lines: readonly string[] }): readonly PageName[] {
  if (language === 'toml') return [{ kind: 'toml', text: lines.join('\n'), line }]
  if (language !== 'sh') return []
  return lines.map((text, at) => ({ kind: 'line', text: text.replace(/\s+#\s.*$/, ''), line: line + at }))
}

function proseNames(prose: string): readonly PageName[] {
  const lineAt = (offset: number): number => prose.slice(0, offset).split('\n').length
  const spans = Array.from(prose.matchAll(/(?<!\\)`([^`]+)`/g), ({ 1: text = '', index }): PageName => {
    return { kind: 'span', text: text.replace('\n', ' ').replaceAll('\\|', '|'), line: lineAt(index) }
  })
  const bare = prose.replaceAll(/`[^`]*`/g, (span) => ' '.repeat(span.length))
  const links = Array.from(prose.matchAll(/\]\(([^)\s]+)\)/g), ({ 1: text = '', index }): PageName => ({
    kind: 'link',
    text,
    line: lineAt(index),
  }))
  return [...spans, ...links.filter(({ line }) => bare.split('\n')[line - 1]?.includes(']('))]
}
