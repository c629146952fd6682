/** `memory.ingest`: turns files of the workspace into documents of memory. An unchanged file is skipped, a changed one replaced. */
import { createHash } from 'node:crypto'
import { basename, extname } from 'node:path/posix'
import { z } from 'zod'
import type { Ingested, Memory, TextFormat } from '../../memory/index.ts'
import { isOxbowError, ownValue, OxbowError, plural } from '../../base/index.ts'
import { type Call, type CallContext, defineCall, type Label } from '../../protocol/index.ts'
import { listTimeoutMs, maxListDepth, maxRangeBytes } from '../limits.ts'
import { decodeText, kindOf, withoutHidden, withoutHiddenPieces } from '../web/decode-text.ts'
import { askHands, pathArgument, toWorkspacePath } from '../workspace-arguments.ts'
import { changing, tags } from './call-facts.ts'
import { ingestFileTimeoutMs, ingestTimeoutMs, maxDocumentBytes, maxIngestFiles } from '../limits.ts'

type IngestInput = z.infer<typeof ingestInput>

const ingestOutput = z.strictObject({
  documents: z.array(
    z.strictObject({
      address: z.string(),
      state: z.enum(['new', 'replaced', 'unchanged', 'removed', 'missing']),
      sections: z.int(),
      characters: z.int(),
    }),
  ),
  failed: z.array(z.strictObject({ path: z.string(), code: z.string(), message: z.string() })),
  truncated: z.boolean().describe('The folder has more files than one call ingests.'),
})

type IngestOutput = z.infer<typeof ingestOutput>

const ingestInput = z.strictObject({
  path: pathArgument.describe('File or folder. Relative paths start at /shared. Deleted files are removed from memory.'),
  tags: tags.default([]),
  trust: z.boolean().default(false).describe('The person vouches for the content. Otherwise it counts as written by others.'),
})

export function ingestCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.ingest',
    routes: [{ method: 'POST', path: '/memory/ingest' }],
    event: () => ({ kind: 'memory_stored', fields: { source: 'document' } }),
    summary: 'Ingests a file, or the documents of a folder, into memory: text, Markdown, HTML, PDF and code.',
    timeoutMs: ingestTimeoutMs,
    input: ingestInput,
    output: ingestOutput,
    example: { path: 'docs', tags: ['handbook'], trust: false },
    audience: ['terminal'],
    recordOutput: ({ documents, failed }) => ({
      documents: documents.map(({ address, state, sections }) => ({ address, state, sections })),
      failed: failed.map(({ path, code }) => ({ path, code })),
    }),
    async run(input, context) {
      const path = toWorkspacePath(input.path).replace(/(?<=.)\/+$/, '')
      const { files, gone, truncated } = await filesAt(memory, path, context)
      const documents: Ingested[] = []
      const failed: { path: string; code: string; message: string }[] = []
      let hint = ''
      for (const address of gone) documents.push(await (await memory.documents()).remove(address))
      for (const file of files) {
        context.signal.throwIfAborted()
        try {
          documents.push(await ingestFile(memory, file, input, context))
        } catch (error) {
          if (!isOxbowError(error) || context.signal.aborted || error.code.startsWith('store_')) throw error
          failed.push({ path: file, code: error.code, message: error.message })
          hint = files.length === 1 ? error.hint : ''
        }
      }
      const output = { documents, failed, truncated }
      // A single named file that cannot be read is a failure with its own hint; one of many is listed.
      if (documents.length === 0 && failed[0] !== undefined)
        throw new OxbowError('tool_failed', failed[0].message, { hint: hint || 'Name a text, Markdown, HTML, PDF or code file.' })
      return { output, text: describe(output), ok: failed.length === 0 }
    },
  })
}

interface Files {
  readonly files: readonly string[]
  /** Addresses that memory has and the workspace no longer has. */
  readonly gone: readonly string[]
  readonly truncated: boolean
}

async function filesAt(memory: Memory, path: string, context: CallContext): Promise<Files> {
  const documents = await memory.documents()
  const { kind } = await askHands(context, 'stat', { path }, listTimeoutMs)
  if (kind === 'file') return { files: [path], gone: [], truncated: false }
  const stored = await documents.addresses(path)
  if (kind === 'missing') {
    if (stored.length > 0) return { files: [], gone: stored, truncated: false }
    throw new OxbowError('not_found', `${path} does not exist.`, {
      hint: 'file_list shows the files. Paths are in the workspace: put the file into its `shared` folder.',
    })
  }
  if (kind !== 'folder')
    throw new OxbowError('path_refused', `${path} is neither a file nor a folder.`, { hint: 'Name the file that it points to.' })
  const input = { path, depth: maxListDepth, glob: '', all: false, skip: 0, maxEntries: maxIngestFiles * 2 }
  const { entries, truncated } = await askHands(context, 'list', input, listTimeoutMs)
  const found = entries.filter((entry) => entry.kind === 'file').map((entry) => inFolder(path, entry.path))
  const files = found.filter(isDocument)
  const there = new Set(found)
  return {
    files: files.slice(0, maxIngestFiles),
    gone: truncated ? [] : stored.filter((address) => !there.has(address)),
    truncated: truncated || files.length > maxIngestFiles,
  }
}

