/**
 * The text of a mail that has only HTML: in one pass of a tokenizer that builds no tree, whatever the HTML is. Quotes get a `>`, as in plain text.
 */
import { finished } from 'node:stream/promises'

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
const maxQuotes = 20

/** Never rejects because of the HTML. */
export async function textOfHtml(html: string): Promise<string> {
  const { SAXParser } = await import('parse5-sax-parser')
  const lines: string[] = []
  let line = ''
  let quotes = 0
  /** The element that is left out, with others of its name within it. */
  let left = { name: '', depth: 0 }
  const end = (): void => {
    const text = line.replace(/[ \t\n\r\u00a0]+/g, ' ').trim()
    if (text !== '') lines.push(`${'> '.repeat(Math.min(quotes, maxQuotes))}${text}`)
    line = ''
  }
  const tag = (name: string, opens: boolean): void => {
    if (breaking.has(name)) end()
    if (name === 'blockquote') quotes = Math.max(0, quotes + (opens ? 1 : -1))
    if (name === 'td' || name === 'th') line += ' '
  }
  const parser = new SAXParser()
  parser.on('startTag', ({ tagName: name, selfClosing }) => {
    if (left.depth > 0) left.depth += name === left.name && !selfClosing ? 1 : 0
    else if (dropped.has(name) && !selfClosing) left = { name, depth: 1 }
    else tag(name, true)
  })
  parser.on('endTag', ({ tagName: name }) => {
    if (left.depth > 0) left.depth -= name === left.name ? 1 : 0
    else tag(name, false)
  })
  parser.on('text', ({ text }) => {
    if (left.depth === 0) line += text
  })
  // Discards the tokenizer's pass-through output.
  parser.resume()
  parser.end(html)
  await finished(parser)
  end()
  return lines.join('\n')
}
