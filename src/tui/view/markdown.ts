/**
 * Markdown as styled lines. A text is cut into blocks that cannot change when more follows, and each block is drawn once: while an answer
 * streams, only its last block is drawn again.
 */
import { Markdown, type MarkdownTheme } from '@earendil-works/pi-tui'
import { plainText } from '../../terminal/index.ts'
import { createRecentMap } from '../../base/index.ts'
import { keptBlocks, maxBlockChars, maxColouredChars } from '../limits.ts'
import { clip, wrapPlain } from './text-lines.ts'
import type { Theme } from './theme.ts'

/** Colours code. @returns one line for each line of the code; null for a language that it does not know */
export type Highlight = (code: string, language: string, theme: Theme) => readonly string[] | null

export interface MarkdownLines {
  /** @param text hostile @returns lines no wider than `width` */
  linesOf(text: string, width: number, theme: Theme): readonly string[]
  /** From now on code is coloured. */
  setHighlight(highlight: Highlight): void
}

/** Draws Markdown and remembers what it drew of each block, since only the last one changes while text arrives. */
export function createMarkdown(): MarkdownLines {
  const drawn = createRecentMap<string, readonly string[]>(keptBlocks)
  let highlight: Highlight | null = null
  const draw = (block: Block, width: number, theme: Theme): readonly string[] =>
    block.kind === 'code' ? codeLines(block, width, theme, highlight) : textLines(block.text, width, theme)
  return {
    linesOf(text, width, theme) {
      const lines: string[] = []
      for (const block of blocksOf(plainText(text).replaceAll('\t', '    '))) {
        const key = `${theme.name} ${width} ${block.kind} ${block.kind === 'code' ? block.language : ''}\n${block.text}`
        let shown = drawn.get(key)
        if (shown === undefined) {
          shown = draw(block, width, theme)
          drawn.put(key, shown)
        }
        if (lines.length > 0 && shown.length > 0) lines.push('')
        lines.push(...shown)
      }
      return lines
    },
    setHighlight(ready) {
      highlight = ready
      drawn.clear()
    },
  }
}

export type Block =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'code'; readonly text: string; readonly language: string }

const fence = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/

/**
 * Cuts at blank lines and around fenced code. A list, a quote and what is indented stay with the lines before them, since a blank line does
 * not end those.
 */
export function blocksOf(text: string): readonly Block[] {
  const blocks: Block[] = []
  let held: string[] = []
  let code: { readonly mark: string; readonly language: string; readonly lines: string[] } | null = null
  let wasBlank = false
  const letGo = (): void => {
    const joined = held.join('\n').trimEnd()
    if (joined.trim() !== '') blocks.push({ kind: 'text', text: joined })
    held = []
  }
  for (const line of text.split('\n')) {
    if (code !== null) {
      if (isFenceEnd(line, code.mark)) {
        blocks.push({ kind: 'code', text: code.lines.join('\n'), language: code.language })
        code = null
      } else code.lines.push(line)
      continue
    }
    const begins = fence.exec(line)
    if (begins !== null) {
      letGo()
      code = { mark: begins[1]!, language: begins[2] ?? '', lines: [] }
    } else if (line.trim() === '') {
      held.push(line)
      wasBlank = true
      continue
    } else {
      if (wasBlank && !goesOn(line)) letGo()
      held.push(line)
    }
    wasBlank = false
  }
  letGo()
  if (code !== null) blocks.push({ kind: 'code', text: code.lines.join('\n'), language: code.language })
  return blocks
}

function isFenceEnd(line: string, mark: string): boolean {
  const end = line.trim()
  return end.length >= mark.length && end === mark[0]!.repeat(end.length)
}

function goesOn(line: string): boolean {
  return /^(?:\s|[-*+] |\d{1,9}[.)] |>|\|)/.test(line)
}

function textLines(text: string, width: number, theme: Theme): readonly string[] {
  if (text.length > maxBlockChars) return wrapPlain(text, width)
  const lines = new Markdown(text, 0, 0, markdownTheme(theme), undefined, { renderLatex: false }).render(Math.max(1, width))
  const trimmed = lines.map((line) => line.trimEnd())
  const [first, last] = [trimmed.findIndex((line) => line !== ''), trimmed.findLastIndex((line) => line !== '')]
  return first < 0 ? [] : trimmed.slice(first, last + 1)
}

function codeLines(
  { text, language }: Extract<Block, { kind: 'code' }>,
  width: number,
  theme: Theme,
  highlight: Highlight | null,
): readonly string[] {
  const coloured = text.length > maxColouredChars ? null : (highlight?.(text, language, theme) ?? null)
  const lines = coloured ?? text.split('\n')
  const gutter = theme.muted('│ ')
  const title = language === '' ? [] : [theme.muted(clip(`╭ ${language}`, width))]
  return [...title, ...lines.map((line) => gutter + clip(line, width - 2))]
}

function markdownTheme(theme: Theme): MarkdownTheme {
  return {
    heading: (text) => theme.bold(theme.accent(text)),
    link: theme.link,
    linkUrl: theme.muted,
    code: theme.code,
    codeBlock: theme.code,
    codeBlockBorder: theme.muted,
    quote: theme.italic,
    quoteBorder: theme.muted,
    hr: theme.muted,
    listBullet: theme.accent,
    bold: theme.bold,
    italic: theme.italic,
    strikethrough: theme.strike,
    underline: theme.underline,
  }
}
