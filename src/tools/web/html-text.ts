/**
 * HTML to text or Markdown for a reader without eyes. The page is read once, front to back, by parse5's tokenizer: no tree is
 * built, so that neither size nor nesting of a hostile page costs more than its length (libraries that build one took seconds
 * for an honest megabyte and did not come back from a nested one). What is between two pieces belongs to others: the event loop
 * is never held for long. Marks that stand in the text itself are not escaped: a model reads it, no renderer.
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
  /** Links are resolved against it. */
  readonly url: string
  readonly marks: boolean
  readonly signal: AbortSignal
}

/** Less than this beside menus and footers, and they are shown too: then the page is made of them. */
const minOwnText = 200

/** Never throws for what is in the page. @throws the signal's reason */
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
  // It hands on what it reads; nobody wants it.
  parser.resume()
  let at = 0
  for (; at < html.length && reader.size() < maxPageCharacters && silent < maxSilentPieces; at += pieceCharacters) {
    silent += 1
    parser.write(html.slice(at, at + pieceCharacters))
    await setImmediate()
    signal.throwIfAborted()
  }
  // What is open at the end of the page is ended by it; where the reading stopped, it stays unread.
  if (at >= html.length) parser.end()
  else parser.destroy()
  const { title, text } = reader.done()
  return { title, text: text.slice(0, maxPageCharacters), cut: at < html.length || text.length > maxPageCharacters }
}
