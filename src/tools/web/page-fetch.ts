/** Fetches a URL through the egress (checking robots.txt if configured), converts it to text, and caches recent pages for paging. */
import type { Egress } from '../../sandbox/index.ts'
import { OxbowError, toError } from '../../base/index.ts'
import type { CallContext, KeptFile } from '../../protocol/index.ts'
import { maxKeptBytes, maxKeptPages } from '../limits.ts'
import type { PdfAnswer } from '../pdf/pdf-text.ts'
import { decodeText, kindOf, withoutHidden, withoutHiddenPieces } from './decode-text.ts'
import type { MayFetch } from './robots-rules.ts'

export type PageFormat = 'text' | 'markdown' | 'raw'

type PageContext = Pick<CallContext, 'signal' | 'clock' | 'blobs' | 'leadsTo'>

const accept =
  'text/html,application/xhtml+xml,text/markdown,text/plain,application/json;q=0.9,application/xml;q=0.9,application/pdf;q=0.8,*/*;q=0.5'

/** @param robots absent: robots.txt is ignored */
export async function fetchPage(egress: Egress, url: string, format: PageFormat, context: PageContext, robots?: MayFetch): Promise<Page> {
  const { signal } = context
  await refuseByRobots(robots, url, context)
  const judge = async (next: string): Promise<void> => {
    const refused = await context.leadsTo({ url: next })
    if (refused !== null) throw toError(refused)
  }
  const { urls, status, contentType, body, cut } = await egress.fetch(url, accept, signal, { judge })
  const finalUrl = urls.at(-1) ?? url
  if (finalUrl !== urls[0]) await refuseByRobots(robots, finalUrl, context)
  const facts = { finalUrl, redirects: urls.length - 1, status, contentType: withoutHidden(contentType), bytes: body.length }
  const kind = kindOf(contentType, body)
  const read = await textOf(kind, body, { contentType, format, finalUrl, signal })
  const shown = kind === 'binary' && !cut ? await pictureOf(finalUrl, body, context) : { picture: null }
  return {
    ...facts,
    title: withoutHidden(read.title),
    text: await withoutHiddenPieces(read.text, signal),
    cut: cut || read.cut,
    note: read.note,
    ...shown,
  }
}

async function pictureOf(url: string, body: Buffer, { blobs }: PageContext): Promise<Pick<Page, 'picture'> & Partial<Pick<Page, 'note'>>> {
  const { isPicture, keepPicture, pictureLine } = await import('../media/picture.ts')
  if (!isPicture(body)) return { picture: null }
  const stored = await keepPicture(new URL(url).pathname, body, blobs)
  if (typeof stored === 'string') return { picture: null, note: `It is a picture that cannot be shown. ${stored}` }
  return { picture: stored.file, note: pictureLine('It is a picture', stored) }
}

interface Read {
  readonly title: string
  readonly text: string
  readonly cut: boolean
  /** Why there is no text; empty otherwise. */
  readonly note: string
}

interface Reading {
  readonly contentType: string
  readonly format: PageFormat
  readonly finalUrl: string
  readonly signal: AbortSignal
}

/** Readers are loaded with the first page, so that a guest that reads none does not pay for them. */
async function textOf(kind: ReturnType<typeof kindOf>, body: Buffer, { contentType, format, finalUrl, signal }: Reading): Promise<Read> {
  const nothing = { title: '', text: '', cut: false, note: '' }
  if (kind === 'binary') return body.length === 0 ? nothing : { ...nothing, note: 'It has no text that can be shown.' }
  if (kind === 'pdf') {
    const { readPdf, pdfMarkdown } = await import('../pdf/pdf-text.ts')
    const answer = await readPdf(body, signal)
    if (!answer.ok) return { ...nothing, note: pdfProblems[answer.problem] }
    const note = answer.pages.every((page) => page.trim() === '') ? 'It is a PDF of images without text.' : ''
    return { title: answer.title, text: note === '' ? pdfMarkdown(answer) : '', cut: answer.cut, note }
  }
  const source = decodeText(body, contentType, kind)
  if (kind === 'text' || format === 'raw') return { ...nothing, text: source }
  const { readHtml } = await import('./html-text.ts')
  return { note: '', ...(await readHtml(source, { url: finalUrl, marks: format === 'markdown', signal })) }
}

const pdfProblems: Readonly<Record<Extract<PdfAnswer, { ok: false }>['problem'], string>> = {
  locked: 'It is a PDF protected by a password.',
  unreadable: 'It is a PDF that cannot be read; it may be incomplete.',
  too_slow: 'It is a PDF that takes too long to read.',
  too_large: 'It is a PDF that takes too much memory to read.',
}

async function refuseByRobots(robots: MayFetch | undefined, url: string, context: PageContext): Promise<void> {
  if (robots === undefined || (await robots(url, context))) return
  throw new OxbowError('denied', 'The robots.txt of this site disallows this page.', {
    hint: 'Look for the same elsewhere. A person can set web.robots = "ignore" in config.toml.',
  })
}

// A cache of the pages read last, so that reading on continues the same page without another request.

/** A page as text, with its origin. */
export interface Page {
  readonly finalUrl: string
  readonly redirects: number
  readonly status: number
  readonly contentType: string
  /** Decompressed size of the body. */
  readonly bytes: number
  readonly title: string
  readonly text: Buffer
  /** The body or its text was over a limit. */
  readonly cut: boolean
  /** Why there is no text; empty when there is. */
  readonly note: string
  /** Set when the URL is a picture. */
  readonly picture: KeptFile | null
}

export interface PageStore {
  find(key: string): Page | undefined
  keep(key: string, page: Page): void
}

export function createPageStore(): PageStore {
  /** Oldest first. */
  const pages = new Map<string, Page>()
  return {
    find: (key) => pages.get(key),
    keep(key, page) {
      pages.delete(key)
      pages.set(key, page)
      let bytes = [...pages.values()].reduce((sum, { text }) => sum + text.length, 0)
      for (const [oldest, { text }] of pages) {
        if (pages.size <= maxKeptPages && bytes <= maxKeptBytes) return
        pages.delete(oldest)
        bytes -= text.length
      }
    },
  }
}
