/**
 * Runs in a worker: the text of a PDF, page by page, until there is enough of it. The reader is pdf.js, which
 * evaluates no code of a document; what it can take of memory and time is bounded by who started the worker.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { getDocumentProxy, getMeta } from 'unpdf'
import type { PdfAnswer, PdfJob } from './pdf-message.ts'

async function read({ bytes, maxCharacters, enoughMs }: PdfJob): Promise<PdfAnswer> {
  const begin = performance.now()
  const document = await getDocumentProxy(bytes, { verbosity: 0, disableFontFace: true, useSystemFonts: false })
  const { info } = await getMeta(document).catch(() => ({ info: {} as Record<string, unknown> }))
  const pages: string[] = []
  let left = maxCharacters
  // The first page always: on a busy machine all of the time may have gone into the start.
  while (pages.length < document.numPages && left > 0 && (pages.length === 0 || performance.now() - begin < enoughMs)) {
    const text = await pageText(document, pages.length + 1)
    pages.push(text.slice(0, left))
    left -= text.length
  }
  const title: unknown = info['Title']
  const cut = left < 0 || pages.length < document.numPages
  return { ok: true, title: typeof title === 'string' ? title.slice(0, maxTitleCharacters) : '', pages, totalPages: document.numPages, cut }
}

const maxTitleCharacters = 1_000

async function pageText(document: Awaited<ReturnType<typeof getDocumentProxy>>, number: number): Promise<string> {
  const page = await document.getPage(number)
  const { items } = await page.getTextContent()
  page.cleanup()
  return items.map((item) => ('str' in item ? item.str + (item.hasEOL ? '\n' : '') : '')).join('')
}

function problemOf(error: unknown): PdfAnswer {
  const name = error instanceof Error ? error.name : ''
  return { ok: false, problem: name === 'PasswordException' ? 'locked' : 'unreadable' }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker, not a window
parentPort!.postMessage(await read(workerData as PdfJob).catch(problemOf))
