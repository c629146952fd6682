/**
 * Parts of the drawing that are loaded after the first frame: colours of code and differences between texts. Until they are there, code is
 * plain and an edit shows its old and its new lines whole.
 */
import type { Highlighter } from './highlight-js.d.ts'
import type { Highlight } from './markdown.ts'
import type { Theme } from './theme.ts'
import { ownValue } from '../../base/index.ts'

export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed'
  readonly text: string
}

/** @returns the lines of both texts in order, each marked as kept, added or removed */
export type DiffTexts = (before: string, after: string) => readonly DiffLine[]

export interface Extras {
  readonly highlight: Highlight
  readonly diff: DiffTexts
}

export async function loadExtras(): Promise<Extras> {
  const [{ default: highlighter }, { diffLines }] = await Promise.all([import('highlight.js/lib/common'), import('diff')])
  return {
    highlight: (code, language, theme) => highlightCode(highlighter, code, language, theme),
    diff: (before, after) =>
      diffLines(ended(before), ended(after)).flatMap(({ value, added, removed }) =>
        value
          .replace(/\n$/, '')
          .split('\n')
          .map((text): DiffLine => ({ kind: added ? 'added' : removed ? 'removed' : 'same', text })),
      ),
  }
}

/** A last line without its newline would differ from the same line with one. */
function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

function highlightCode(highlighter: Highlighter, code: string, language: string, theme: Theme): readonly string[] | null {
  if (theme.name === 'plain' || highlighter.getLanguage(language) === undefined) return null
  try {
    return styled(highlighter.highlight(code, { language, ignoreIllegals: true }).value, theme)
  } catch {
    return null
  }
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#x27': "'", '#39': "'" }

/** The highlighter answers with nested `<span class="hljs-…">`. A style is closed and opened again around each end of a line. */
function styled(html: string, theme: Theme): readonly string[] {
  const scopes: string[] = []
  const lines: string[] = ['']
  const write = (text: string): void => {
    const style = scopes.findLast((scope) => ownValue(theme.syntax, scope) !== undefined)
    for (const [at, part] of text.split('\n').entries()) {
      if (at > 0) lines.push('')
      lines[lines.length - 1] += style === undefined ? part : ownValue(theme.syntax, style)!(part)
    }
  }
  for (const [token] of html.matchAll(/<span class="[^"]*">|<\/span>|[^<]+/g)) {
    if (token === '</span>') scopes.pop()
    else if (token.startsWith('<span')) scopes.push(/class="hljs-([\w-]+)/.exec(token)?.[1] ?? '')
    else write(token.replace(/&(#?\w+);/g, (whole, name: string) => ownValue(entities, name) ?? whole))
  }
  return lines
}
