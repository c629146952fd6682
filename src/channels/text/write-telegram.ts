/**
 * Telegram's HTML (core.telegram.org/bots/api#html-style). Quotes do not nest, code holds no other format, and neither is within one; a link
 * holds no code.
 */
import { maxMentions } from './limits.ts'
import type { Run, Style } from './styled-text.ts'

/** Text in HTML, and within an attribute. */
export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

interface Tag {
  readonly open: string
  readonly close: string
  /** Tells two blocks of code from each other that follow each other. */
  readonly fence?: number
}

const tag = (name: string): Tag => ({ open: `<${name}>`, close: `</${name}>` })
const [bold, italic, strike, code, quote, pre] = ['b', 'i', 's', 'code', 'blockquote', 'pre'].map(tag) as [Tag, Tag, Tag, Tag, Tag, Tag]

/** From the outermost in. */
function tagsOf(style: Style): readonly Tag[] {
  if (style.fence > 0)
    return style.language === ''
      ? [{ ...pre, fence: style.fence }]
      : [{ open: `<pre><code class="language-${escapeHtml(style.language)}">`, close: '</code></pre>', fence: style.fence }]
  const outer = style.quote ? [quote] : []
  if (style.link === '' && style.code) return [...outer, code]
  return [
    ...outer,
    ...(style.link === '' ? [] : [{ open: `<a href="${escapeHtml(style.link)}">`, close: '</a>' }]),
    ...(style.bold ? [bold] : []),
    ...(style.italic ? [italic] : []),
    ...(style.strike ? [strike] : []),
  ]
}

const isSame = (one: Tag, other: Tag | undefined): boolean => one.open === other?.open && one.fence === other.fence

/** @returns HTML with each tag closed */
export function writeTelegram(runs: readonly Run[]): string {
  const open: Tag[] = []
  let html = ''
  const isCrowd =
    (runs
      .map(({ text }) => text)
      .join('')
      .match(mention)?.length ?? 0) > maxMentions
  for (const { text, style } of runs) {
    const wanted = tagsOf(style)
    let same = 0
    while (same < open.length && isSame(open[same]!, wanted[same])) same += 1
    while (open.length > same) html += open.pop()!.close
    for (const each of wanted.slice(same)) {
      open.push(each)
      html += each.open
    }
    html += escapeHtml(isCrowd ? text.replaceAll(mention, `@${joiner}`) : text)
  }
  while (open.length > 0) html += open.pop()!.close
  return html
}

/** Characters as Telegram counts them, when it has parsed the entities. */
export function telegramLength(html: string, plain: string): number {
  return plain.length + html.split(joiner).length - plain.split(joiner).length
}

const joiner = '\u2060'
const mention = /@(?=[a-z]\w{3,})/gi
