/**
 * Worker that extracts the text of a PDF page by page, up to a limit. It uses pdf.js, which evaluates no code of a document; the
 * thread that starts the worker limits its memory and time.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { getDocumentProxy, getMeta } from 'unpdf'
import type { PdfAnswer, PdfJob } from './pdf-text.ts'

async function read({ bytes, maxCharacters, enoughMs }: PdfJob): Promise<PdfAnswer> {
  const begin = performance.now()
  const document = await getDocumentProxy(bytes, { verbosity: 0, disableFontFace: true, useSystemFonts: false })
  const { info } = await getMeta(document).catch(() => ({ info: {} as Record<string, unknown> }))
  const pages: string[] = []
  let left = maxCharacters
  // Always read the first page: on a busy machine the start may have taken all of the time.
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
