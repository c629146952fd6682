/**
 * Converts HTML to text or Markdown. parse5's tokenizer reads the page once, front to back, and builds no tree, so that neither
 * size nor nesting of a hostile page costs more than its length (libraries that build a tree took seconds for an ordinary megabyte
 * and did not return from a deeply nested one). The event loop runs between pieces. Markdown characters in the text are not escaped:
 * the reader is a model, not a renderer.
 */
import { maxPageCharacters, maxSilentPieces, pieceCharacters } from '../limits.ts'
import { createReader } from './html-reader.ts'

export interface HtmlText {
  readonly title: string
  readonly text: string
  /** The text was longer than what is kept of a page. */
  readonly cut: boolean
}

export interface HtmlOptions {
  /** Base of links. */
  readonly url: string
  readonly marks: boolean
  readonly signal: AbortSignal
}

/** With less text than this, menus and footers are included: the page consists of them. */
const minOwnText = 200

/** Never throws because of the page. @throws the signal's reason */
export async function readHtml(html: string, options: HtmlOptions): Promise<HtmlText> {
  const own = await readPage(html, options, false)
  return own.text.length >= minOwnText ? own : readPage(html, options, true)
}

async function readPage(html: string, { url, marks, signal }: HtmlOptions, whole: boolean): Promise<HtmlText> {
  const { SAXParser } = await import('parse5-sax-parser')
  const { setImmediate } = process.getBuiltinModule('node:timers/promises')
  const reader = createReader(url, marks, whole)
  const parser = new SAXParser()
  let silent = 0
  parser.on('startTag', ({ tagName, attrs, selfClosing }) => {
    silent = 0
    reader.start(tagName, new Map(attrs.map(({ name, value }) => [name, value])), selfClosing)
  })
  parser.on('endTag', ({ tagName }) => {
    silent = 0
    reader.end(tagName)
  })
  parser.on('text', ({ text }) => {
    silent = 0
    reader.text(text)
  })
  // Discards the tokenizer's pass-through output.
  parser.resume()
  let at = 0
  for (; at < html.length && reader.size() < maxPageCharacters && silent < maxSilentPieces; at += pieceCharacters) {
    silent += 1
    parser.write(html.slice(at, at + pieceCharacters))
    await setImmediate()
    signal.throwIfAborted()
  }
  // Elements that are open at the end of the page end there; where reading stopped early, the rest stays unread.
  if (at >= html.length) parser.end()
  else parser.destroy()
  const { title, text } = reader.done()
  return { title, text: text.slice(0, maxPageCharacters), cut: at < html.length || text.length > maxPageCharacters }
}
