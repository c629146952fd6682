/** From a file of the workspace to a document's text: read through hands, converted by its kind. */
import { createHash } from 'node:crypto'
import { basename, extname } from 'node:path/posix'
import type { TextFormat } from '../../memory/index.ts'
import { type CallContext, OxbowError } from '../../types/index.ts'
import { maxRangeBytes } from '../limits.ts'
import { askHands } from '../workspace-arguments.ts'
import { decodeText, kindOf, withoutHidden, withoutHiddenPieces } from '../web/decode-text.ts'
import { ingestFileTimeoutMs, maxDocumentBytes } from './memory-limits.ts'

const formats: Readonly<Record<string, TextFormat>> = {
  ...Object.fromEntries(['.md', '.markdown', '.mdx', '.rst', '.org', '.adoc'].map((end) => [end, 'markdown'])),
  ...Object.fromEntries(
    '.ts .tsx .js .jsx .mjs .cjs .py .rb .go .rs .java .kt .c .h .cc .cpp .hpp .cs .php .swift .scala .sh .bash .zsh .sql .css .scss .lua .pl .r .jl .ex .exs .erl .hs .ml .clj .vue .svelte .toml .yaml .yml .json .jsonl .xml .ini .tf .proto .gradle .dockerfile'
      .split(' ')
      .map((end) => [end, 'code']),
  ),
}
const textual = new Set(['.txt', '.text', '.log', '.csv', '.tsv', '.html', '.htm', '.xhtml', '.pdf', '.tex', '.srt', '.vtt', '.eml'])

/** Whether a folder is ingested with this file in it. A file that is named by itself is always tried. */
export function isDocument(path: string): boolean {
  const end = extname(path).toLowerCase()
  return end in formats || textual.has(end) || /^(?:readme|license|changelog|makefile|dockerfile|notes)$/i.test(basename(path))
}

/** Bytes of a file, and their hash. */
export interface FileBytes {
  readonly bytes: Buffer
  readonly hash: string
}

/** @throws OxbowError as hands do; `limit_reached` for a file that is too large */
export async function readFileBytes(path: string, context: CallContext): Promise<FileBytes> {
  const pieces: Buffer[] = []
  for (let offset = 0; ;) {
    const { content, totalBytes } = await askHands(context, 'bytes', { path, offset, maxBytes: maxRangeBytes }, ingestFileTimeoutMs)
    if (totalBytes > maxDocumentBytes) {
      throw new OxbowError('limit_reached', `${path} has ${totalBytes} bytes; ${maxDocumentBytes} is the most.`, {
        hint: 'Ingest parts of it as files of their own.',
      })
    }
    pieces.push(Buffer.from(content))
    offset += content.length
    if (content.length === 0 || offset >= totalBytes) break
  }
  const bytes = Buffer.concat(pieces)
  return { bytes, hash: createHash('sha256').update(bytes).digest('hex') }
}

export interface DocumentContent {
  readonly title: string
  readonly text: string
  readonly format: TextFormat
}

/** @throws OxbowError `not_text` for what holds no text that can be read */
export async function readDocument(path: string, { bytes }: FileBytes, signal: AbortSignal): Promise<DocumentContent> {
  const end = extname(path).toLowerCase()
  const kind = kindOf(end === '.html' || end === '.htm' || end === '.xhtml' ? 'text/html' : end === '.pdf' ? 'application/pdf' : '', bytes)
  const title = basename(path)
  if (kind === 'binary') throw unreadable(path, 'is binary')
  if (kind === 'pdf') {
    const { readPdf, pdfMarkdown } = await import('../pdf/pdf-text.ts')
    const answer = await readPdf(bytes, signal)
    if (!answer.ok) throw unreadable(path, `is a PDF that is ${answer.problem.replace('_', ' ')}`)
    return {
      title: withoutHidden(answer.title).trim() || title,
      text: String(await withoutHiddenPieces(pdfMarkdown(answer), signal)),
      format: 'markdown',
    }
  }
  const source = decodeText(bytes, '', kind)
  if (kind === 'html') {
    const { readHtml } = await import('../web/html-text.ts')
    const page = await readHtml(source, { url: `file://${path}`, marks: true, signal })
    return {
      title: withoutHidden(page.title).trim() || title,
      text: String(await withoutHiddenPieces(page.text, signal)),
      format: 'markdown',
    }
  }
  return { title, text: String(await withoutHiddenPieces(source, signal)), format: formats[end] ?? 'text' }
}

function unreadable(path: string, why: string): OxbowError {
  return new OxbowError('not_text', `${path} ${why}; there is no text to remember.`, { hint: 'Convert it to text, or note what it says.' })
}
