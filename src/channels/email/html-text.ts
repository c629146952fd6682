/** The text of a mail that has only HTML: in one pass, whatever the HTML is. Quotes get a `>`, as in plain text. */

const dropped: ReadonlySet<string> = new Set(['script', 'style', 'head', 'title', 'template', 'svg', 'math'])
const breaking: ReadonlySet<string> = new Set([
  'br',
  'p',
  'div',
  'tr',
  'li',
  'table',
  'ul',
  'ol',
  'pre',
  'blockquote',
  'hr',
  'h1',
  'h2',
  'h3',
  'h4',
])
const entities: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', ' '],
])
const maxQuotes = 20

/** Never throws. */
export function textOfHtml(html: string): string {
  const lines: string[] = []
  let line = ''
  let quotes = 0
  const end = (): void => {
    const text = line.replace(/[ \t\n\r\u00a0]+/g, ' ').trim()
    if (text !== '') lines.push(`${'> '.repeat(Math.min(quotes, maxQuotes))}${text}`)
    line = ''
  }
  const lower = html.toLowerCase()
  for (let at = 0; at < html.length;) {
    const open = html.indexOf('<', at)
    line += decoded(html.slice(at, open === -1 ? html.length : open))
    if (open === -1) break
    if (html.startsWith('<!--', open)) {
      at = after(html, '-->', open)
      continue
    }
    const close = html.indexOf('>', open)
    // What never closes is no tag, and nothing behind it is one.
    if (close === -1) break
    const [, slash = '', name = ''] = /^<(\/?)([a-z0-9]{1,20})/.exec(lower.slice(open, open + 24)) ?? []
    at = close + 1
    if (slash === '' && dropped.has(name)) at = after(lower, `</${name}`, at)
    if (breaking.has(name)) end()
    if (name === 'blockquote') quotes = Math.max(0, quotes + (slash === '' ? 1 : -1))
    if (name === 'td' || name === 'th') line += ' '
  }
  end()
  return lines.join('\n')
}

/** @returns where it goes on behind a text; the end, where that does not come */
function after(html: string, text: string, from: number): number {
  const found = html.indexOf(text, from)
  if (found === -1) return html.length
  return text.startsWith('</') ? html.indexOf('>', found) + 1 || html.length : found + text.length
}

function decoded(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,6}));/gi, (whole, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return entities.get(name.toLowerCase()) ?? whole
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
    return code > 0 && code <= 0x10_ff_ff && !(code >= 0xd8_00 && code <= 0xdf_ff) ? String.fromCodePoint(code) : ''
  })
}