/** Hands list full paths, or paths relative to the folder. */
function inFolder(folder: string, path: string): string {
  return path.startsWith('/') ? path : `${folder}/${path}`
}

async function ingestFile(memory: Memory, path: string, { tags: newTags, trust }: IngestInput, context: CallContext): Promise<Ingested> {
  const documents = await memory.documents()
  const file = await readFileBytes(path, context)
  // Files in /shared and /tmp may come from anywhere: only a person can vouch for them.
  const isTrusted = trust && context.caller.audience === 'terminal' && context.caller.actor.startsWith('user:')
  const before = await documents.known(path)
  // Tags and labels of these very bytes stay until others are set.
  const same = before?.file === file.hash ? before : null
  const kept = newTags.length > 0 ? newTags : (same?.tags ?? [])
  const own: readonly Label[] = isTrusted ? [] : (same?.labels ?? ['untrusted'])
  // No claim can remove the labels of the file itself.
  const labels = [...new Set([...own, ...context.labels()])].sort()
  const isLabelled = same !== null && labels.length === same.labels.length && kept.join('\n') === same.tags.join('\n')
  if (isLabelled) return { address: path, state: 'unchanged', sections: 0, characters: 0 }
  const { title, text, format } = await readDocument(path, file, context.signal)
  return documents.put({ address: path, title, text, format, tags: kept, labels, file: file.hash }, context)
}

function describe({ documents, failed, truncated }: IngestOutput): string {
  const count = (state: Ingested['state']): number => documents.filter((each) => each.state === state).length
  const states = (['new', 'replaced', 'unchanged', 'removed'] as const)
    .filter((state) => count(state) > 0)
    .map((state) => `${count(state)} ${state}`)
  return [
    `${plural(documents.length, 'document')}: ${states.join(', ') || 'none'}.`,
    ...failed.slice(0, 20).map(({ path, message }) => `${path}: ${message}`),
    ...(truncated ? [`The folder has more than ${maxIngestFiles} documents; ingest its subfolders one by one.`] : []),
  ].join('\n')
}

const formats: Readonly<Record<string, TextFormat>> = {
  ...Object.fromEntries(['.md', '.markdown', '.mdx', '.rst', '.org', '.adoc'].map((end) => [end, 'markdown'])),
  ...Object.fromEntries(
    '.ts .tsx .js .jsx .mjs .cjs .py .rb .go .rs .java .kt .c .h .cc .cpp .hpp .cs .php .swift .scala .sh .bash .zsh .sql .css .scss .lua .pl .r .jl .ex .exs .erl .hs .ml .clj .vue .svelte .toml .yaml .yml .json .jsonl .xml .ini .tf .proto .gradle .dockerfile'
      .split(' ')
      .map((end) => [end, 'code']),
  ),
}
const textual = new Set(['.txt', '.text', '.log', '.csv', '.tsv', '.html', '.htm', '.xhtml', '.pdf', '.tex', '.srt', '.vtt', '.eml'])

/** Whether ingesting a folder includes this file. A file named by itself is always tried. */
function isDocument(path: string): boolean {
  const end = extname(path).toLowerCase()
  return Object.hasOwn(formats, end) || textual.has(end) || /^(?:readme|license|changelog|makefile|dockerfile|notes)$/i.test(basename(path))
}

/** Content of a file, and its hash. */
interface FileBytes {
  readonly bytes: Buffer
  readonly hash: string
}

/** @throws OxbowError as hands do; `limit_reached` for a file that is too large */
async function readFileBytes(path: string, context: CallContext): Promise<FileBytes> {
  const pieces: Buffer[] = []
  for (let offset = 0; ;) {
    const { content, totalBytes } = await askHands(context, 'bytes', { path, offset, maxBytes: maxRangeBytes }, ingestFileTimeoutMs)
    if (totalBytes > maxDocumentBytes) {
      throw new OxbowError('limit_reached', `${path} has ${totalBytes} bytes; the limit is ${maxDocumentBytes}.`, {
        hint: 'Split it and ingest the parts.',
      })
    }
    pieces.push(Buffer.from(content))
    offset += content.length
    if (content.length === 0 || offset >= totalBytes) break
  }
  const bytes = Buffer.concat(pieces)
  return { bytes, hash: createHash('sha256').update(bytes).digest('hex') }
}

interface DocumentContent {
  readonly title: string
  readonly text: string
  readonly format: TextFormat
}

/** @throws OxbowError `not_text` when the file holds no readable text */
async function readDocument(path: string, { bytes }: FileBytes, signal: AbortSignal): Promise<DocumentContent> {
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
  return { title, text: String(await withoutHiddenPieces(source, signal)), format: ownValue(formats, end) ?? 'text' }
}

function unreadable(path: string, why: string): OxbowError {
  return new OxbowError('not_text', `${path} ${why}; it has no text to store.`, { hint: 'Convert it to text, or note its content.' })
}
